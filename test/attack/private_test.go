package attack

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"agentd/internal/imagetest"
)

// TestPrivateImage_IsNotHadByTheEnginesStore has mallory ask for what alice has pulled with her login.
func TestPrivateImage_IsNotHadByTheEnginesStore(t *testing.T) {
	for name, rule := range map[string]string{"weakened": "all", "guarded": "", "own": "own"} {
		t.Run(name, func(t *testing.T) {
			var more []string
			if rule != "" {
				more = []string{"engine: {local_images: " + rule + "}"}
			}
			w := newWorld(t, more...)
			registry := imagetest.Serve(t, w.engine.Listen(t))
			ref := registry.Push(t, "team/private:v1", imagetest.WithBusybox(t, "amd64"))
			t.Cleanup(func() { imagetest.Remove(t, w.engine.Host, ref) })
			registry.RequireLogin("alice", "sesame")
			absent := strings.Replace(ref, "private", "absent0", 1)
			w.file(alice, ".docker/config.json", fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, registry.Host(),
				base64.StdEncoding.EncodeToString([]byte("alice:sesame"))))
			for _, u := range []user{alice, mallory} {
				w.template(u, "private", ref, "")
				w.template(u, "local", w.image, "")
			}
			w.mustCtl(alice, "launch", "private", "-t", "first")
			digest := w.mustDocker("inspect", "-f", "{{index .RepoDigests 0}}", ref)
			launches := [][]string{
				{}, {"--pull", "never"}, {"-i", digest}, {"-i", digest, "--pull", "never"}, {"--pull", "missing"},
			}
			if rule == "all" {
				// Weakened: each of these gives her the image.
				for i, args := range launches[:3:3] {
					session := fmt.Sprint("stolen", i)
					w.mustCtl(mallory, append([]string{"launch", "private", "-t", session}, args...)...)
					w.end(mallory, session)
				}
				w.end(alice, "first")
				return
			}
			for _, args := range launches {
				out, status := w.ctl(mallory, append([]string{"launch", "private", "--no-reuse"}, args...)...)
				if status != 1 || !strings.Contains(out, "in step image") {
					t.Errorf("%v: %d: %s", args, status, out)
				}
			}
			// What she is told is what she is told of what nobody has.
			for _, pull := range []string{"missing", "never"} {
				there, _ := w.ctl(mallory, "launch", "private", "-t", "same", "--pull", pull)
				not, _ := w.ctl(mallory, "launch", "private", "-t", "same", "--pull", pull, "-i", absent)
				if a, b := complaint(there), complaint(strings.ReplaceAll(not, "absent0", "private")); a == "" || a != b {
					t.Errorf("of what alice has she is told\n%s\nand of what nobody has\n%s", a, b)
				}
			}
			// Alice needs no login, and no registry, again; one that was made here is everybody's, or root's alone.
			asked := registry.Asked("team/private:v1")
			w.file(alice, ".docker/config.json", "{}")
			w.stop()
			w.start()
			w.mustCtl(alice, "launch", "private", "-t", "second")
			if again := registry.Asked("team/private:v1"); again != asked {
				t.Errorf("the registry was asked %d times more for what alice had shown", again-asked)
			}
			for _, session := range []string{"first", "second"} {
				w.end(alice, session)
			}
			if out, status := w.ctl(mallory, "launch", "local", "-t", "local"); (status == 0) != (rule == "") {
				t.Errorf("a local image: %d: %s", status, out)
			}
		})
	}
}

// complaint is the line that says why.
func complaint(out string) string {
	for line := range strings.Lines(out) {
		if at := strings.Index(line, "in step image"); at >= 0 {
			return line[at:]
		}
	}
	return ""
}
