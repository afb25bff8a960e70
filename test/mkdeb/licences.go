package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// licences copies the licence of every module that is linked into the programs: most of them ask for that.
func licences(j job) error {
	cmd := command(j, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}",
		"./agentd", "./ctl", "./internal/sessioninit/agentd-init", "./internal/imageprobe",
		"./internal/helper/agentd-helper")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	var lines []string
	scanner := bufio.NewScanner(bytes.NewReader(out))
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		module, dir, ok := strings.Cut(line, " ")
		if !ok {
			continue
		}
		text, err := licence(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", module, err)
		}
		name := strings.ReplaceAll(module, "/", "_") + ".txt"
		if err := write(filepath.Join(j.stage, "usr/share/doc/agentd/licenses", name), text); err != nil {
			return err
		}
	}
	return nil
}

// licence joins the files of a module that say what may be done with it.
func licence(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []byte
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		says := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
		if e.IsDir() || !slices.ContainsFunc([]string{"LICEN", "COPYING", "NOTICE"}, says) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, text...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no licence in %s", dir)
	}
	return all, nil
}
