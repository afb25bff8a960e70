package readme

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"agentd/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// building is the line that the test replaces: the programs are there.
const building = "make build && PATH=$PWD/bin:$PATH"

// TestReadme_TemplateByHand types what the reader would type, into one shell, as a user who is not root.
func TestReadme_TemplateByHand(t *testing.T) {
	root := testenv.ModuleRoot(t)
	commands := section(t, filepath.Join(root, "README.md"), "## A template by hand")
	if len(commands) < 10 || commands[0] != building {
		t.Fatalf("the commands of the section are %q", commands)
	}
	var script strings.Builder
	for _, c := range commands[1:] {
		if c == "agentd &" {
			fmt.Fprintf(&script, "agentd 2>agentd.log & pid=$!\ntrap 'kill $pid; wait $pid; echo agentd: $?' EXIT\n")
			continue
		}
		fmt.Fprintf(&script, "%s\necho \"status $?: %s\"\n", c, strings.NewReplacer(`"`, `\"`, "`", "", "$", `\$`).Replace(c))
	}
	home := user(t)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script.String())
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + testenv.Binaries(t) + ":" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + home}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	copyExamples(t, root, home)
	out, err := cmd.CombinedOutput()
	text := string(out)
	t.Logf("%s", text)
	if err != nil {
		t.Error(err)
	}
	for _, c := range commands[2:] {
		want := 0
		if strings.HasPrefix(c, "ctl sesstpl diff") {
			want = 1 // something differs
		}
		if line := fmt.Sprintf("status %d: %s\n", want, c); !strings.Contains(text, line) {
			t.Errorf("missing: %s", line)
		}
	}
	for _, want := range []string{"created template1234 (", "+          mem: 8g", "now revision 3", "agentd: 0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		log, err := os.ReadFile(filepath.Join(home, "configs", "templates", "agentd.log"))
		t.Logf("agentd.log: %v\n%s", err, log)
	}
}

// section returns the commands behind "$ " below the heading, up to the next one of its level.
func section(t *testing.T, file, heading string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), heading+"\n")
	if !found {
		t.Fatalf("%s has no %q", file, heading)
	}
	body, _, _ := strings.Cut(after, "\n## ")
	var commands []string
	for line := range strings.Lines(body) {
		if c, ok := strings.CutPrefix(line, "$ "); ok {
			command, _, _ := strings.Cut(strings.TrimSpace(c), "  #")
			commands = append(commands, command)
		}
	}
	return commands
}

// nobody is the user that root's run of the test becomes.
const nobody = 65534

// user makes a home with a short name, for a socket is in it.
func user(t *testing.T) string {
	t.Helper()
	home := testenv.Dir(t)
	if os.Geteuid() == 0 {
		if err := os.Chown(home, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// copyExamples makes the part of the tree that the commands use: a tree under root's home is for root alone.
func copyExamples(t *testing.T, root, home string) {
	t.Helper()
	from, to := filepath.Join(root, "configs"), filepath.Join(home, "configs")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return
	}
	for _, dir := range []string{to, filepath.Join(to, "templates")} {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
}
