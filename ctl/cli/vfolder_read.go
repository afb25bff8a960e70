package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
)

func (a *app) vfolderList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls [VFOLDER [PATH]]",
		Aliases: []string{"list"},
		Short:   "List vfolders, or the files in one",
		Long: `List your vfolders, sorted by name, and where each is on this machine; with a
VFOLDER the files in it, or in the directory PATH of it.`,
		Example: `  ctl vfolder ls
  ctl vfolder ls -o json | jq -r '.vfolders[].path'

  # What is in one
  ctl vfolder ls results plots`,
		Args:              argumentNames("VFOLDER?", "PATH?"),
		ValidArgsFunction: a.completeVFolders(1),
	}
	f := addOutput(cmd, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return a.vfolderFiles(cmd.Context(), f, args[0], strings.Join(args[1:], "/"))
		}
		list, err := a.client().VFolders(cmd.Context())
		if err != nil {
			return err
		}
		if len(list) == 0 && f.value == formatTable && !a.quiet {
			a.note("no vfolders yet; to make one: ctl vfolder create NAME")
			return nil
		}
		return a.vfolders(f, list, nil)
	}
	return cmd
}

func (a *app) vfolderInfo() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "info VFOLDER",
		Short:             "Show one vfolder",
		Long:              `Show one vfolder: where it is on this machine, since when, and whose.`,
		Example:           `  ctl vfolder info results`,
		Args:              argumentNames("VFOLDER"),
		ValidArgsFunction: a.completeVFolders(1),
	}
	f := addOutput(cmd, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v, err := a.client().VFolder(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if f.value != formatTable || a.quiet {
			return a.vfolders(f, []api.VFolder{v}, nil)
		}
		t := &table{header: []column{{title: "FIELD"}, {title: "VALUE", shrinks: true}}}
		t.add("name", v.Name)
		t.add("path", v.Path)
		t.add("kind", vfolderKind(v))
		t.add("owner", userName(v.OwnerUID))
		t.add("created", when(v.CreatedAt, a.now()))
		return a.table(t)
	}
	return cmd
}

func (a *app) vfolderPath() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "path VFOLDER",
		Short:             "Print where a vfolder is on this machine",
		Long:              `Print where a vfolder is on this machine, whole and nothing else.`,
		Example:           `  cp results.csv "$(ctl vfolder path results)"`,
		Args:              argumentNames("VFOLDER"),
		ValidArgsFunction: a.completeVFolders(1),
	}
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v, err := a.client().VFolder(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return a.vfolders(f, []api.VFolder{v}, func(v api.VFolder) string { return v.Path })
	}
	return cmd
}
