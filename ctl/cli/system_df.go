package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
)

func (a *app) systemDisk() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "df",
		Short: "Show what takes room on the disk",
		Long: `Show what your sessions and vfolders take on the disk, and the images that your
sessions ran. RECLAIMABLE is what ctl session prune would free. Vfolders that
stand for directories of yours elsewhere are not counted; images share layers,
so that all of them together take less than their sum.

-v shows each by itself; -o json has them in bytes.`,
		Example: `  ctl system df
  ctl system df -v
  ctl system df -o json | jq '[.sessions[].scratch_bytes] | add'`,
		Args: argumentNames(),
	}
	each := cmd.Flags().BoolP("verbose", "v", false, "each session, vfolder and image by itself")
	f := addOutput(cmd, formatTable, formatJSON, formatYAML)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		use, err := a.client().DiskUse(cmd.Context())
		switch {
		case err != nil:
			return err
		case f.value != formatTable:
			use.SchemaVersion = api.SchemaVersion
			return a.data(f.value, use)
		case *each:
			return a.table(diskEach(use))
		}
		return a.table(diskSums(use))
	}
	return cmd
}

// bytesText is a number of bytes as people read it, with the letters that templates have: 1.5g.
func bytesText(n int64) string {
	const units = "kmgtp"
	if n < 1024 {
		return number(n) + "b"
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + units[unit:unit+1]
}

// diskSums is a kind a row.
func diskSums(use api.DiskUse) *table {
	t := &table{header: []column{{title: "WHAT"}, {title: "COUNT"}, {title: "SIZE"}, {title: "RECLAIMABLE"}}}
	var records, scratch, endedRecords, endedScratch, folders, images int64
	for _, s := range use.Sessions {
		records, scratch = records+s.RecordBytes, scratch+s.ScratchBytes
		if s.Ended {
			endedRecords, endedScratch = endedRecords+s.RecordBytes, endedScratch+s.ScratchBytes
		}
	}
	for _, v := range use.VFolders {
		folders += v.Bytes
	}
	for _, i := range use.Images {
		images += i.Bytes
	}
	sessions := number(int64(len(use.Sessions)))
	t.add("records and logs", sessions, bytesText(records), bytesText(endedRecords))
	t.add("files of sessions", sessions, bytesText(scratch), bytesText(endedScratch))
	t.add("vfolders", number(int64(len(use.VFolders))), bytesText(folders), "")
	t.add("repositories", number(int64(use.Repositories.Count)), bytesText(use.Repositories.Bytes),
		bytesText(use.Repositories.Bytes))
	t.add("images", number(int64(len(use.Images))), bytesText(images), "")
	t.add("free", "", bytesText(use.FreeBytes), "")
	return t
}

// diskEach is a thing a row.
func diskEach(use api.DiskUse) *table {
	t := &table{header: []column{
		{title: "WHAT"}, {title: "NAME", shrinks: true}, {title: "ID", shrinks: true}, {title: "SIZE"}, {title: "RECORD"},
	}}
	for _, s := range use.Sessions {
		t.add("session", s.Name, s.ID, bytesText(s.ScratchBytes), bytesText(s.RecordBytes))
	}
	for _, v := range use.VFolders {
		t.add("vfolder", v.Name, "", bytesText(v.Bytes), "")
	}
	for _, i := range use.Images {
		t.add("image", i.Reference, i.ID, bytesText(i.Bytes), "")
	}
	return t
}
