package testenv_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"agentd/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// askEnv makes [TestHelper_Gate] ask for a program that nobody has.
const askEnv = "AGENTD_TEST_ASK"

func TestHelper_Gate(t *testing.T) {
	if os.Getenv(askEnv) == "" {
		t.Skip("only as a child of the tests below")
	}
	testenv.Tool(t, "no-such-program")
}

func TestTool_SkipsOnALaptopAndFailsWhereRequired(t *testing.T) {
	for _, c := range []struct{ require, want string }{
		{"", "--- SKIP: TestHelper_Gate"},
		{"root,engine", "--- SKIP: TestHelper_Gate"},
		{"root,no-such-program", "--- FAIL: TestHelper_Gate"},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", "^TestHelper_Gate$")
		cmd.Env = append(os.Environ(), askEnv+"=1", testenv.RequireEnv+"="+c.require)
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(string(out), c.want) || !strings.Contains(string(out), "needs the program no-such-program") {
			t.Errorf("%s=%q: want %q, got\n%s", testenv.RequireEnv, c.require, c.want, out)
		}
	}
}

func TestBinaries_AreTheProgramsOfThisTree(t *testing.T) {
	dir := testenv.Binaries(t)
	for _, name := range []string{"agentd", "ctl"} {
		out, err := exec.CommandContext(t.Context(), dir+"/"+name, "--help").CombinedOutput()
		if err != nil || !strings.Contains(string(out), name) {
			t.Errorf("%s --help: %v\n%s", name, err, out)
		}
	}
	if again := testenv.Binaries(t); again != dir {
		t.Errorf("built twice: %s and %s", dir, again)
	}
}

func TestEngine_AnswersAndReachesThePortsOfTests(t *testing.T) {
	e := testenv.Engine(t)
	conn, err := net.Dial("unix", strings.TrimPrefix(e.Host, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	l := e.Listen(t)
	defer l.Close()
	if host, _, err := net.SplitHostPort(l.Addr().String()); err != nil || host != "127.0.0.1" {
		t.Errorf("listens at %v, %v; want a port of 127.0.0.1", l.Addr(), err)
	}
}
