package attack

import (
	"crypto/rand"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"agentd/internal/checkout/gittest"
	"agentd/internal/layout"
)

// TestPrivateRepository_IsNotHadByAnothersCache has mallory ask for the commit that alice has fetched with her password.
func TestPrivateRepository_IsNotHadByAnothersCache(t *testing.T) {
	dir := t.TempDir()
	repo := gittest.New(t, dir, "team/app")
	commit := repo.Commit("first", map[string]string{"file": "alice's"})
	git := gittest.Serve(t, dir)
	w := newWorld(t, "git: {schemes: [https, ssh, http], instead_of: {\"https://git.example/\": \""+git.URL+"/\"}}")
	password := rand.Text()
	git.Login("alice", password)
	const spec = "    git: {repository: \"https://git.example/team/app\", commit: %s%s}\n"
	w.template(alice, "app", w.image, fmt.Sprintf(spec, commit, ", credential: {username: alice, password: "+password+"}"))
	w.template(mallory, "app", w.image, fmt.Sprintf(spec, commit, ""))
	w.mustCtl(alice, "launch", "app", "-t", "hers")
	w.end(alice, "hers")
	out, status := w.ctl(mallory, "launch", "app", "-t", "stolen")
	if status != 1 || !strings.Contains(out, "in step checkout") {
		t.Errorf("%d: %s", status, out)
	}
	// Weakened: one cache for both. With alice's in the place of hers, the same launch has it.
	state := layout.State(w.path("state"))
	from, to := state.User(alice.uid).GitCache(alice.uid), state.User(mallory.uid).GitCache(mallory.uid)
	if text, err := exec.Command("sh", "-c", fmt.Sprintf("rm -rf %[2]s && mkdir -p -m 711 $(dirname %[2]s) && cp -a %[1]s %[2]s && chown -R %[3]d:%[3]d %[2]s", from, to, mallory.uid)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	w.mustCtl(mallory, "launch", "app", "-t", "weak")
	if got := w.mustCtl(mallory, "session", "exec", "weak", "--", "/bin/cat", "app/file"); got != "alice's" {
		t.Errorf("inside: %q", got)
	}
	w.end(mallory, "weak")
}
