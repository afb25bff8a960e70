package main

import (
	"io/fs"
	"os"

	"agentd/internal/layout"
)

// programs is the directory of what make build leaves, without what else is there.
func programs(bin string) fs.FS { return onlyPrograms{os.DirFS(bin)} }

type onlyPrograms struct{ fs.FS }

// ReadDir lists the programs that the demo uses.
func (o onlyPrograms) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(o.FS, name)
	var found []fs.DirEntry
	for _, entry := range all {
		switch entry.Name() {
		case "agentd", "ctl", layout.InitProgram, layout.ProbeProgram:
			found = append(found, entry)
		}
	}
	return found, err
}
