package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/api"
	"agentd/internal/imagetest"
)

// knocker serves a word on port 8080, or asks for it.
const knocker = `package main
import ("fmt"; "io"; "net"; "os"; "strings"; "time")
func main() {
	if len(os.Args) == 1 {
		l, err := net.Listen("tcp", ":8080")
		for err == nil { var c net.Conn; if c, err = l.Accept(); err == nil { io.WriteString(c, "secret"); c.Close() } }
		panic(err)
	}
	for range 30 {
		if c, err := net.DialTimeout("tcp", os.Args[1]+":8080", 3*time.Second); err == nil {
			text, _ := io.ReadAll(c); fmt.Print(string(text)); return
		} else if e, ok := err.(net.Error); ok && e.Timeout() || strings.Contains(err.Error(), "lookup") { fmt.Print("none"); os.Exit(1) }
		time.Sleep(100*time.Millisecond)
	}
	fmt.Print("refused"); os.Exit(1)
}
`

// TestListener_IsReachedByNoOtherSession listens in a session of alice's, and knocks from one of mallory's.
func TestListener_IsReachedByNoOtherSession(t *testing.T) {
	w := newWorld(t)
	img := imagetest.WithBusybox(t, "amd64")
	img.Layers = append(img.Layers, []imagetest.File{{Name: "bin/knock", Mode: 0o755, Body: imagetest.Program(t, "amd64", knocker)}})
	ref := w.image + "-knock"
	imagetest.Load(t, w.engine.Host, ref, img)
	const address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
	// Weakened: two containers on one bridge of the engine's, as docker run has them.
	network := "attack-" + w.instance()
	w.mustDocker("network", "create", network)
	naive := w.mustDocker("run", "-d", "--network", network, ref, "/bin/knock")
	got, _ := w.docker("run", "--rm", "--network", network, ref, "/bin/knock", w.mustDocker("inspect", "-f", address, naive))
	w.mustDocker("rm", "-f", naive)
	w.mustDocker("network", "rm", network)
	if got != "secret" {
		t.Fatalf("where nothing stops it one does not get through: %q", got)
	}
	for _, u := range []user{alice, mallory} {
		w.template(u, "net", ref, "    run: {startup: \"exec knock\"}\n")
		w.mustCtl(u, "launch", "net", "-t", "net-"+u.name)
	}
	container := w.mustDocker("ps", "-q", "--filter", "label=io.agentd.instance="+w.instance(), "--filter", fmt.Sprint("label=io.agentd.owner=", alice.uid))
	ip := w.mustDocker("inspect", "-f", address, container)
	if got := w.mustCtl(alice, "session", "exec", "net-alice", "--", "/bin/knock", ip); got != "secret" {
		t.Fatalf("alice does not reach her own listener: %q", got)
	}
	for _, to := range []string{ip, "net-alice", container} {
		if out, status := w.ctl(mallory, "session", "exec", "net-mallory", "--", "/bin/knock", to); status == 0 || strings.Contains(out, "secret") {
			t.Errorf("mallory reaches alice's listener as %s: %d: %q", to, status, out)
		}
	}
	for _, u := range []user{alice, mallory} {
		w.end(u, "net-"+u.name)
	}
}

// TestOthers_AreNotInCompletionsMetricsOrTheRecord asks what a shell would complete, and what the daemon tells of itself.
func TestOthers_AreNotInCompletionsMetricsOrTheRecord(t *testing.T) {
	w := newWorld(t)
	id := w.newSession(w.newTemplate("alices-template"), "alices-session")
	must201(t, w.ask(alice, "POST", api.PathVFolders, api.VFolderRequest{Name: "alices-folder"}))
	for role, u := range roles {
		for _, args := range [][]string{
			{"session", "info", ""}, {"session", "exec", ""}, {"sesstpl", "get", ""}, {"launch", ""}, {"vfolder", "info", ""},
			{"session", "terminate", "alices"}, {"session", "logs", id[:4]},
		} {
			out, _ := w.ctl(u, append([]string{"__complete"}, args...)...)
			if names := strings.Contains(out, "alices-") || strings.Contains(out, id); names != (role == 0) {
				t.Errorf("%v completed for %s: %q", args, u.name, out)
			}
		}
		for _, path := range []string{api.PathMetrics, api.PathSystemAudit, api.PathEvents + "?after=0", api.PathStats, api.PathSystemDoctor, api.PathHealth} {
			got := w.ask(u, "GET", path, nil)
			names := strings.Contains(got.body, "alices-") || strings.Contains(got.body, id)
			own := role == 0 && (path == api.PathSystemAudit || strings.HasPrefix(path, api.PathEvents) || path == api.PathStats)
			own = own || role != 1 && path == api.PathMetrics // one's own use; an administrator's scrape has everybody's
			if got.status != 200 || names != own {
				t.Errorf("GET %s as %s: %d, names alice's: %v\n%.300s", path, u.name, got.status, names, got.body)
			}
		}
	}
	// What mallory tried is on record, in hers and the administrators', and alice's has no word of it.
	if got := w.ask(mallory, "POST", strings.Replace(api.PathSessionTerminate, "{ref}", id, 1), nil); got.status != 404 {
		t.Errorf("%d", got.status)
	}
	for role, u := range roles {
		path := api.PathSystemAudit
		if role > 1 {
			path += "?all_users=true"
		}
		got := w.ask(u, "GET", path, nil)
		if has := strings.Contains(got.body, `"code":"not_found"`); has != (role > 0) {
			t.Errorf("the record for %s has the refusal: %v", u.name, has)
		}
	}
	w.end(alice, "alices-session")
}

// TestTiming_DoesNotTellWhatIsThere measures answers about somebody else's session and about none, in turns. It fails only
// for a difference that nobody could miss.
func TestTiming_DoesNotTellWhatIsThere(t *testing.T) {
	w := newWorld(t)
	id := w.newSession(w.newTemplate("alices-template"), "alices-session")
	took := map[bool][]time.Duration{}
	const tries = 150
	for i := range 2 * tries {
		there := i%2 == 0
		ref := id
		if !there {
			ref = strings.Repeat("0", len(id))
		}
		begin := time.Now()
		w.ask(mallory, "GET", strings.Replace(api.PathSession, "{ref}", ref, 1), nil)
		took[there] = append(took[there], time.Since(begin))
	}
	median := func(list []time.Duration) time.Duration {
		slices.Sort(list)
		return list[len(list)/2]
	}
	a, b := median(took[true]), median(took[false])
	t.Logf("medians of %d: %v for alice's session, %v for none", tries, a, b)
	if a > 3*b || b > 3*a {
		t.Errorf("one is told from the other: %v and %v", a, b)
	}
	w.end(alice, "alices-session")
}

// TestDiskFlood_HurtsWhoFloods fills the state directory's file system from inside a session.
func TestDiskFlood_HurtsWhoFloods(t *testing.T) {
	const flood = "dd if=/dev/zero of=$HOME/x bs=64k 2>/dev/null; true"
	w := newWorld(t)
	w.stop()
	must(t, os.RemoveAll(w.path("state")))
	must(t, os.Mkdir(w.path("state"), 0o711))
	must(t, unix.Mount("tmpfs", w.path("state"), "tmpfs", 0, "size=96m,mode=0711"))
	t.Cleanup(func() { unix.Unmount(w.path("state"), unix.MNT_DETACH) })
	w.start()
	w.template(mallory, "quiet", w.image, "")
	w.mustCtl(mallory, "launch", "quiet", "-t", "quiet")
	w.template(alice, "flood", w.image, "")
	w.mustCtl(alice, "launch", "flood", "-t", "flood", "-r", "mem=256m") // tmpfs is memory
	w.mustCtl(alice, "session", "exec", "flood", "--", "/bin/sh", "-c", flood)
	var st unix.Statfs_t
	must(t, unix.Statfs(w.path("state"), &st))
	// Weakened: there is no quota: the disk is full, whoever wants to write. (That is promised nowhere.)
	if st.Bavail*uint64(st.Bsize) > 1<<20 {
		t.Fatalf("%d bytes are left: the disk was not flooded", st.Bavail*uint64(st.Bsize))
	}
	if got := w.ask(mallory, "GET", api.PathSessions, nil); got.status != 200 {
		t.Errorf("mallory's list: %d %s", got.status, got.body)
	}
	if got := w.mustCtl(mallory, "session", "exec", "quiet", "--", "/bin/echo", "alive"); got != "alive" {
		t.Errorf("mallory's session: %q", got)
	}
	if out, status := w.ctl(mallory, "launch", "quiet", "-t", "another", "--no-reuse"); status == 0 {
		t.Logf("a launch on the full disk: %s", out)
	} else if strings.Contains(out, "internal error") {
		t.Errorf("a launch on the full disk: %s", out)
	}
	// Ends and removals go through, by the space that is kept for them, and then there is room again.
	w.mustCtl(admin, "session", "rm", "-f", w.mustCtl(alice, "session", "ls", "-q"))
	must(t, unix.Statfs(w.path("state"), &st))
	if st.Bavail*uint64(st.Bsize) < 32<<20 {
		t.Errorf("%d bytes are free after the flood was removed", st.Bavail*uint64(st.Bsize))
	}
	w.mustCtl(mallory, "launch", "quiet", "-t", "after", "--no-reuse")
	w.endSessions()
	w.stop()
}

// TestTargetThroughTheImagesLink_StaysInWhatIsOnesOwn has an image with a link before a target: what the engine makes there, as
// root, is an empty directory in what its user mounts, and nothing elsewhere.
func TestTargetThroughTheImagesLink_StaysInWhatIsOnesOwn(t *testing.T) {
	w := newWorld(t)
	img := imagetest.WithBusybox(t, "amd64")
	img.Layers = append(img.Layers, []imagetest.File{
		{Name: "data", Link: "/m"}, {Name: "up", Link: "../../../../../../.."}, {Name: "proc1", Link: "/proc/1/root"},
	})
	ref := w.image + "-links"
	imagetest.Load(t, w.engine.Host, ref, img)
	own := filepath.Dir(w.file(alice, "own/file", "alice's"))
	other := filepath.Dir(w.file(alice, "other/file", "alice's"))
	w.template(alice, "links", ref, "")
	before := strangers(t, w.home(alice), alice)
	for i, target := range []string{"/data/new", "/up/etc/new", "/up/" + own + "/new", "/proc1/etc/new"} {
		session := fmt.Sprint("link", i)
		out, status := w.ctl(alice, "launch", "links", "-t", session, "--no-reuse", "-m", own+"=/m", "-m", other+"="+target)
		if status == 0 {
			w.end(alice, session)
		} else if !strings.Contains(out, "ctl: ") {
			t.Errorf("%s: %s", target, out)
		}
	}
	for _, path := range strangers(t, w.home(alice), alice) {
		if slices.Contains(before, path) {
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil || len(entries) > 0 || filepath.Dir(path) != own {
			t.Errorf("%s was made as root: %v, %v", path, entries, err)
		}
	}
	for _, path := range []string{"/etc/new", "/m", filepath.Join(other, "new")} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was made on the host", path)
		}
	}
}

// TestFixedUser_OpensNothingForItsCaller has a configuration that runs everybody's sessions as one user, and alice, who mounts
// what is that user's.
func TestFixedUser_OpensNothingForItsCaller(t *testing.T) {
	w := newWorld(t, "sessions: {user: \"20012:20012\", stop_grace: 1s, defaults: {cpu: \"0.1\", mem: 64m}}")
	for _, u := range []user{alice, mallory} {
		must(t, os.Chmod(w.home(u), 0o711))
	}
	private := filepath.Dir(w.file(mallory, "private/secret", "mallory's"))
	must(t, os.Chmod(private, 0o700))
	shared := filepath.Dir(w.file(mallory, "shared/file", "for all"))
	for _, u := range []user{alice, mallory} {
		w.template(u, "fixed", w.image, "")
	}
	// Weakened: mallory, who may, gets it by the same mount.
	w.mustCtl(mallory, "launch", "fixed", "-t", "hers", "-m", private+"=/m:ro")
	if got := w.mustCtl(mallory, "session", "exec", "hers", "--", "/bin/cat", "/m/secret"); got != "mallory's" {
		t.Fatalf("inside: %q", got)
	}
	w.end(mallory, "hers")
	if out, status := w.ctl(alice, "launch", "fixed", "-t", "stolen", "-m", private+"=/m:ro"); status == 0 || !strings.Contains(out, "in step mounts") {
		t.Errorf("alice mounts what only mallory may open: %d: %s", status, out)
	}
	w.mustCtl(alice, "launch", "fixed", "-t", "honest", "-m", shared+"=/m:ro")
	if got := w.mustCtl(alice, "session", "exec", "honest", "--", "/bin/sh", "-c", "id -u; cat /m/file"); got != "20012\nfor all" {
		t.Errorf("inside: %q", got)
	}
	w.end(alice, "honest")
}

// TestFixedUser_IsNeverRootNorTheImages has configurations that would make sessions root's.
func TestFixedUser_IsNeverRootNorTheImages(t *testing.T) {
	w := newWorld(t)
	for _, u := range []string{"0", "0:0", "1000:0", "image", "root"} {
		w.stop()
		w.configure("sessions: {user: \"" + u + "\"}")
		out, status := w.daemonFails()
		if status == 0 || !strings.Contains(out, "sessions.user") {
			t.Errorf("%s: agentd begins: %d: %s", u, status, out)
		}
	}
	w.configure()
	w.start()
}
