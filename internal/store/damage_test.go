package store

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/template"
)

// stored is one revision that a damage campaign must find again.
type stored struct {
	place
	deleted, secrets bool
}

// campaignState makes a state with many templates of three owners: some have secrets, some are deleted.
func campaignState(t *testing.T, state layout.State) []stored {
	t.Helper()
	s := openStore(t, state)
	var all []stored
	for i := range 12 {
		uid, id := uint32(1000+i%3), fmt.Sprintf("t%02d", i)
		numbers := 1 + i%3
		for n := 1; n <= numbers; n++ {
			rev, secrets := revisionOf(uid, id, id, n), template.Secrets(nil)
			if i%4 == 0 {
				rev, secrets = withSecrets(rev), template.Secrets{"spec.kernel.git.credential.password": id}
			}
			if err := s.Templates().Write(rev, textOf(id, n), secrets); err != nil {
				t.Fatal(err)
			}
			all = append(all, stored{place{state, uid, id, n}, false, i%4 == 0})
		}
		if i%5 == 0 {
			remove(t, s, uid, id)
			all = append(all, stored{place{state, uid, id, numbers + 1}, true, false})
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// corruption damages a file; other is another one, for those that need two.
type corruption struct {
	name string
	do   func(rng *rand.Rand, file, other string) error
}

// change rewrites the content of a file.
func change(f func(rng *rand.Rand, data []byte) []byte) func(*rand.Rand, string, string) error {
	return func(rng *rand.Rand, file, _ string) error {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(file, f(rng, data), 0o600)
	}
}

// instead puts something else in the place of a file.
func instead(f func(file string) error) func(*rand.Rand, string, string) error {
	return func(_ *rand.Rand, file, _ string) error {
		if err := os.Remove(file); err != nil {
			return err
		}
		return f(file)
	}
}

func corruptions() []corruption {
	return []corruption{
		{"truncate", change(func(rng *rand.Rand, d []byte) []byte { return d[:rng.IntN(len(d))] })},
		{"empty", change(func(*rand.Rand, []byte) []byte { return nil })},
		{"zero a page", change(func(rng *rand.Rand, d []byte) []byte {
			at := rng.IntN(len(d)) &^ 511
			clear(d[at:min(at+512, len(d))])
			return d
		})},
		{"flip bits", change(func(rng *rand.Rand, d []byte) []byte {
			for range 1 + rng.IntN(8) {
				d[rng.IntN(len(d))] ^= 1 << rng.IntN(8)
			}
			return d
		})},
		{"foreign JSON", change(func(*rand.Rand, []byte) []byte { return []byte(`{"schema":1,"kind":"x","body":{}}`) })},
		{"garbage", change(func(rng *rand.Rand, _ []byte) []byte {
			d := make([]byte, rng.IntN(8192))
			for i := range d {
				d[i] = byte(rng.Uint32())
			}
			return d
		})},
		{"huge", instead(func(file string) error {
			return os.WriteFile(file, make([]byte, maxRecord+1), 0o600)
		})},
		{"no permission", func(_ *rand.Rand, file, _ string) error { return os.Chmod(file, 0) }},
		{"FIFO", instead(func(file string) error { return unix.Mkfifo(file, 0o600) })},
		{"symbolic link", instead(func(file string) error { return os.Symlink("/etc/passwd", file) })},
		{"dangling link", instead(func(file string) error { return os.Symlink("nowhere", file) })},
		{"directory", instead(func(file string) error {
			return os.MkdirAll(filepath.Join(file, "sub"), 0o700)
		})},
		{"swap with another", func(_ *rand.Rand, file, other string) error {
			return unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
		}},
	}
}

// campaign counts what was done and seen.
type campaign struct {
	byKind             map[string]int
	texts, lost        int
	secretsLost        int
	setAside, reported int
}

// verify reads everything and compares; hurt are the files that were damaged.
func (c *campaign) verify(t *testing.T, s *Store, all []stored, hurt []string, what string) {
	t.Helper()
	for _, r := range all {
		record, text := slices.Contains(hurt, r.record()), slices.Contains(hurt, r.text())
		got, err := s.Templates().Text(r.owner, r.id, r.number)
		c.texts++
		switch {
		case r.deleted && !errs.Is(err, errs.NotFound):
			t.Errorf("%s: deletion of %s: %v", what, r.id, err)
		case r.deleted:
			if h, ok := s.Templates().Head(r.owner, r.id); !ok || !h.Deleted() || h.Number != r.number || h.Name != r.id {
				t.Errorf("%s: %s is no longer deleted: %+v", what, r.id, h)
			}
		case record && text:
			// Both copies are hurt. To say so is right; to serve another text never is.
			c.lost++
			if err == nil && string(got) != string(textOf(r.id, r.number)) {
				t.Errorf("%s: %s/%d: another text is served: %q", what, r.id, r.number, got)
			}
		case err != nil || string(got) != string(textOf(r.id, r.number)):
			t.Errorf("%s: %s/%d: %.60q, %v", what, r.id, r.number, got, err)
		}
		if r.secrets && (!record || !text) {
			c.verifySecrets(t, s, r, slices.Contains(hurt, r.secretsFile()), what)
		}
	}
}

func (r stored) secretsFile() string { return r.place.secrets() }

// verifySecrets compares the secrets of a revision.
func (c *campaign) verifySecrets(t *testing.T, s *Store, r stored, hurt bool, what string) {
	t.Helper()
	secrets, err := s.Templates().Secrets(r.owner, r.id, r.number)
	switch {
	case hurt && (errs.Is(err, errs.Damaged) || err == nil && len(secrets) == 0):
		c.secretsLost++
	case err != nil || secrets["spec.kernel.git.credential.password"] != r.id:
		t.Errorf("%s: secrets of %s/%d: %v, %v", what, r.id, r.number, secrets, err)
	}
}

// files lists what can be damaged of some revisions.
func filesOf(all []stored) []string {
	var files []string
	for _, r := range all {
		files = append(files, r.record())
		if !r.deleted {
			files = append(files, r.text())
		}
		if r.secrets {
			files = append(files, r.secretsFile())
		}
	}
	return files
}

func TestDamage_SeededCorruptions(t *testing.T) {
	t.Parallel()
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 100
	}
	dir := fastDir(t)
	base := layout.State(filepath.Join(dir, "base"))
	campaignState(t, base)
	c := campaign{byKind: map[string]int{}}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 7))
		state := copyState(t, base, filepath.Join(dir, "damaged"))
		all := restate(t, base, state)
		within(t, time.Minute, fmt.Sprintf("seed %d", seed), func() { c.once(t, rng, state, all, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d seeds, by kind: %v", seeds, c.byKind)
	t.Logf("%d texts compared; %d had both copies damaged; %d secrets reported lost; %d files set aside, %d damages listed",
		c.texts, c.lost, c.secretsLost, c.setAside, c.reported)
}

// restate lists what the campaign's state holds, under another directory.
func restate(t *testing.T, base, state layout.State) []stored {
	t.Helper()
	var all []stored
	for i := range 12 {
		uid, id := uint32(1000+i%3), fmt.Sprintf("t%02d", i)
		for n := 1; n <= 1+i%3; n++ {
			all = append(all, stored{place{state, uid, id, n}, false, i%4 == 0})
		}
		if i%5 == 0 {
			all = append(all, stored{place{state, uid, id, 2 + i%3}, true, false})
		}
	}
	return all
}

// once damages one file of ten, or a few, before or after the store is opened, and looks twice.
func (c *campaign) once(t *testing.T, rng *rand.Rand, state layout.State, all []stored, seed uint64) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	running := seed%2 == 0
	var s *Store
	var err error
	if running {
		if s, err = Open(state, log); err != nil {
			t.Errorf("seed %d: Open of a sound state: %v", seed, err)
			return
		}
	}
	count := 1
	if seed%10 == 9 {
		count = 2 + rng.IntN(5)
	}
	files := filesOf(all)
	var hurt, what []string
	for range count {
		kind := corruptions()[rng.IntN(len(corruptions()))]
		file, other := files[rng.IntN(len(files))], files[rng.IntN(len(files))]
		if slices.Contains(hurt, file) || slices.Contains(hurt, other) || file == other {
			continue
		}
		hurt = append(hurt, file)
		if strings.HasPrefix(kind.name, "swap") {
			hurt = append(hurt, other)
		}
		if err := kind.do(rng, file, other); err != nil {
			t.Errorf("seed %d: %s: %v", seed, kind.name, err)
			return
		}
		c.byKind[kind.name]++
		what = append(what, kind.name+" "+strings.TrimPrefix(file, string(state)))
	}
	told := fmt.Sprintf("seed %d (running: %v): %v", seed, running, what)
	if !running {
		if s, err = Open(state, log); err != nil {
			t.Errorf("%s: Open: %v", told, err)
			return
		}
	}
	c.verify(t, s, all, hurt, told)
	for _, d := range s.Damaged() {
		c.reported++
		if d.Quarantined == "" {
			continue
		}
		c.setAside++
		if _, err := os.Stat(d.Quarantined + layout.ReasonSuffix); err != nil {
			t.Errorf("%s: no reason: %v", told, err)
		}
	}
	first := len(s.Damaged())
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if s, err = Open(state, log); err != nil {
		t.Errorf("%s: Open again: %v", told, err)
		return
	}
	defer s.Close()
	c.verify(t, s, all, hurt, told+", again")
	if again := len(s.Damaged()); again > first && count == 1 {
		t.Errorf("%s: %d damages, and %d after a restart: %v", told, first, again, s.Damaged())
	}
}
