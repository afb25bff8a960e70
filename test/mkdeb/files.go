package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"agentd/agentd/daemon"
	"agentd/ctl/cli"
)

// manuals makes the manual pages of both programs from their commands.
func manuals(j job) error {
	for section, make := range map[string]func(string) error{
		"man1": func(dir string) error { return cli.WriteMan(dir, j.date) },
		"man8": func(dir string) error { return daemon.WriteMan(dir, j.date) },
	} {
		dir := filepath.Join(j.stage, "usr/share/man", section)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := make(dir); err != nil {
			return err
		}
		pages, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, page := range pages {
			if err := compress(filepath.Join(dir, page.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// completions lets ctl itself print them, as its users do.
func completions(j job) error {
	for shell, file := range map[string]string{
		"bash": "bash-completion/completions/ctl",
		"zsh":  "zsh/vendor-completions/_ctl",
		"fish": "fish/vendor_completions.d/ctl.fish",
	} {
		var out, failure bytes.Buffer
		stdio := cli.Stdio{In: strings.NewReader(""), Out: &out, Err: &failure, Getenv: func(string) string { return "" }}
		if code := cli.Main([]string{"completion", shell}, stdio); code != 0 {
			return fmt.Errorf("ctl completion %s: exit status %d: %s", shell, code, failure.String())
		}
		if err := write(filepath.Join(j.stage, "usr/share", file), out.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// documents are what lies in /usr/share/doc, by Debian's policy and for people.
func documents(j job) error {
	doc := filepath.Join(j.stage, "usr/share/doc/agentd")
	for _, pair := range [][2]string{
		{"systemd/deb/copyright", "copyright"}, {"README.md", "README.md"}, {"SECURITY.md", "SECURITY.md"},
		{"CHANGELOG.md", "CHANGELOG.md"}, {"systemd/deb/lintian-overrides", "../../lintian/overrides/agentd"},
	} {
		text, err := os.ReadFile(pair[0])
		if os.IsNotExist(err) && pair[0] == "SECURITY.md" {
			continue
		}
		if err != nil {
			return err
		}
		if err := write(filepath.Join(doc, pair[1]), text); err != nil {
			return err
		}
	}
	for from, to := range map[string]string{"docs": "docs", "configs/templates": "examples"} {
		if err := os.CopyFS(filepath.Join(doc, to), os.DirFS(from)); err != nil {
			return err
		}
	}
	maintainer, err := field("Maintainer")
	if err != nil {
		return err
	}
	entry := fmt.Sprintf("agentd (%s) unstable; urgency=medium\n\n  * See /usr/share/doc/agentd/CHANGELOG.md.\n\n -- %s  %s\n",
		j.version, maintainer, j.date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	log := filepath.Join(doc, "changelog")
	if err := write(log, []byte(entry)); err != nil {
		return err
	}
	return compress(log)
}

// field is a field of the control file.
func field(name string) (string, error) {
	text, err := os.ReadFile("systemd/deb/control")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("systemd/deb/control has no %s", name)
}

func write(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}

// compress puts name.gz in the place of name, without the time.
func compress(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := write(name+".gz", b.Bytes()); err != nil {
		return err
	}
	return os.Remove(name)
}

// settle gives every file the rights and the time that it shall have, whatever the umask was.
func settle(j job) error {
	return filepath.WalkDir(j.stage, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode, dir := fs.FileMode(0o644), filepath.Dir(path)
		if d.IsDir() || dir == filepath.Join(j.stage, "usr/bin") || dir == filepath.Join(j.stage, "usr/lib/agentd") {
			mode = 0o755
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		return os.Chtimes(path, j.date, j.date)
	})
}
