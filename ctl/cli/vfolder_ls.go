package cli

import (
	"context"
	"io/fs"
	"strings"
	"time"

	"agentd/internal/api"
)

// vfolderFile is a file in a vfolder.
type vfolderFile struct {
	Name     string    `json:"name"`
	Mode     string    `json:"mode"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// vfolderFilesOutput is what ls VFOLDER prints with -o json.
type vfolderFilesOutput struct {
	SchemaVersion int           `json:"schema_version"`
	Files         []vfolderFile `json:"files"`
}

// vfolderFiles lists what is in a directory of a vfolder, sorted by name.
func (a *app) vfolderFiles(ctx context.Context, f *format, name, dir string) error {
	root, err := a.openVFolder(ctx, name)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // it was only read
	entries, err := fs.ReadDir(root.FS(), strings.TrimSuffix(inside(dir), "/"))
	if err != nil {
		return fileTrouble(name, err)
	}
	files := make([]vfolderFile, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // it went away
		}
		files = append(files, vfolderFile{e.Name(), info.Mode().String(), info.Size(), info.ModTime().UTC()})
	}
	switch {
	case a.quiet || f.value == formatName:
		return a.lines(each(files, func(x vfolderFile) string { return x.Name }))
	case f.value != formatTable:
		return a.data(f.value, vfolderFilesOutput{SchemaVersion: api.SchemaVersion, Files: files})
	case len(files) == 0:
		a.note("nothing is in it")
		return nil
	}
	t := &table{header: []column{{title: "NAME", shrinks: true}, {title: "SIZE"}, {title: "MODIFIED"}, {title: "MODE"}}}
	for _, x := range files {
		t.add(x.Name, bytesText(x.Size), when(x.Modified, a.now()), x.Mode)
	}
	return a.table(t)
}
