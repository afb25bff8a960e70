package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"agentd/ctl/cli"
	"agentd/internal/testenv"
)

// tests removes the programs that it built for the scripts.
type tests struct{ *testing.M }

func (t tests) Run() int { return testenv.Main(t.M) }

// Main of the test binary: it is the program `as` of the scripts too.
func TestMain(m *testing.M) { testscript.Main(tests{m}, map[string]func(){"as": asMain}) }

// The scripts are stories: the real ctl and the real agentd over a real socket, told by two users and by root. Run by an
// ordinary user, that user is alice, and what needs a second one is left out.
//
// Beside testscript's own words there are
//
//	exec as USER [tty] [fails STATUS] PROGRAM ARG...
//	                                             run as alice, bob, mallory or root; with tty, on a terminal of 80 columns;
//	                                             with fails, it must end with STATUS
//	agentd start|stop|kill                       the script's own agentd, which logs to agentd.log; start
//	                                             waits until it is ready, and sets AGENTD_PID
//	capture NAME                                 put what was last printed into the variable NAME
//	same FILE...                                 the files are byte for byte what was last printed
//	secretless DIR TEXT                          no file below DIR that others may read contains TEXT
//	$ME                                          the user of what is run without `as`
//	[root]                                       condition: there are two users
func TestScripts(t *testing.T) {
	bin := testenv.Binaries(t)
	root := t.TempDir()
	passable(t, root)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		WorkdirRoot:         root,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *cli.Update,
		Setup:               func(env *testscript.Env) error { return setup(env, bin) },
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"agentd":     agentd,
			"capture":    capture,
			"same":       same,
			"secretless": secretless,
		},
	})
}

// passable lets the users of the stories through to the directory of the test.
func passable(t *testing.T, dir string) {
	t.Helper()
	for ; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// setup gives the users homes, and agentd a configuration, in the directory of the script.
func setup(env *testscript.Env, bin string) error {
	env.Values[slotKey{}] = &slot{}
	env.Setenv("PATH", bin+":"+env.Getenv("PATH"))
	env.Setenv("AGENTD_SOCKET", filepath.Join(env.WorkDir, "run", "agentd.sock"))
	env.Setenv("TMPDIR", filepath.Join(env.WorkDir, "tmp"))
	me := "alice"
	if os.Geteuid() == 0 {
		me = "root"
	}
	env.Setenv("ME", me)
	if err := os.Mkdir(filepath.Join(env.WorkDir, "tmp"), 0o700); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(env.WorkDir, "tmp"), 0o1777|os.ModeSticky); err != nil {
		return err
	}
	for _, u := range users() {
		home := filepath.Join(env.WorkDir, "home", u.name)
		if err := os.MkdirAll(home, 0o755); err != nil {
			return err
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(home, int(u.uid), int(u.uid)); err != nil {
				return err
			}
		}
	}
	sample, err := os.ReadFile(filepath.Join("..", "..", "internal", "template", "testdata", "sample.yaml"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(env.WorkDir, "sample.yaml"), sample, 0o644); err != nil {
		return err
	}
	return writeConfig(env.WorkDir)
}

// writeConfig writes the configuration of the script's agentd. The socket is for a group, as on a real machine.
func writeConfig(work string) error {
	group := os.Getegid()
	if os.Geteuid() == 0 {
		group = socketGroup
	}
	text := fmt.Sprintf(`agent: {id: story}
state_dir: %[1]s/state
runtime_dir: %[1]s/run
socket: {path: %[1]s/run/agentd.sock, group: "%[2]d", mode: "0660"}
log: {level: debug}
`, work, group)
	return os.WriteFile(filepath.Join(work, "agentd.yaml"), []byte(text), 0o644)
}

// capture puts what was last printed into a variable.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: capture NAME")
	}
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	if text == "" {
		ts.Fatalf("nothing was printed")
	}
	ts.Setenv(args[0], text)
}

// same compares files with what was last printed; cmp does not keep apart a missing newline at the end.
func same(ts *testscript.TestScript, neg bool, args []string) {
	got := ts.ReadFile("stdout")
	for _, name := range args {
		if want := ts.ReadFile(name); (got == want) == neg {
			ts.Fatalf("%s, byte for byte the same: %v\ngot:  %q\nwant: %q", name, !neg, got, want)
		}
	}
}

// secretless walks over what is stored and fails if others could read a secret.
func secretless(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: secretless DIR TEXT")
	}
	kept := 0
	err := filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), args[1]) {
			return err
		}
		kept++
		info, err := d.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			return fmt.Errorf("%s holds %q and has mode %v", path, args[1], info.Mode())
		}
		return err
	})
	ts.Check(err)
	if kept == 0 {
		ts.Fatalf("no file below %s holds %q: the secret is lost, or this looks in the wrong place", args[0], args[1])
	}
}
