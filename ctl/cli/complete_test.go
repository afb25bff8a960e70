package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/testenv"
)

// everyCommand calls f for each command of the tree.
func everyCommand(t *testing.T, f func(t *testing.T, cmd *cobra.Command)) {
	t.Helper()
	a := &app{Stdio: Stdio{Getenv: func(string) string { return "" }}, now: time.Now}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		t.Run(strings.ReplaceAll(cmd.CommandPath(), " ", "_"), func(t *testing.T) { f(t, cmd) })
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	root := a.root()
	root.InitDefaultHelpCmd()
	walk(root)
}

func TestCommands_ExplainThemselves(t *testing.T) {
	t.Parallel()
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
			t.Error("it needs Short, Long and Example")
		}
		if strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("Short ends with a full stop: %q", cmd.Short)
		}
		if !strings.HasSuffix(cmd.Long, ".") {
			t.Errorf("Long does not end with a full stop: %q", cmd.Long)
		}
		if !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Error("no example has the command in it")
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if columns(strings.TrimSpace(line)) > 80 {
				t.Errorf("over 80 columns: %s", line)
			}
		}
	})
}

func TestCommands_PrintInEveryFormat(t *testing.T) {
	t.Parallel()
	exempt := map[string]string{
		"ctl completion":    "prints a program for a shell",
		"ctl help":          "prints prose",
		"ctl session exec":  "prints what the command prints",
		"ctl session shell": "prints what the shell prints",

		"ctl session attach":       "prints what the session prints",
		"ctl session cp":           "prints what is copied",
		"ctl session download":     "is cp",
		"ctl session port-forward": "is there as long as it runs",
		"ctl session ssh":          "prints what ssh prints",
		"ctl session ssh-config":   "prints a file for ssh",
		"ctl session upload":       "is cp",
		"ctl ssh":                  "is for ssh",
		"ctl top":                  "is for a terminal; session stats is the same for programs",
		"ctl vfolder download":     "says nothing",
		"ctl vfolder mkdir":        "says nothing",
		"ctl vfolder upload":       "says nothing",
	}
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		if cmd.HasSubCommands() || exempt[cmd.CommandPath()] != "" {
			return
		}
		flag := cmd.Flags().Lookup("output")
		if flag == nil || flag.Shorthand != "o" {
			t.Fatal("it has no -o")
		}
		for _, kind := range []string{formatJSON, formatYAML} {
			if err := flag.Value.Set(kind); err != nil {
				t.Errorf("-o %s: %v", kind, err)
			}
		}
		if _, ok := cmd.GetFlagCompletionFunc("output"); !ok {
			t.Error("the formats are not completed")
		}
		if strings.Contains(cmd.Use, "TEMPLATE") && cmd.ValidArgsFunction == nil {
			t.Error("the names of templates are not completed")
		}
		if strings.Contains(cmd.Use, "SESSION") && cmd.ValidArgsFunction == nil {
			t.Error("the names of sessions are not completed")
		}
	})
}

func TestCommands_HaveAStory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(testenv.ModuleRoot(t), "ctl", "cli", "testdata")
	// What belongs together is told together.
	partOf := map[string]string{
		"session download":   "docs_compat",
		"session upload":     "docs_compat",
		"session ssh-config": "session_ssh",
		"ssh":                "session_ssh",
		"system df":          "session_prune",
		"vfolder download":   "vfolder_files",
		"vfolder mkdir":      "vfolder_files",
		"vfolder rename":     "vfolder_files",
		"vfolder upload":     "vfolder_files",
	}
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		if cmd.HasSubCommands() || cmd.Name() == "top" { // whose story is TestTop_OnATerminal, on a screen
			return
		}
		path := strings.TrimPrefix(cmd.CommandPath(), "ctl ")
		file := cmp.Or(partOf[path], strings.ReplaceAll(path, " ", "_")) + ".txtar"
		story, err := os.ReadFile(filepath.Join(dir, "script", file))
		if errors.Is(err, fs.ErrNotExist) {
			story, err = os.ReadFile(filepath.Join(dir, "session", file))
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(story), "ctl "+path) {
			t.Errorf("its story never says %q", "ctl "+path)
		}
	})
}
