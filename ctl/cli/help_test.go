package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/ctl/cli"
)

// run calls ctl in this process, without agentd.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	status = cli.Main(args, cli.Stdio{
		In: strings.NewReader(""), Out: &out, Err: &errOut,
		Getenv: func(name string) string {
			if name == "AGENTD_SOCKET" {
				return "/nonexistent/agentd.sock"
			}
			return ""
		},
		UID: 1000,
	})
	return status, out.String(), errOut.String()
}

// commandPaths finds every command as a person would: from the help of those above it.
func commandPaths(t *testing.T, path ...string) [][]string {
	t.Helper()
	status, help, stderr := run(t, append(path, "--help")...)
	if status != 0 || stderr != "" {
		t.Fatalf("%v --help: status %d, %s", path, status, stderr)
	}
	all := [][]string{path}
	_, list, _ := strings.Cut(help, "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" {
			all = append(all, commandPaths(t, append(append([]string{}, path...), name)...)...)
		}
	}
	return all
}

func TestHelp_Golden(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, path := range commandPaths(t) {
		name := strings.Join(append([]string{"ctl"}, path...), "_") + ".txt"
		known[name] = true
		file := filepath.Join("testdata", "help", name)
		_, got, _ := run(t, append(path, "--help")...)
		if *cli.Update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%v: go test ./ctl/cli -run Help -update writes it", err)
			continue
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		if _, word, _ := run(t, append([]string{"help"}, path...)...); word != got {
			t.Errorf("ctl help %s differs from its --help", strings.Join(path, " "))
		}
	}
	if len(known) < 15 {
		t.Errorf("found only %d commands", len(known))
	}
	files, err := os.ReadDir(filepath.Join("testdata", "help"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("testdata/help/%s is of no command", f.Name())
		}
	}
}

func TestUsage_EveryWrongCallIsTwo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ call, want string }{
		{"nosuch", `unknown command "nosuch" for "ctl"`},
		{"sestpl", "did you mean sesstpl?"},
		{"sesstpl lst", "did you mean list"},
		{"sesstpl nosuch --frob", "unknown flag: --frob"},
		{"template list --frob", "unknown flag: --frob"},
		{"sesstpl list extra", `one argument too many: "extra"`},
		{"sesstpl list -o xml", "want one of table, json, yaml, name"},
		{"sesstpl list -q -o json", "-q and -o exclude each other"},
		{"sesstpl list --all-users --owner 1", "--all-users and --owner exclude each other"},
		{"sesstpl list --owner no-such-user", "neither a uid nor the name of a user"},
		{"sesstpl get", "needs TEMPLATE"},
		{"sesstpl get a b", `one argument too many: "b"`},
		{"sesstpl get a --revision 0", "--revision 0 is not a number from 1"},
		{"sesstpl get a --revision x", "invalid argument"},
		{"sesstpl get a -f yaml -o json", "--format and --output exclude each other"},
		{"sesstpl update a --revision -1 -f x", "not a number from 1"},
		{"sesstpl copy a", "needs NAME"},
		{"sesstpl rollback a", "needs REVISION"},
		{"sesstpl rollback a x", `revision "x" is not a number`},
		{"sesstpl rollback a 1 --to 1", "give the revision once"},
		{"sesstpl diff a x", `revision "x" is not a number`},
		{"sesstpl diff a 1 2 -f x", "-f compares with one revision"},
		{"sesstpl delete", "needs TEMPLATE"},
		{"sesstpl delete a --purge", "without a terminal needs --yes"},
		{"sesstpl create extra", `one argument too many: "extra"`},
		{"sesstpl validate -f - -f -", "-f - comes twice"},
		{"completion", "needs SHELL"},
		{"completion tcsh", "want bash, zsh or fish"},
		{"help nosuch", `unknown command "nosuch"`},
		{"help sesstpl nosuch", `unknown command "nosuch" for "ctl sesstpl"`},
		{"version extra", `one argument too many: "extra"`},
	} {
		t.Run(tc.call, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := run(t, strings.Fields(tc.call)...)
			if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "ctl: ") || !strings.Contains(stderr, tc.want) {
				t.Errorf("status %d, stdout %q, stderr %q; want 2 and %q", status, stdout, stderr, tc.want)
			}
			if !strings.Contains(stderr, "\nhint: see: ctl") {
				t.Errorf("no hint leads to the help: %q", stderr)
			}
		})
	}
	if status, _, stderr := run(t, "sesstpl", "get", ""); status != 2 || !strings.Contains(stderr, "argument 1 is empty") {
		t.Errorf("empty argument: status %d, %s", status, stderr)
	}
}
