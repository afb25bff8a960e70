package checkout_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/checkout"
	"agentd/internal/checkout/gittest"
	"agentd/internal/errs"
	"agentd/internal/helper"
	"agentd/internal/identity"
)

// caller is an ordinary user if the test runs as root, else the user himself.
func caller() identity.Caller {
	if os.Geteuid() == 0 {
		return identity.Caller{UID: 2001, GID: 2001}
	}
	return identity.Caller{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

// client is what agentd's wiring makes: checkout and helper know nothing of one another. started gets each child.
func client(s helper.Starter, as identity.Caller, started func(*helper.Session)) checkout.Client {
	return checkout.Client{
		Start: func() (checkout.Helper, error) {
			k, err := s.Start(as)
			if err == nil && started != nil {
				started(k)
			}
			return k, err
		},
	}
}

// theirs gives the bench's directory to the caller.
func (b *bench) theirs(as identity.Caller) {
	b.t.Helper()
	for d := b.dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := os.Chown(b.dir, int(as.UID), int(as.GID)); err != nil {
		b.t.Fatal(err)
	}
}

func TestClient_CloneIsTheCallers(t *testing.T) {
	b := newBench(t)
	r := b.repo("zoo")
	zoo(r)
	b.server.Login("alice", canary)
	as := caller()
	b.theirs(as)
	var phases []checkout.Phase
	req := b.request("zoo", withLogin(canary))
	res, err := client(helper.Starter{Limits: helper.Limits{MemoryBytes: 512 << 20, OpenFiles: 1024}}, as, nil).
		Checkout(t.Context(), req, func(p checkout.Progress) {
			if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
				phases = append(phases, p.Phase)
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(phases); got != "[connecting receiving resolving writing]" {
		t.Errorf("phases %s", got)
	}
	dir := filepath.Join(req.Root, req.Dir)
	if res.Commit != r.Sh("git rev-parse HEAD") || res.Branch != "main" {
		t.Errorf("result %+v", res)
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if st := fi.Sys().(*syscall.Stat_t); st.Uid != as.UID || st.Gid != as.GID {
			t.Errorf("%s is %d:%d's", path, st.Uid, st.Gid)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sound(t, dir)
	same(t, dir, r.Dir)
	clean(t, b.dir)
}

// TestClient_SecretIsNowhere looks at the child from outside while it holds the password.
func TestClient_SecretIsNowhere(t *testing.T) {
	b := newBench(t)
	zoo(b.repo("zoo"))
	b.server.Login("alice", canary)
	as := caller()
	b.theirs(as)
	var child int
	looked := false
	_, err := client(helper.Starter{Env: []string{"LANG=C"}}, as, func(k *helper.Session) { child = k.PID() }).
		Checkout(t.Context(), b.request("zoo", withLogin(canary)), func(p checkout.Progress) {
			for _, name := range []string{"cmdline", "environ"} {
				text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", child, name))
				if err != nil && os.Geteuid() == 0 && p.Phase == checkout.Receiving {
					t.Error(err)
				}
				if strings.Contains(string(text), canary) {
					t.Errorf("%s holds the secret", name)
				}
				looked = true
			}
		})
	if err != nil || !looked {
		t.Errorf("%v, looked: %t", err, looked)
	}
}

func TestClient_KilledChildLeavesNothing(t *testing.T) {
	b := newBench(t)
	zoo(b.repo("zoo"))
	as := caller()
	b.theirs(as)
	before := listing(t, b.dir)
	for _, phase := range []checkout.Phase{checkout.Connecting, checkout.Receiving, checkout.Resolving, checkout.Writing} {
		t.Run(string(phase), func(t *testing.T) {
			var children []*helper.Session
			_, err := client(helper.Starter{}, as, func(k *helper.Session) { children = append(children, k) }).
				Checkout(t.Context(), b.request("zoo", nil), func(p checkout.Progress) {
					if p.Phase == phase {
						unix.Kill(children[0].PID(), unix.SIGKILL)
					}
				})
			if err == nil {
				t.Skip("it was done before the signal came")
			}
			if !errs.Is(err, errs.Internal) || !strings.Contains(err.Error(), fmt.Sprintf("helper checkout as uid %d: ended: signal: killed", as.UID)) {
				t.Errorf("got %v", err)
			}
			if after := listing(t, b.dir); after != before {
				t.Errorf("left behind: %s", after)
			}
		})
	}
}

func TestClient_CancelLeavesNothing(t *testing.T) {
	b := newBench(t)
	r := b.repo("zoo")
	r.Sh("head -c 1M /dev/urandom > random; git add .; git commit -qm random")
	as := caller()
	b.theirs(as)
	before := listing(t, b.dir)
	b.server.Wrap(gittest.HangInPack)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := client(helper.Starter{}, as, nil).Checkout(ctx, b.request("zoo", nil), func(p checkout.Progress) {
		if p.Phase == checkout.Receiving {
			cancel()
		}
	})
	if !errs.Is(err, errs.Canceled) {
		t.Errorf("got %v", err)
	}
	if after := listing(t, b.dir); after != before {
		t.Errorf("left behind: %s", after)
	}
}

func TestClient_DirectoryOfSomeoneElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs a second user")
	}
	b := newBench(t)
	zoo(b.repo("zoo"))
	b.theirs(identity.Caller{})
	_, err := client(helper.Starter{}, caller(), nil).Checkout(t.Context(), b.request("zoo", nil), nil)
	if !errs.Is(err, errs.Forbidden) || !strings.Contains(err.Error(), "prepare the directory") {
		t.Errorf("got %v", err)
	}
}

// TestClient_MemoryStaysWithinItsLimit clones what does not fit the memory: 200 MB that no compression makes smaller,
// among it a file larger than the limit, and much history.
func TestClient_MemoryStaysWithinItsLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	if raceDetector {
		t.Skip("the race detector's own memory does not fit the limit")
	}
	b := newBench(t)
	r := b.repo("large")
	r.Sh(`git config core.bigFileThreshold 20m; git config core.compression 1
		head -c 130M /dev/urandom > huge; i=0; while [ $i -lt 7 ]; do head -c 10M /dev/urandom > part$i; i=$((i + 1)); done
		yes 'a line of text' | head -c 15M > text; git add .; git commit -qm large
		i=0; while [ $i -lt 8 ]; do echo $i >> text; git commit -qam $i; i=$((i + 1)); done
		git -c pack.window=2 repack -qad; rm huge part* text`)
	as := caller()
	b.theirs(as)
	const memory = 128 << 20
	peak := 0
	var child int
	req := b.request("large", func(q *checkout.Request) { q.Limits.MemoryBytes = memory })
	res, err := client(helper.Starter{Limits: helper.Limits{MemoryBytes: memory}}, as, func(k *helper.Session) { child = k.PID() }).
		Checkout(t.Context(), req, func(checkout.Progress) {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child))
			if err != nil {
				return
			}
			_, text, _ := bytes.Cut(status, []byte("VmHWM:"))
			n := 0
			if _, err := fmt.Sscan(string(text), &n); err == nil {
				peak = max(peak, n)
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MB received, %d MB resident at most", res.ReceivedBytes>>20, peak>>10)
	sound(t, filepath.Join(req.Root, req.Dir))
}

func TestOperation_IsInATableByItsName(t *testing.T) {
	k, err := helper.Starter{}.Start(caller())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	err = k.Do(t.Context(), checkout.OperationName, map[string]int{"nonsense": 1}, nil, nil)
	if !errs.Is(err, errs.Internal) || !strings.Contains(err.Error(), "unknown field") {
		t.Errorf("got %v", err)
	}
}
