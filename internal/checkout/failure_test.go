package checkout_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"agentd/internal/checkout"
	"agentd/internal/checkout/gittest"
	"agentd/internal/errs"
	"agentd/internal/helper"
)

// told replaces what differs from run to run.
func (b *bench) told(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*errs.Error](err); ok {
		text = string(e.Code) + ": " + text
		if e.Hint != "" {
			text += " [" + e.Hint + "]"
		}
	}
	host := strings.TrimPrefix(b.server.URL, "http://")
	return strings.NewReplacer(b.server.URL, "URL", host, "HOST", b.dir, "DIR").Replace(text)
}

func TestRun_FailuresSayWhatToDo(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	c := zoo(r)
	empty := b.repo("empty")
	empty.Sh("true")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if err := os.MkdirAll(b.dir+"/taken", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.dir+"/taken/f", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, repo string
		wrap       func(http.Handler) http.Handler
		change     func(q *checkout.Request)
		want       string
	}{
		{"no branch", "a", nil, func(q *checkout.Request) { q.Checkout.Branch = "mian" },
			`not_found: git: URL/a.git: choose what to fetch: no branch or tag "mian" [there are: main, side, light, nested, on-side, ...]`},
		{"a commit as branch", "a", nil, func(q *checkout.Request) { q.Checkout.Branch = c[0] },
			`not_found: git: URL/a.git: choose what to fetch: no branch or tag "` + c[0] + `" [it looks like a commit: give it as commit]`},
		{"no commit", "a", nil, func(q *checkout.Request) { q.Checkout.Commit = strings.Repeat("12", 20) },
			"not_found: git: URL/a.git: find the commit: no commit 1212121212121212121212121212121212121212 " +
				"[push it, or check that the repository is the right one]"},
		{"no such abbreviation", "a", nil, func(q *checkout.Request) { q.Checkout.Commit = "12121" },
			"not_found: git: URL/a.git: find the commit: no commit 12121 [push it, or check that the repository is the right one]"},
		{"a word as commit", "a", nil, func(q *checkout.Request) { q.Checkout.Commit = "main" },
			`invalid: git: URL/a.git: choose what to fetch: "main" is no commit: 4 to 40 hexadecimal digits are wanted ` +
				"[give the name of a branch or tag as branch]"},
		{"no repository", "b", nil, nil,
			"not_found: git: URL/b.git: read the branches: no such repository, or none that this login may see " +
				"[check the URL; a private repository needs a credential]"},
		{"empty repository", "empty", nil, nil,
			"not_found: git: URL/empty.git: read the branches: the repository is empty [push a first commit to it]"},
		{"401", "a", gittest.Status(401), nil,
			"forbidden: git: URL/a.git: read the branches: the host wants a login [give a credential in spec.kernel.git.credential]"},
		{"403", "a", gittest.Status(403), nil,
			"forbidden: git: URL/a.git: read the branches: the host forbids it [give a credential in spec.kernel.git.credential]"},
		{"500", "a", gittest.Status(500), nil,
			"unavailable: git: URL/a.git: read the branches: the host answers with HTTP status 500 [try again later]"},
		{"a page for people", "a", gittest.Garbage, nil,
			`unavailable: git: URL/a.git: read the branches: what the host sent is broken: invalid pkt-len found ` +
				"[try again; if it stays, the repository needs git fsck]"},
		{"hang", "a", gittest.Hang, func(q *checkout.Request) { q.Limits.Stall = 300 * time.Millisecond },
			"timeout: git: URL/a.git: read the branches: the host sent nothing more " +
				"[try again later; check the network between this machine and the host]"},
		{"hang in the pack", "a", gittest.HangInPack, func(q *checkout.Request) { q.Limits.Stall = 2 * time.Second },
			"timeout: git: URL/a.git: fetch: the host sent nothing more " +
				"[try again later; check the network between this machine and the host]"},
		{"slow drip", "a", gittest.Drip(func() bool { time.Sleep(20 * time.Millisecond); return true }),
			func(q *checkout.Request) { q.Limits.Timeout = 3 * time.Second },
			"timeout: git: URL/a.git: fetch: took longer than allowed " +
				"[fetch less (x-agentd.git.depth), or raise git.timeout in the configuration]"},
		{"connection cut", "a", gittest.CutPack, nil,
			"unavailable: git: URL/a.git: fetch: what the host sent is broken: unexpected EOF " +
				"[try again; if it stays, the repository needs git fsck]"},
		{"nobody listens", "http://" + closed.Addr().String() + "/x.git", nil, nil,
			"unavailable: git: http://" + closed.Addr().String() + "/x.git: read the branches: dial tcp " + closed.Addr().String() +
				": connect: connection refused [check the URL, and that the host can be reached from this machine]"},
		{"too many bytes", "a", nil, func(q *checkout.Request) { q.Limits.Bytes = 20_000 },
			"too_large: git: URL/a.git: fetch: an object of 166 KiB, more than 19.53 KiB"},
		{"too many files", "a", nil, func(q *checkout.Request) { q.Limits.Files = 10 },
			"too_large: git: URL/a.git: write the files: more than 10 files and directories"},
		{"scheme", "ftp://x/y", nil, nil,
			"forbidden: git: ftp://x/y: the scheme ftp is not allowed on this agent " +
				"[allowed are https, ssh, http; the key git.schemes of the configuration says so]"},
		{"path", "/etc", nil, nil,
			"forbidden: git: /etc: the scheme file is not allowed on this agent " +
				"[allowed are https, ssh, http; the key git.schemes of the configuration says so]"},
		{"a login in the URL", "https://me:s3cret@x/y", nil, nil,
			"invalid: git: the URL https://***@x/y holds a login [take it out, and write it as credential]"},
		{"a program", "ext::sh -c touch", nil, nil, `invalid: git: "ext::sh -c touch" is no URL of a repository`},
		{"taken", "a", nil, func(q *checkout.Request) { q.Dir = "taken" },
			"conflict: git: URL/a.git: prepare the directory: /home/work/repo is there already and is not an empty directory " +
				"[give another destination_dir, or begin with an empty directory]"},
		{"above", "a", nil, func(q *checkout.Request) { q.Dir = "../x" },
			`invalid: git: URL/a.git: prepare the directory: the directory "../x" in "DIR", attempt "1"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.server.Wrap(tt.wrap)
			defer b.server.Wrap(nil)
			if got := b.told(b.fails(b.request(tt.repo, tt.change))); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestRun_CorruptPackIsFound(t *testing.T) {
	b := newBench(t)
	zoo(b.repo("a"))
	b.server.Wrap(gittest.CorruptPack)
	if err := b.fails(b.request("a", nil)); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v", err)
	}
}

func TestRun_AmbiguousAbbreviation(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	// Sixteen bits fit 700 commits twice.
	r.Sh(`{ i=0; while [ $i -lt 700 ]; do printf 'commit refs/heads/main\ncommitter A <a@b> %d +0000\ndata 1\nx\n' $i; i=$((i+1)); done; } |
		git fast-import --quiet`)
	twice := r.Sh("git rev-list main | cut -c1-4 | sort | uniq -d | head -1")
	if twice == "" {
		t.Fatal("no two commits begin alike")
	}
	err := b.fails(b.request("a", func(q *checkout.Request) { q.Checkout.Commit = twice }))
	if !errs.Is(err, errs.Ambiguous) || !strings.Contains(b.told(err), "commits begin with "+twice+" [write more digits: "+twice) {
		t.Errorf("got %s", b.told(err))
	}
}

func TestRun_CancelAnywhereLeavesNothing(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	zoo(r)
	phases := []checkout.Phase{checkout.Connecting, checkout.Receiving, checkout.Resolving, checkout.Writing}
	for _, phase := range phases {
		t.Run(string(phase), func(t *testing.T) {
			req := b.request("a", nil)
			before := listing(t, b.dir)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := checkout.Run(ctx, req, checkout.Hooks{Remove: helper.RemoveTree, Report: func(p checkout.Progress) {
				if p.Phase == phase {
					cancel()
				}
			}})
			if !errs.Is(err, errs.Canceled) && (err != nil || phase != checkout.Writing) {
				t.Errorf("got %v", err)
			}
			if after := listing(t, b.dir); err != nil && after != before {
				t.Errorf("left behind: %s", after)
			}
		})
	}
}

func TestRun_NestedDestinationIsMadeAndUndone(t *testing.T) {
	b := newBench(t)
	b.repo("a").Commit("x", map[string]string{"f": "f"})
	_, dir := b.must(b.request("a", func(q *checkout.Request) { q.Dir = "deep/er/clone" }))
	sound(t, dir)
	if fi, err := os.Stat(b.dir + "/deep"); err != nil || fi.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", fi, err)
	}
	// An empty directory, such as a mount's target, may be there.
	if err := os.Mkdir(b.dir+"/void", 0o755); err != nil {
		t.Fatal(err)
	}
	_, dir = b.must(b.request("a", func(q *checkout.Request) { q.Dir = "void" }))
	sound(t, dir)
}
