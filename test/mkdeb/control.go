package main

import (
	"crypto/md5"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// control writes the package's own files: what it is, its scripts, its conffiles, the sums of the others.
func control(j job) error {
	var sums, conffiles strings.Builder
	size := int64(0)
	err := filepath.WalkDir(j.stage, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			size++
			return err
		}
		name, err := filepath.Rel(j.stage, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		// As dpkg-gencontrol counts: whole kibibytes, one for a directory.
		size += (int64(len(text)) + 1023) / 1024
		if strings.HasPrefix(name, "etc/") {
			fmt.Fprintf(&conffiles, "/%s\n", name)
		} else {
			fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(text), name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	text, err := os.ReadFile("systemd/deb/control")
	if err != nil {
		return err
	}
	head := strings.NewReplacer("@VERSION@", j.version, "@ARCH@", j.arch, "@SIZE@", fmt.Sprint(size)).Replace(string(text))
	dir := filepath.Join(j.stage, "DEBIAN")
	for name, text := range map[string]string{"control": head, "md5sums": sums.String(), "conffiles": conffiles.String()} {
		if err := write(filepath.Join(dir, name), []byte(text)); err != nil {
			return err
		}
	}
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		script, err := os.ReadFile(filepath.Join("systemd/deb", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), script, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	return nil
}
