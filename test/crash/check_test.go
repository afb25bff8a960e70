package crash_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/layout"
	"agentd/internal/session"
	"agentd/internal/testenv/scratch"
)

// checker looks at everything but agentd's own memory.
type checker struct {
	w *world
	u *users
	// files is the sum of the user's files, decoys those of the containers that are not agentd's.
	files  string
	decoys map[string]string
}

// container is what the checker looks at of a container.
type container struct {
	ID    string `json:"Id"`
	Name  string
	State struct {
		Status    string
		StartedAt string
	}
	Config struct{ Labels map[string]string }
}

func (c *checker) containers() map[string]container {
	ids := strings.Fields(c.w.docker("ps", "-aq", "--no-trunc"))
	found := map[string]container{}
	if len(ids) == 0 {
		return found
	}
	out, err := c.w.try(append([]string{"inspect"}, ids...)...)
	if err != nil && !strings.Contains(err.Error(), "No such") {
		c.w.t.Fatal(err)
	}
	var list []container
	must(c.w.t, json.Unmarshal([]byte(out), &list))
	for _, x := range list {
		x.Name = strings.TrimPrefix(x.Name, "/")
		found[x.Name] = x
	}
	return found
}

// settled returns what agentd says of all sessions once none of them is on its way.
func (c *checker) settled(limit time.Duration) map[string]api.SessionInfo {
	c.w.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		list, err := c.w.client.Sessions(context.Background(), api.SessionQuery{Ended: true, AllUsers: true})
		must(c.w.t, err)
		busy := ""
		for _, s := range list {
			stays := s.Status == session.Running && s.Type == session.Interactive && !c.wanted(s.Name).ended
			if !stays && !s.Status.Final() {
				busy += fmt.Sprintf(" %s:%s", s.Name, s.Status)
			}
		}
		if busy == "" {
			return c.infos(list)
		}
		if time.Now().After(deadline) {
			c.w.t.Fatalf("after %s there are still on their way:%s", limit, busy)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (c *checker) wanted(name string) *asked {
	c.u.mu.Lock()
	defer c.u.mu.Unlock()
	for _, a := range c.u.all {
		if a.name == name {
			return a
		}
	}
	return &asked{}
}

func (c *checker) infos(list []api.Session) map[string]api.SessionInfo {
	infos := map[string]api.SessionInfo{}
	for _, s := range list {
		if _, twice := infos[s.Name]; twice {
			c.w.t.Errorf("%s is there twice", s.Name)
		}
		info, err := c.w.client.Session(context.Background(), s.ID)
		must(c.w.t, err)
		infos[s.Name] = info
	}
	return infos
}

// check returns all violations. What is removed after a grace is waited for.
func (c *checker) check() []string {
	infos := c.settled(60 * time.Second)
	var list []string
	containers := c.containers()
	list = append(list, c.sessions(infos, containers)...)
	list = append(list, c.untouched(containers)...)
	deadline := time.Now().Add(20 * time.Second)
	for {
		left := c.left(infos)
		if len(left) == 0 || time.Now().After(deadline) {
			return append(list, left...)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// sessions compares what agentd says with what was asked for, and with what the jobs themselves have left.
func (c *checker) sessions(infos map[string]api.SessionInfo, containers map[string]container) (list []string) {
	bad := func(a *asked, format string, args ...any) {
		list = append(list, a.name+": "+fmt.Sprintf(format, args...))
	}
	for _, a := range c.u.all {
		s, there := infos[a.name]
		switch {
		case !there && !a.removed:
			bad(a, "it is lost")
			continue
		case there && a.removed:
			bad(a, "it was removed, and is there: %s", s.Status)
			continue
		case !there:
			continue
		}
		for i, h := range s.History {
			if h.Sequence != i+1 || i > 0 && !s.History[i-1].Status.May(h.Status) {
				bad(a, "its history is %v", s.History)
			}
		}
		at := containers[layout.ContainerName(s.ID)]
		switch {
		case a.ended:
			if s.Status != session.Terminated && s.Status != session.Cancelled {
				bad(a, "it was ended and is %s (%+v)", s.Status, s.Failure)
			}
		case a.code < 0:
			if seen := at.ID + " " + at.State.StartedAt; a.container == "" {
				a.container = seen
			} else if a.container != seen || at.State.Status != "running" {
				bad(a, "its container was %s and is %s, %s", a.container, seen, at.State.Status)
			}
		default:
			c.job(a, s, bad)
		}
		runs, err := os.ReadFile(filepath.Join(s.ScratchPath, "runs"))
		if n := bytes.Count(runs, []byte("run")); n != 1 && !a.ended {
			bad(a, "it ran %d times (%v); its history: %v", n, err, s.History)
		}
	}
	return list
}

// job checks that a job that ended by itself is said to have ended as it did, and when.
func (c *checker) job(a *asked, s api.SessionInfo, bad func(*asked, string, ...any)) {
	if s.Status != session.Terminated || s.ExitCode == nil || *s.ExitCode != a.code {
		bad(a, "it exits with %d, and is %s with %v (%+v)", a.code, s.Status, s.ExitCode, s.Failure)
		return
	}
	want := session.Failure
	if a.code == 0 {
		want = session.Success
	}
	if s.Result != want {
		bad(a, "its result is %s, want %s", s.Result, want)
	}
	text, err := os.ReadFile(filepath.Join(s.ScratchPath, "end"))
	end, bad2 := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || bad2 != nil || s.EndedAt == nil {
		bad(a, "its end is %v on record, %v in its file", s.EndedAt, err)
		return
	}
	if late := s.EndedAt.Sub(time.Unix(end, 0)); late < -time.Second || late > 3*time.Second {
		bad(a, "it ended at %v, and its record says %v", time.Unix(end, 0), s.EndedAt)
	}
}

// untouched are the things that are not agentd's to change.
func (c *checker) untouched(containers map[string]container) (list []string) {
	if sum := sumOf(c.w, c.w.files); sum != c.files {
		list = append(list, "the user's files have changed")
	}
	for name, x := range containers {
		if want, ok := c.decoys[name]; ok && want != x.ID+x.State.Status+x.State.StartedAt {
			list = append(list, "the foreign container "+name+" was touched")
		}
	}
	for name := range c.decoys {
		if _, there := containers[name]; !there {
			list = append(list, "the foreign container "+name+" is gone")
		}
	}
	for _, p := range c.w.people {
		for name, want := range map[string]string{"crash-job": templateText, "crash-clone": cloneText} {
			text, _, err := p.client.Text(context.Background(), client.Ref{Name: name}, 0, false)
			if err != nil || string(text) != want {
				list = append(list, fmt.Sprintf("uid %d's template %s is not what it was (%v)", p.uid, name, err))
			}
		}
	}
	return list
}

// left is what belongs to no living session.
func (c *checker) left(infos map[string]api.SessionInfo) (list []string) {
	living, known := map[string]bool{}, map[string]bool{}
	for _, s := range infos {
		living[s.ID], known[s.ID] = !s.Status.Final(), true
	}
	ids := map[string]bool{}
	for name, x := range c.containers() {
		ids[x.ID] = true
		id, ours := layout.ParseContainer(name)
		if _, decoy := c.decoys[name]; !decoy && x.Config.Labels["io.agentd.instance"] == c.w.instance && (!ours || !living[id]) {
			list = append(list, "a container is left: "+name+" "+x.State.Status)
		}
	}
	mounts, err := scratch.Mounts(c.w.dir)
	must(c.w.t, err)
	base := filepath.Join(c.w.dir, "run", "mnt")
	for _, at := range mounts {
		id, _, _ := strings.Cut(filepath.Base(at), "-")
		if at != base && !living[id] {
			list = append(list, "a mount is left: "+at)
		}
	}
	list = append(list, c.leftOnDisk(known, living)...)
	list = append(list, c.leftGroups(ids)...)
	return append(list, c.leftProcesses()...)
}

func (c *checker) leftOnDisk(known, living map[string]bool) (list []string) {
	dirs := []string{filepath.Join(c.w.dir, "run", "mnt")}
	for _, p := range c.w.people {
		user := layout.State(filepath.Join(c.w.dir, "state")).User(p.uid)
		dirs = append(dirs, user.Sessions(), user.Scratches())
	}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			must(c.w.t, err)
		}
		for _, e := range entries {
			id, _, _ := strings.Cut(layout.ParseScratch(e.Name()), "-")
			if !known[id] {
				list = append(list, "a directory is left: "+filepath.Join(dir, e.Name()))
			}
		}
	}
	filepath.WalkDir(filepath.Join(c.w.dir, "state"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && (strings.Contains(e.Name(), ".tmp") || strings.HasPrefix(e.Name(), ".")) &&
			!strings.Contains(path, "/scratch/") && !living[filepath.Base(filepath.Dir(filepath.Dir(path)))] && time.Since(modTime(e)) > 5*time.Second {
			list = append(list, "a temporary file is left: "+path)
		}
		return nil
	})
	quarantined, err := os.ReadDir(filepath.Join(c.w.dir, "state", "quarantine"))
	must(c.w.t, err)
	for _, e := range quarantined {
		list = append(list, "a file was found damaged: "+e.Name())
	}
	return list
}

func modTime(e fs.DirEntry) time.Time {
	info, err := e.Info()
	if err != nil {
		return time.Now()
	}
	return info.ModTime()
}

func (c *checker) leftGroups(ids map[string]bool) (list []string) {
	groups, err := filepath.Glob("/sys/fs/cgroup/*/agentd/*")
	must(c.w.t, err)
	more, err := filepath.Glob("/sys/fs/cgroup/agentd/*")
	must(c.w.t, err)
	for _, g := range append(groups, more...) {
		// Others' agentds may have their own there.
		if id := filepath.Base(g); len(id) == 64 && !ids[id] && c.seen(id) {
			list = append(list, "a control group is left: "+g)
		}
	}
	return list
}

// seen reports whether a container id was one of ours: it is in a record.
func (c *checker) seen(id string) bool {
	log := read(c.w.t, filepath.Join(c.w.dir, "agentd.log"))
	return bytes.Contains(log, []byte(id))
}

// leftProcesses are helpers that outlived the agentd that started them.
func (c *checker) leftProcesses() (list []string) {
	exes, err := filepath.Glob("/proc/[0-9]*/exe")
	must(c.w.t, err)
	for _, exe := range exes {
		target, err := os.Readlink(exe)
		pid := filepath.Base(filepath.Dir(exe))
		if err != nil || target != filepath.Join(c.w.bin, "agentd") || pid == strconv.Itoa(c.w.cmd.Process.Pid) {
			continue
		}
		// Another test may have an agentd with helpers of its own.
		if parent := parentOf(pid); strings.Contains(arguments(pid), "--config") ||
			parent != strconv.Itoa(c.w.cmd.Process.Pid) && strings.Contains(arguments(parent), "--config") {
			continue
		}
		if cmdline, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline")); err == nil && len(cmdline) > 0 {
			list = append(list, "a process is left: "+pid+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return list
}

// arguments are those of a process; empty if it has ended.
func arguments(pid string) string {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	if err != nil {
		return ""
	}
	return string(text)
}

// parentOf is the pid of a process's parent.
func parentOf(pid string) string {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "PPid:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// sumOf is a sum over the names, modes and contents of a tree.
func sumOf(w *world, dir string) string {
	h := sha256.New()
	must(w.t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintln(h, path, e.Type())
		if e.Type().IsRegular() {
			h.Write(read(w.t, path))
		}
		return nil
	}))
	return hex.EncodeToString(h.Sum(nil))
}
