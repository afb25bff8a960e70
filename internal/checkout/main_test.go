package checkout_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentd/internal/checkout"
	"agentd/internal/checkout/gittest"
	"agentd/internal/helper"
	"agentd/internal/plan"
)

// TestMain makes the test binary its own helper, as agentd's main does.
func TestMain(m *testing.M) {
	if helper.Wanted(os.Args) {
		os.Exit(helper.Main(helper.Table{
			checkout.OperationName: func(ctx context.Context, c *helper.Call) (any, error) {
				return checkout.Operation(ctx, c, helper.RemoveTree)
			},
		}))
	}
	os.Exit(m.Run())
}

// bench is a root with repositories, a server for them, and a directory to clone into.
type bench struct {
	t      testing.TB
	repos  string
	server *gittest.Server
	dir    string
	n      int
	cache  checkout.Cache
	seen   int
}

func newBench(t testing.TB) *bench {
	t.Helper()
	repos := t.TempDir()
	return &bench{t: t, repos: repos, server: gittest.Serve(t, repos), dir: t.TempDir()}
}

func (b *bench) repo(name string) gittest.Repo { return gittest.New(b.t, b.repos, name) }

// request asks for a repository of the server, in a directory of its own.
func (b *bench) request(name string, change func(*checkout.Request)) checkout.Request {
	b.n++
	url := b.server.URL + "/" + name + ".git"
	if strings.Contains(name, ":") || strings.HasPrefix(name, "/") {
		url = name
	}
	req := checkout.Request{
		Checkout: plan.Checkout{Repository: url, URL: url, Target: "/home/work/repo"},
		Root:     b.dir, Dir: "clone" + string(rune('a'+b.n%26)) + strings.Repeat("x", b.n/26), Attempt: "1",
		Schemes: []string{"https", "ssh", "http"}, CABundle: b.server.CA,
		Cache: b.cache,
	}
	if change != nil {
		change(&req)
	}
	return req
}

func (b *bench) run(req checkout.Request) (checkout.Result, string, error) {
	b.t.Helper()
	res, err := checkout.Run(b.t.Context(), req, checkout.Hooks{Remove: helper.RemoveTree})
	return res, filepath.Join(req.Root, req.Dir), err
}

func (b *bench) must(req checkout.Request) (checkout.Result, string) {
	b.t.Helper()
	res, dir, err := b.run(req)
	if err != nil {
		b.t.Fatal(err)
	}
	return res, dir
}

// fails makes sure that nothing is left, and returns the error.
func (b *bench) fails(req checkout.Request) error {
	b.t.Helper()
	before := listing(b.t, req.Root)
	_, _, err := b.run(req)
	if err == nil {
		b.t.Fatal("it worked")
	}
	if after := listing(b.t, req.Root); after != before {
		b.t.Errorf("left behind: %s, before: %s", after, before)
	}
	return err
}

func listing(t testing.TB, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// sound checks a clone with the real git: whole, clean, and without our having been there.
func sound(t testing.TB, dir string) {
	t.Helper()
	if out := gittest.Sh(t, dir, "git fsck --full --strict 2>&1 || true"); strings.Contains(out, "error") || strings.Contains(out, "missing") {
		t.Errorf("fsck: %s", out)
	}
	// Without refreshing the index first: it has to be right as it is.
	if out := gittest.Sh(t, dir, "GIT_OPTIONAL_LOCKS=0 git status --porcelain --untracked-files=all"); out != "" {
		t.Errorf("status: %s", out)
	}
	if out := gittest.Sh(t, dir, "git diff-files --name-only; git diff-index --cached --name-only HEAD --"); out != "" {
		t.Errorf("the index differs: %s", out)
	}
}

// same compares two work trees: names, contents, modes, links.
func same(t testing.TB, got, want string) {
	t.Helper()
	const list = `find . -path ./.git -prune -o -printf '%P %y %m %l\n' | LC_ALL=C sort`
	if g, w := gittest.Sh(t, got, list), gittest.Sh(t, want, list); g != w {
		t.Errorf("trees differ:\n%s\nwant:\n%s", g, w)
	}
	gittest.Sh(t, got, `diff -r --no-dereference --exclude=.git . "$1"`, want)
}
