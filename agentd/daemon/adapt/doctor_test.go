package adapt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentd/internal/api"
	"agentd/internal/engine"
	"agentd/internal/layout"
)

// Every finding that is not well says what to do.
func TestDoctor_NamesTheFix(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	loose := filepath.Join(dir, "loose")
	if err := os.Mkdir(loose, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o777); err != nil {
		t.Fatal(err)
	}
	tight := filepath.Join(dir, "tight")
	if err := os.Mkdir(tight, 0o700); err != nil {
		t.Fatal(err)
	}
	sys := func(state, socket, ca string) *System {
		return &System{
			Host: &Host{State: layout.State(state)}, Runtime: layout.Runtime(tight), Socket: socket, CAFile: ca,
			GitSchemes: []string{"https"},
		}
	}
	for name, row := range map[string]struct {
		got          api.Finding
		status, says string
	}{
		"no socket":   {sys(tight, dir+"/none", "").socket(), api.FindingFail, "no such file"},
		"open socket": {sys(tight, open, "").socket(), api.FindingWarn, "open to every user"},
		"loose state": {sys(loose, open, "").permissions(), api.FindingFail, "loose can be changed by others"},
		"no state":    {sys(dir+"/none", open, "").permissions(), api.FindingFail, "none"},
		"tight state": {sys(tight, open, "").permissions(), api.FindingOK, "agentd's own"},
		"no ca file":  {sys(tight, open, dir+"/ca.pem").git(), api.FindingFail, "git.ca_file"},
		"ca file":     {sys(tight, open, open).git(), api.FindingOK, "by https"},
		"old engine":  {engineVersion(engine.Info{ServerVersion: "19.03.1"}), api.FindingWarn, "19.03.1 is older"},
		"engine":      {engineVersion(engine.Info{ServerVersion: "28.5.2"}), api.FindingOK, "28.5.2"},
		"podman":      {engineVersion(engine.Info{ServerVersion: "5.4.2", Podman: true}), api.FindingWarn, "Podman 5.4.2"},
		"rootless podman": {
			engineVersion(engine.Info{ServerVersion: "5.4.2", Podman: true, Rootless: true}), api.FindingFail, "without root",
		},
		"podman's restart": {liveRestore(engine.Info{Podman: true}), api.FindingOK, "outlive"},
		"engine of dev":    {engineVersion(engine.Info{ServerVersion: "dev"}), api.FindingOK, "dev"},
		"disk":             {sys(tight, open, "").disk(engine.Info{RootDir: dir + "/none"}), "", "free in " + tight},
	} {
		if row.status != "" && row.got.Status != row.status || !strings.Contains(row.got.Detail, row.says) {
			t.Errorf("%s: %+v; want %s and %q", name, row.got, row.status, row.says)
		}
		if (row.got.Status != api.FindingOK) != (row.got.Fix != "") {
			t.Errorf("%s: %+v: what is not well has a fix, and nothing else has", name, row.got)
		}
	}
}

func TestBytesBelow_CountsWhatIsThereAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, size int) {
		if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "large")
	write(outside, 8<<20)
	empty, err := bytesBelow(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(dir, "one"), 1<<20)
	for _, err := range []error{
		os.Link(filepath.Join(dir, "one"), filepath.Join(dir, "again")),
		os.Symlink(outside, filepath.Join(dir, "link")), os.Symlink(filepath.Dir(outside), filepath.Join(dir, "way")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := bytesBelow(t.Context(), dir)
	if err != nil || got-empty < 1<<20 || got-empty > 1<<20+64<<10 {
		t.Errorf("a file of 1 MiB with two names, and links out: %d more bytes, %v", got-empty, err)
	}
	if n, err := bytesBelow(t.Context(), filepath.Join(dir, "none")); n != 0 || err != nil {
		t.Errorf("what is not there: %d, %v", n, err)
	}
}
