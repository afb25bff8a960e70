package attack

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"agentd/internal/checkout/gittest"
	"agentd/internal/helper"
	"agentd/internal/identity"
)

func ownerOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

// strangers lists what in dir is not the user's.
func strangers(t *testing.T, dir string, u user) (found []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && ownerOf(info) != u.uid {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// TestTargetSymlink_MakesNothingAsRoot has a repository with a link where a mount shall go. The engine follows it, and
// makes what is missing as root.
func TestTargetSymlink_MakesNothingAsRoot(t *testing.T) {
	dir := t.TempDir()
	repo := gittest.New(t, dir, "team/links")
	repo.Sh("mkdir deep && ln -s deep link && ln -s ../../../../../../../../etc out && ln -s /made-by-root abs && echo x >file")
	repo.Commit("links", nil)
	git := gittest.Serve(t, dir)
	w := newWorld(t, "git: {schemes: [https, ssh, http], instead_of: {\"https://git.example/\": \""+git.URL+"/\"}}")
	must(t, os.Mkdir(filepath.Join(w.home(alice), "data"), 0o755))
	must(t, os.Lchown(filepath.Join(w.home(alice), "data"), int(alice.uid), int(alice.uid)))
	scratches := w.path("state", "users", strconv.Itoa(int(alice.uid)), "scratch")

	// Weakened: the engine alone, over a scratch with that link.
	scratch := w.path("naive")
	must(t, os.MkdirAll(filepath.Join(scratch, "deep"), 0o755))
	must(t, os.Symlink("deep", filepath.Join(scratch, "link")))
	for _, p := range []string{scratch, filepath.Join(scratch, "deep"), filepath.Join(scratch, "link")} {
		must(t, os.Lchown(p, int(alice.uid), int(alice.uid)))
	}
	w.mustDocker("run", "--rm", "--user", "20011", "--network", "none",
		"--mount", "type=bind,src="+scratch+",dst=/home/work",
		"--mount", "type=bind,src="+filepath.Join(w.home(alice), "data")+",dst=/home/work/link/new", w.image, "/bin/true")
	if got := strangers(t, scratch, alice); len(got) == 0 {
		t.Fatal("the engine made nothing as root: the attack was not tried")
	}
	// A template that asks for it is refused as it is written: nothing may be mounted in a checkout.
	for i, target := range []string{"links/link/new", "links/out/agentd-was-here", "links/abs/new", "links/link", "links/file/new"} {
		path := w.file(alice, "target.yaml", fmt.Sprintf(`{api_version: v1, kind: taskTemplate, metadata: {name: target%d}, spec: {
kernel: {image: %q, git: {repository: "https://git.example/team/links"}}, mounts: {%q: {target: %q}}}}`,
			i, w.image, filepath.Join(w.home(alice), "data"), target))
		if out, status := w.ctl(alice, "sesstpl", "create", "-f", path); status != 1 || !strings.Contains(out, " the target ") {
			t.Errorf("%s as a target: %d: %s", target, status, out)
		}
	}
	// The part that makes the targets, over the scratch that the engine was just fooled by.
	must(t, os.RemoveAll(filepath.Join(scratch, "deep", "new")))
	h, err := helper.Starter{}.Start(identity.Caller{UID: alice.uid, GID: alice.uid})
	must(t, err)
	defer h.Close()
	for _, rel := range []string{"link/new", "link", "../s2", "deep/../../s2"} {
		req := helper.MkdirRequest{Root: scratch, Entries: []helper.Entry{{Path: rel}}}
		if _, err := h.Mkdir(t.Context(), req); err == nil {
			t.Errorf("%s is made", rel)
		}
	}
	_, err = h.Mkdir(t.Context(), helper.MkdirRequest{Root: scratch, Entries: []helper.Entry{{Path: "deep/new"}, {Path: "deep/file", File: true}}})
	must(t, err)
	if got := strangers(t, scratch, alice); len(got) > 0 {
		t.Errorf("the targets are not alice's: %v", got)
	}
	// A harmless one, so that the checkout itself is known to work.
	w.template(alice, "fine", w.image, `    git: {repository: "https://git.example/team/links"}
  mounts:
    `+filepath.Join(w.home(alice), "data")+": {target: beside/new}\n")
	w.mustCtl(alice, "launch", "fine", "-t", "fine")
	if got := w.mustCtl(alice, "session", "exec", "fine", "--", "/bin/sh", "-c", "ls -d ~/links/file ~/beside/new"); !strings.Contains(got, "beside/new") {
		t.Errorf("inside: %s", got)
	}
	w.end(alice, "fine")
	if got := strangers(t, scratches, alice)[1:]; len(got) > 0 { // the directory of scratches itself is root's
		t.Errorf("in the scratches are things that are not alice's: %v", got)
	}
	for _, path := range []string{"/made-by-root", "/etc/agentd-was-here"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was made", path)
		}
	}
}
