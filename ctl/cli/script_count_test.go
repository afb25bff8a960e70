package cli_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"agentd/internal/checkout/gittest"
	"agentd/internal/imagetest"
)

// countLimit bounds the waiting for what agentd takes away after the end of a session.
const countLimit = 20 * time.Second

// serveFaults makes the hosts and images that only failures need: a registry that sends half of a layer and then nothing,
// an image without a shell and one that is there for another architecture only.
func (w *world) serveFaults(t *testing.T) {
	t.Helper()
	w.stall = imagetest.Serve(t, w.engine.Listen(t))
	w.stall.Push(t, "team/app:v1", imagetest.WithBusybox(t, "amd64"))
	w.stall.SetFault(imagetest.HangLayer())
	w.registry.Push(t, "team/bare:v1", imagetest.Image{Architecture: "amd64", Layers: [][]imagetest.File{imagetest.Etc()}})
	w.registry.Push(t, "team/arm:v1", imagetest.WithBusybox(t, "arm64"))
}

// hanging never answers for team/hangs, and passes on what is for other repositories.
func hanging(git http.Handler) http.Handler {
	hang := gittest.Hang(git)
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/team/hangs") {
			hang.ServeHTTP(out, r)
			return
		}
		git.ServeHTTP(out, r)
	})
}

// count remembers what there is of the script's agentd, and compares it later on: each thing by its name, so that a
// failure says what was left.
func (w *world) count(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "before" && args[0] != "after" {
		ts.Fatalf("usage: count before|after")
	}
	s := slotOf(ts)
	if args[0] == "before" {
		s.counted = w.things(ts)
		return
	}
	if s.counted == nil {
		ts.Fatalf("count before comes first")
	}
	end := time.Now().Add(countLimit)
	for {
		now := w.things(ts)
		more, less := without(now, s.counted), without(s.counted, now)
		if len(more)+len(less) == 0 {
			ts.Logf("[counted] %d things, as before", len(now))
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("left behind: %q; gone: %q", more, less)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func without(all, some []string) (rest []string) {
	for _, thing := range all {
		if !slices.Contains(some, thing) {
			rest = append(rest, thing)
		}
	}
	return rest
}

// things are the containers, volumes and networks with the label of the script's agentd, the mounts and directories
// below its directories, and its child processes. Tags are the engine's, which other scripts use too: `docker` asks for those.
func (w *world) things(ts *testscript.TestScript) []string {
	work, state := ts.Getenv("WORK"), stateDir(ts)
	instance := strings.TrimSpace(ts.ReadFile(filepath.Join(state, "instance-id")))
	label := "label=io.agentd.instance=" + instance
	var all []string
	for kind, args := range map[string][]string{
		"container": {"ps", "-aq", "--filter", label},
		"volume":    {"volume", "ls", "-q", "--filter", label},
		"network":   {"network", "ls", "-q", "--filter", label},
	} {
		out, err := exec.Command("docker", append([]string{"-H", w.engine.Host}, args...)...).Output()
		ts.Check(err)
		for name := range strings.FieldsSeq(string(out)) {
			all = append(all, kind+" "+name)
		}
	}
	for _, at := range mounts(work) {
		all = append(all, "mount "+at)
	}
	for _, dir := range []string{state, filepath.Join(work, "run")} {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "git" &&
				filepath.Dir(filepath.Dir(path)) == filepath.Join(state, "users") {
				return fs.SkipDir // what was fetched is kept on purpose
			}
			if err == nil && d.IsDir() {
				all = append(all, "directory "+path)
			}
			return nil // one that goes away meanwhile is not there
		})
	}
	for _, child := range children(ts.Getenv("AGENTD_PID")) {
		all = append(all, "process "+child)
	}
	return all
}

// children are the child processes of a process, with their names.
func children(parent string) (found []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// PID (NAME) STATE PARENT: a name may have anything in it.
		name, rest, _ := strings.Cut(string(text[strings.IndexByte(string(text), '(')+1:]), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == parent {
			found = append(found, fmt.Sprintf("%s %s", filepath.Base(filepath.Dir(path)), name))
		}
	}
	return found
}
