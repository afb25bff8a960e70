package binder_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"agentd/internal/binder"
	"agentd/internal/errs"
)

// table is one of volumes, and their devices.
type table struct {
	volumes  map[string]string
	readOnly map[string]bool
	fail     error
}

func (e *table) CreateBindVolume(_ context.Context, name, device string, readOnly bool) error {
	if e.fail != nil {
		return e.fail
	}
	e.volumes[name], e.readOnly[name] = device, readOnly
	return nil
}

func (e *table) RemoveVolume(_ context.Context, name string) error {
	delete(e.volumes, name)
	return nil
}

func (e *table) ListVolumes(_ context.Context, prefix string) ([]string, error) {
	var names []string
	for name := range e.volumes {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

func newEngine() *table {
	return &table{volumes: map[string]string{}, readOnly: map[string]bool{}}
}

// descriptors of this process that are open on path.
func descriptors(t *testing.T, path string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil && to == path {
			n++
		}
	}
	return n
}

func TestVolumes_TheDeviceIsADescriptorOfTheSource(t *testing.T) {
	src := filepath.Join(t.TempDir(), "src")
	write(t, filepath.Join(src, "file"), "text")
	want, err := os.Stat(src)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine()
	v := binder.NewVolumes(e, "i")
	f := open(t, src)
	b, err := v.Bind(t.Context(), binder.Source{Session: "s", Index: 2, File: f, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if b.Path != "" || b.Volume != "agentd-i-s-2" || !e.readOnly[b.Volume] {
		t.Errorf("gives %+v, read-only %v; want the read-only volume agentd-i-s-2", b, e.readOnly)
	}
	// The caller's descriptor and the path may go: the volume's own stays.
	if err := errors.Join(f.Close(), os.Rename(src, src+".moved"), os.Symlink("/etc", src)); err != nil {
		t.Fatal(err)
	}
	device := e.volumes[b.Volume]
	if got, err := os.Stat(device); err != nil || !os.SameFile(got, want) {
		t.Errorf("the device %s is %v, %v; want the source", device, got, err)
	}
	wantText(t, filepath.Join(device, "file"), "text")
}

func TestVolumes_RefusesFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "text")
	e := newEngine()
	_, err := binder.NewVolumes(e, "i").Bind(t.Context(), binder.Source{Session: "s", File: open(t, path)})
	if !errs.Is(err, errs.Unsupported) || len(e.volumes) != 0 || descriptors(t, path) != 1 {
		t.Errorf("gives %v, volumes %v, %d descriptors; want %s and nothing made",
			err, e.volumes, descriptors(t, path), errs.Unsupported)
	}
}

func TestVolumes_ReleaseRemovesAndClosesItsOwnSessionOnly(t *testing.T) {
	src := t.TempDir()
	e := newEngine()
	v := binder.NewVolumes(e, "i")
	f := open(t, src)
	for _, s := range []binder.Source{{Session: "s"}, {Session: "s"}, {Session: "s", Index: 1}, {Session: "s2"}} {
		s.File = f
		if _, err := v.Bind(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	// Another agentd's are not ours.
	e.volumes["agentd-other-s-0"] = "/dev/null"
	if got := descriptors(t, src); got != 4 {
		t.Errorf("%d descriptors, want the caller's and one for each of three volumes", got)
	}
	if got, err := v.Sessions(t.Context()); err != nil || !slices.Equal(got, []string{"s", "s2"}) {
		t.Errorf("Sessions gives %v, %v; want s and s2", got, err)
	}
	for range 2 {
		if err := v.Release(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
	}
	if got := descriptors(t, src); got != 2 {
		t.Errorf("%d descriptors, want the caller's and that of s2", got)
	}
	if e.volumes["agentd-i-s2-0"] == "" || e.volumes["agentd-other-s-0"] == "" || len(e.volumes) != 2 {
		t.Errorf("left are %v, want s2's and the other agentd's", e.volumes)
	}
}

func TestVolumes_AFailureLeavesNothingOpen(t *testing.T) {
	src := t.TempDir()
	e := newEngine()
	v := binder.NewVolumes(e, "i")
	f := open(t, src)
	e.fail = errs.New(errs.Unavailable, "no engine")
	if _, err := v.Bind(t.Context(), binder.Source{Session: "s", File: f}); !errors.Is(err, e.fail) {
		t.Errorf("gives %v, want the engine's failure", err)
	}
	if got := descriptors(t, src); got != 1 {
		t.Errorf("%d descriptors after a failure, want the caller's only", got)
	}
	e.fail = nil
	if _, err := v.Bind(t.Context(), binder.Source{Session: "s", File: f}); err != nil {
		t.Fatal(err)
	}
	// Somebody removes the volume behind our back.
	clear(e.volumes)
	if err := v.Release(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if got := descriptors(t, src); got != 1 {
		t.Errorf("%d descriptors after the release, want the caller's only", got)
	}
}
