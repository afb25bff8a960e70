package attack

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/creack/pty"

	"agentd/internal/checkout/gittest"
)

// TestOptions_AreNoneInOurHands puts options of git and ssh where names, branches and URLs go.
func TestOptions_AreNoneInOurHands(t *testing.T) {
	dir := t.TempDir()
	repo := gittest.New(t, dir, "team/app")
	repo.Commit("first", map[string]string{"file": "x"})
	git := gittest.Serve(t, dir)
	w := newWorld(t, "git: {timeout: 10s, schemes: [https, ssh, http, git], instead_of: {\"https://git.example/\": \""+git.URL+"/\"}}")
	mark := w.path("tmp-mark")
	must(t, os.WriteFile(mark, nil, 0o666))
	must(t, os.Chmod(mark, 0o666))
	run := "echo won >" + mark + ";"
	// Weakened: what a program does that runs git with the branch as an argument.
	cmd := exec.Command("git", "fetch", "-q", repo.Dir, "--upload-pack="+run)
	cmd.Dir = repo.Dir
	cmd.Env = gittest.Env()
	cmd.Run()
	if text, err := os.ReadFile(mark); err != nil || string(text) != "won\n" {
		t.Fatalf("the attack does not win where nothing stops it: %q, %v", text, err)
	}
	must(t, os.Truncate(mark, 0))
	quote := strconv.Quote
	for i, c := range []struct{ name, repository, branch, commit string }{
		{"", "https://git.example/team/app", "--upload-pack=" + run, ""},
		{"", "https://git.example/team/app", "", "--upload-pack=" + run},
		{"", "--upload-pack=" + run, "", ""}, {"", "ext::sh -c " + run, "", ""}, {"", "ssh://-oProxyCommand=" + run + "/x", "", ""},
		{"", "git@-oProxyCommand=" + run + ":x/y", "", ""}, {"", "ssh://git@host%0a-oProxyCommand=x/y", "", ""},
		{"", "https://git.example/team/app%0a--upload-pack=x\n" + run, "", ""}, {"", "https://git.example/team/app", "main\n" + run, ""},
		{"", "https://git.example/team/app", "$(" + run + ")", ""}, {"", "https://git.example/team/`" + run + "`", "", ""},
		{"-rf", "https://git.example/team/app", "", ""}, {"--help", "https://git.example/team/app", "", ""},
		{"a\nb", "https://git.example/team/app", "", ""}, {"a\x1b[2Jb", "https://git.example/team/app", "", ""}, {"a\u202eb", "https://git.example/team/app", "", ""},
		{"../../x", "https://git.example/team/app", "", ""}, {"a\x00b", "https://git.example/team/app", "", ""},
	} {
		name := c.name
		if name == "" {
			name = fmt.Sprintf("option%d", i)
		}
		git := "{repository: " + quote(c.repository)
		if c.branch != "" {
			git += ", branch: " + quote(c.branch)
		}
		if c.commit != "" {
			git += ", commit: " + quote(c.commit)
		}
		text := fmt.Sprintf("{api_version: v1, kind: taskTemplate, metadata: {name: %s}, spec: {kernel: {image: %q, git: %s}}}}", quote(name), w.image, git)
		out, status := w.ctl(alice, "sesstpl", "create", "-f", w.file(alice, "option.yaml", text))
		if status == 0 {
			out, status = w.ctl(alice, "launch", name, "-t", fmt.Sprintf("option-%d", i))
		}
		if status == 0 {
			t.Errorf("%q is taken: %s", c, out)
		}
		if strings.ContainsAny(out, "\x1b\x00\u202e") {
			t.Errorf("%q: printed as it is: %q", c, out)
		}
	}
	w.template(alice, "plain", w.image, "    git: {repository: \"https://git.example/team/app\"}\n")
	for _, args := range [][]string{
		{"launch", "plain", "--git-branch=--upload-pack=" + run}, {"launch", "plain", "--git-commit=--upload-pack=" + run},
		{"launch", "plain", "-t", "--upload-pack"}, {"launch", "plain", "-t", "-oProxyCommand=x"}, {"launch", "plain", "-i", "--privileged"},
		{"launch", "plain", "-i", "-v/:/x"}, {"vfolder", "create", "--", "--path"}, {"vfolder", "create", "--", "../x"}, {"vfolder", "create", "a\x1b[2J"},
	} {
		if out, status := w.ctl(alice, args...); status == 0 || strings.Contains(out, "\x1b") {
			t.Errorf("%q: %d: %q", args, status, out)
		}
	}
	if text, err := os.ReadFile(mark); err != nil || len(text) > 0 {
		t.Errorf("something ran: %q, %v", text, err)
	}
	w.mustCtl(alice, "launch", "plain", "-t", "honest")
	w.end(alice, "honest")
}

// TestTerminal_ObeysNobodyButItsUser has output and descriptions that would retitle, wipe and write the clipboard.
func TestTerminal_ObeysNobodyButItsUser(t *testing.T) {
	w := newWorld(t)
	w.template(alice, "noisy", w.image, `    run: {startup: "printf '\\033]0;title\\007\\033[2J\\033]52;c;ZXZpbA==\\007\\033P+q\\033\\\\\\\\\\2332J\\033[31mred\\033[0m\\r\\bx\\nend\\n'"}
  type: batch
x-agentd: {description: "\e]0;title\a\e[2J"}
`)
	w.mustCtl(alice, "launch", "noisy", "-t", "noisy", "--wait")
	raw, _ := w.ctl(alice, "session", "logs", "noisy")
	if !strings.Contains(raw, "\x1b]52;") {
		t.Fatalf("the output does not hold the attack: %q", raw) // a pipe gets what was written, byte for byte
	}
	for _, args := range [][]string{
		{"session", "logs", "noisy"}, {"sesstpl", "list"}, {"sesstpl", "history", "noisy"}, {"session", "info", "noisy"},
		{"session", "ls", "-a"}, {"sesstpl", "list", "-o", "json"}, {"session", "events", "noisy"},
	} {
		cmd := w.command(t.Context(), alice, args...)
		cmd.Env = append(cmd.Env, "TERM=xterm")
		shown, err := pty.Start(cmd)
		must(t, err)
		text, _ := io.ReadAll(shown) // ends with EIO
		cmd.Wait()
		shown.Close()
		for _, bad := range []string{"\x1b]", "\x1b[2J", "\x1bP", "\x9b", "\x07", "\b"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("ctl %v shows %q: %q", args, bad, text)
			}
		}
	}
	if out, status := w.ctl(alice, "launch", "noisy", "-t", "a\x1b[2Jb"); status == 0 || strings.Contains(out, "\x1b") {
		t.Errorf("a session's name: %d: %q", status, out)
	}
}
