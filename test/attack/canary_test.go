package attack

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"agentd/internal/api"
	"agentd/internal/checkout/gittest"
	"agentd/internal/imagetest"
)

// canaries are secrets by what they are for.
type canaries map[string]string

// in names the canaries that stand in a text, also in the form that HTTP gives them.
func (c canaries) in(text string) (found []string) {
	for name, secret := range c {
		if strings.Contains(text, secret) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("alice:"+secret))) {
			found = append(found, name)
		}
	}
	return found
}

// watch looks at the command lines of all processes, and at the environments of agentd and its children, until stop is
// called; it returns what it saw, by canary and place.
func (c canaries) watch(agentd int) (stop func() map[string]bool) {
	ctx, cancel := context.WithCancel(context.Background())
	seen := map[string]bool{}
	var wg sync.WaitGroup
	look := func() {
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range files {
			text, _ := os.ReadFile(file)
			for _, name := range c.in(string(text)) {
				seen[name+" on a command line"] = true
			}
			dir := filepath.Dir(file)
			stat, _ := os.ReadFile(dir + "/stat")
			if _, after, _ := strings.Cut(string(stat), ") "); filepath.Base(dir) == fmt.Sprint(agentd) || strings.HasPrefix(after[min(2, len(after)):], fmt.Sprint(agentd)+" ") {
				environ, _ := os.ReadFile(dir + "/environ")
				for _, name := range c.in(string(environ)) {
					seen[name+" in the environment of agentd or its child"] = true
				}
			}
		}
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			look()
		}
	})
	return func() map[string]bool {
		cancel()
		wg.Wait()
		look()
		return seen
	}
}

// TestCanaries_StayWhereTheyBelong launches with a secret in every field that takes one, and looks for them everywhere.
func TestCanaries_StayWhereTheyBelong(t *testing.T) {
	secrets := canaries{"git": rand.Text(), "literal": rand.Text(), "env": rand.Text(), "registry": rand.Text(), "script": rand.Text()}
	dir := t.TempDir()
	repo := gittest.New(t, dir, "team/app")
	repo.Commit("first", map[string]string{"file": "x"})
	git := gittest.Serve(t, dir)
	w := newWorld(t, "git: {schemes: [https, ssh, http], instead_of: {\"https://git.example/\": \""+git.URL+"/\"}}")
	registry := imagetest.Serve(t, w.engine.Listen(t))
	ref := registry.Push(t, "team/private:v1", imagetest.WithBusybox(t, "amd64"))
	t.Cleanup(func() { imagetest.Remove(t, w.engine.Host, ref) })
	registry.RequireLogin("alice", secrets["registry"])
	w.file(alice, ".docker/config.json", fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, registry.Host(),
		base64.StdEncoding.EncodeToString([]byte("alice:"+secrets["registry"]))))
	w.env = []string{"GIT_TOKEN=" + secrets["git"]}

	// Weakened: the same by the engine's own command line. The watcher and the look at the container find it.
	stop := secrets.watch(w.agentd.Process.Pid)
	naive := w.mustDocker("run", "-d", "--network", "none", "-e", "SECRET="+secrets["env"], w.image, "/bin/sh", "-c", ": "+secrets["script"]+"; sleep 60")
	inspected := w.mustDocker("inspect", naive)
	w.mustDocker("rm", "-f", naive)
	if seen := stop(); !seen["script on a command line"] || len(secrets.in(inspected)) != 2 {
		t.Fatalf("the watcher saw %v, and inspect shows %v: it looks in the wrong places", seen, secrets.in(inspected))
	}

	noCore(t, w.agentd.Process.Pid)
	stop = secrets.watch(w.agentd.Process.Pid)
	spec := `    environ: {SECRET: %q}
    run: {bootstrap: "test -n \"$SECRET\" && : %s"}
    git: {repository: "https://git.example/team/app", credential: {username: alice, password: %q}}
`
	git.Login("alice", secrets["git"])
	w.template(alice, "reference", ref, fmt.Sprintf(spec, secrets["env"], secrets["script"], "${env:GIT_TOKEN}"))
	w.mustCtl(alice, "launch", "reference", "-t", "reference")
	git.Login("alice", secrets["literal"])
	w.template(alice, "literal", ref, fmt.Sprintf(spec, secrets["env"], secrets["script"], secrets["literal"]))
	w.mustCtl(alice, "launch", "literal", "-t", "literal")
	git.Login("alice", "another one")
	failed, status := w.ctl(alice, "launch", "reference", "-t", "refused")
	if status == 0 {
		t.Error("a wrong password is taken")
	}
	inside := w.mustCtl(alice, "session", "exec", "literal", "--", "/bin/sh", "-c", "cat ~/app/.git/config ~/app/.git/HEAD ~/app/.git/FETCH_HEAD; ps -o args; tr '\\0' '\\n' </proc/self/cmdline")
	for place := range stop() {
		// What a session runs is on the command line of its own shell, as whatever people run.
		if !strings.HasPrefix(place, "script ") {
			t.Errorf("%s", place)
		}
	}
	if leaked := secrets.in(failed); len(leaked) > 0 {
		t.Errorf("a failing launch prints %v", leaked)
	}
	// The script is on the command line of the shell that runs it, inside; the passwords are nowhere.
	for _, name := range secrets.in(inside) {
		if name != "script" {
			t.Errorf("%s is to be seen inside: %s", name, inside)
		}
	}
	for c := range strings.FieldsSeq(w.mustDocker("ps", "-aq", "--filter", "label=io.agentd.instance="+w.instance())) {
		if leaked := secrets.in(w.mustDocker("inspect", c)); len(leaked) > 0 {
			t.Errorf("docker inspect shows %v", leaked)
		}
	}
	if leaked := secrets.in(w.log()); len(leaked) > 0 {
		t.Errorf("agentd's log has %v", leaked)
	}
	// What her own template says she may read; the passwords nobody gets unasked.
	for _, path := range []string{
		api.PathSession, api.PathSessionHistory, api.PathSessionEvents, api.PathSessionLogs, api.PathEvents + "?after=0", api.PathMetrics,
		api.PathSystemInfo, api.PathSystemDoctor, api.PathSystemAudit, api.PathStats, api.PathTemplates, "/v1/templates/literal", "/v1/templates/literal/text", "/v1/templates/literal/revisions",
	} {
		for _, u := range roles {
			for _, session := range []string{"literal", "reference"} {
				got := w.ask(u, "GET", strings.Replace(path, "{ref}", session, 1), nil)
				for _, name := range secrets.in(got.body) {
					own := u.name == "alice" && (name == "env" || name == "script")
					if !own {
						t.Errorf("GET %s tells %s %s", path, u.name, name)
					}
				}
			}
		}
	}
	plan := w.ask(alice, "POST", api.PathSessionsPlan, api.LaunchRequest{Template: "literal"})
	for _, name := range secrets.in(plan.body) {
		if name != "env" && name != "script" {
			t.Errorf("the plan shows %s", name)
		}
	}
	if got := w.ask(alice, "GET", "/v1/templates/literal/text?show_secrets=true", nil); len(secrets.in(got.body)) == 0 {
		t.Error("the owner does not get her secret when she asks: what was looked for was not there")
	}
	w.noneReadable(secrets)
	w.end(alice, "literal")
	w.end(alice, "reference")
}

// noCore wants that a crash writes no memory to the disk, though whoever started the process would let it.
func noCore(t *testing.T, pid int) {
	t.Helper()
	limit := func(pid string) string {
		text, err := os.ReadFile("/proc/" + pid + "/limits")
		must(t, err)
		_, rest, _ := strings.Cut(string(text), "Max core file size")
		return strings.Fields(rest)[0]
	}
	if got := limit("self"); got == "0" {
		t.Log("here nobody may write a core: nothing is shown")
	}
	if got := limit(fmt.Sprint(pid)); got != "0" {
		t.Errorf("agentd's core may have %s bytes", got)
	}
}

// noneReadable looks at every file of agentd's as one who is nobody: in the directories that he can enter.
func (w *world) noneReadable(secrets canaries) {
	w.t.Helper()
	kept := 0
	for _, top := range []string{w.path("state"), w.path("run")} {
		must(w.t, filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if d.IsDir() && info.Mode().Perm()&0o001 == 0 {
				// Nobody enters; but it is counted, so that this looks at the right place.
				return filepath.WalkDir(path, func(p string, d fs.DirEntry, _ error) error {
					if text, err := os.ReadFile(p); err == nil && len(secrets.in(string(text))) > 0 {
						kept++
					}
					return nil
				})
			}
			if d.Type().IsRegular() && info.Mode().Perm()&0o004 != 0 {
				if text, err := os.ReadFile(path); err == nil && len(secrets.in(string(text))) > 0 {
					w.t.Errorf("everybody can read %v in %s", secrets.in(string(text)), path)
				}
			}
			return nil
		}))
	}
	if kept == 0 {
		w.t.Error("no file at all holds a secret: this looks in the wrong place")
	}
}
