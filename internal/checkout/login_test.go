package checkout_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentd/internal/checkout"
	"agentd/internal/checkout/gittest"
	"agentd/internal/errs"
)

const canary = "c4nary-p4ssw0rd"

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// clean makes sure that a secret is in no file.
func clean(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, secret := range []string{canary, base64.StdEncoding.EncodeToString([]byte("alice:" + canary))} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s holds the secret", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func withLogin(password string) func(*checkout.Request) {
	return func(q *checkout.Request) {
		q.Credential = &checkout.Credential{Username: "alice", Password: password}
	}
}

func TestRun_LoginByHTTPS(t *testing.T) {
	repos := t.TempDir()
	b := &bench{t: t, repos: repos, server: gittest.ServeTLS(t, repos), dir: t.TempDir()}
	b.repo("a").Commit("x", map[string]string{"f": "f"})
	b.server.Login("alice", canary)
	_, dir := b.must(b.request("a", withLogin(canary)))
	clean(t, b.dir)
	if url := gittest.Sh(t, dir, "git config remote.origin.url"); url != b.server.URL+"/a.git" {
		t.Errorf("remote %s", url)
	}
	if got := b.server.Authorizations(); len(got) != 1 || got[0] != basic("alice", canary) {
		t.Errorf("sent %q", got)
	}
	err := b.fails(b.request("a", withLogin("wrong-"+canary)))
	if !errs.Is(err, errs.Forbidden) || !strings.HasSuffix(err.Error(), "read the branches: the host refuses the login of alice") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(b.told(err), canary) {
		t.Errorf("the secret is in the error: %v", err)
	}
	if err := b.fails(b.request("a", func(q *checkout.Request) { q.CABundle = nil })); !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

func TestRun_LoginStaysAtItsHost(t *testing.T) {
	b := newBench(t)
	b.repo("a").Commit("x", map[string]string{"f": "f"})
	other := gittest.Serve(t, b.repos)
	b.server.Wrap(gittest.Redirect(other.URL))
	res, dir := b.must(b.request("a", withLogin(canary)))
	if len(other.Seen()) == 0 || res.Commit == "" {
		t.Fatal("the redirect was not followed")
	}
	if got := other.Authorizations(); len(got) != 0 {
		t.Errorf("the other host got %q", got)
	}
	if url := gittest.Sh(t, dir, "git config remote.origin.url"); url != b.server.URL+"/a.git" {
		t.Errorf("remote %s", url)
	}
}

func TestRun_RedirectKeepsToTheSchemes(t *testing.T) {
	repos := t.TempDir()
	b := &bench{t: t, repos: repos, server: gittest.ServeTLS(t, repos), dir: t.TempDir()}
	b.repo("a").Commit("x", map[string]string{"f": "f"})
	plain := gittest.Serve(t, repos)
	b.server.Wrap(gittest.Redirect(plain.URL))
	for _, schemes := range [][]string{{"https"}, {"https", "http"}} {
		err := b.fails(b.request("a", func(q *checkout.Request) { q.Schemes = schemes }))
		if err == nil || len(plain.Seen()) != 0 && len(schemes) == 1 {
			t.Errorf("followed from https to http: %v", err)
		}
		if !errs.Is(err, errs.Forbidden) || !strings.Contains(err.Error(), "redirects to") {
			t.Errorf("got %v", err)
		}
	}
}

func TestRun_SubmodulesGetNoForeignLogin(t *testing.T) {
	b := newBench(t)
	b.server.Login("alice", canary)
	other := gittest.Serve(t, b.repos)
	deep := b.repo("deep")
	deep.Commit("d", map[string]string{"deep": "deep"})
	far := b.repo("far")
	far.Commit("f", map[string]string{"far": "far"})
	near := b.repo("near")
	near.Commit("n", map[string]string{"near": "near"})
	near.Sh(`git submodule --quiet add "$1" deep; git config -f .gitmodules submodule.deep.url ../deep.git; git commit -qam deep`, deep.Dir)
	r := b.repo("main")
	r.Commit("m", map[string]string{"f": "f"})
	r.Sh(`git submodule --quiet add "$1" lib/near; git submodule --quiet add --name 'other name' "$2" far
		git config -f .gitmodules submodule.lib/near.url ./../near.git; git config -f .gitmodules 'submodule.other name.url' "$3"
		git commit -qam subs`, near.Dir, far.Dir, other.URL+"/far.git")
	res, dir := b.must(b.request("main", func(q *checkout.Request) {
		withLogin(canary)(q)
		q.Checkout.Submodules = true
	}))
	if got := strings.Join(res.Submodules, " "); got != "far lib/near lib/near/deep" {
		t.Errorf("fetched %s", got)
	}
	if got := other.Authorizations(); len(got) != 0 || len(other.Seen()) == 0 {
		t.Errorf("the other host got %q in %d requests", got, len(other.Seen()))
	}
	clean(t, b.dir)
	sound(t, dir)
	gittest.Sh(t, dir, `test -e lib/near/near -a -e far/far -a -e lib/near/deep/deep; git submodule status --recursive | grep -v '^ ' && exit 1
		git submodule foreach --quiet --recursive 'test -z "$(git status --porcelain)"; git fsck'; test "$(git -C lib/near config remote.origin.url)" = "$1"
		git submodule --quiet update --recursive`, b.server.URL+"/near.git")
}

func TestRun_SubmodulesStayWithinTheRules(t *testing.T) {
	b := newBench(t)
	secret := b.repo("secret")
	commit := secret.Commit("s", map[string]string{"s": "s"})
	for name, tt := range map[string]struct{ url, want string }{
		"file":   {"file://" + secret.Dir, "the scheme file is not allowed"},
		"path":   {secret.Dir, "the scheme file is not allowed"},
		"above":  {"../../../../x", "leads above"},
		"option": {"--upload-pack=touch /tmp/x", "is no URL"},
		"ext":    {"ext::touch x", "is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.repo("sub-" + name)
			r.Commit("m", map[string]string{".gitmodules": "[submodule \"x\"]\n\tpath = x\n\turl = " + tt.url + "\n"})
			r.Sh(`git update-index --add --cacheinfo 160000,"$1",x; git commit -qm sub`, commit)
			err := b.fails(b.request("sub-"+name, func(q *checkout.Request) { q.Checkout.Submodules = true }))
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	// Even where the scheme is allowed for a plan, a repository from elsewhere cannot name a path of this machine.
	err := b.fails(b.request("sub-file", func(q *checkout.Request) {
		q.Checkout.Submodules, q.Schemes = true, append(q.Schemes, "file")
	}))
	if !errs.Is(err, errs.Forbidden) || !strings.Contains(err.Error(), "path") {
		t.Errorf("got %v", err)
	}
}

func TestRun_SSH(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	c := zoo(r)
	s := gittest.ServeSSH(t, b.repos)
	home := t.TempDir()
	set := func(known string, key []byte) func(*checkout.Request) {
		if err := os.MkdirAll(home+"/.ssh", 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"known_hosts": known, "id_ed25519": string(key)} {
			if err := os.WriteFile(home+"/.ssh/"+name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return func(q *checkout.Request) { q.SSH = checkout.SSHOf(home, "") }
	}
	good := set(s.KnownHosts(), s.ClientKey)
	_, dir := b.must(b.request(s.URL("a"), good))
	sound(t, dir)
	same(t, dir, r.Dir)
	_, dir = b.must(b.request(s.URL("a"), func(q *checkout.Request) { good(q); q.Checkout.Commit, q.Checkout.Depth = c[1], 1 }))
	sound(t, dir)
	if err := b.fails(b.request(s.URL("nothing"), good)); !errs.Is(err, errs.NotFound) {
		t.Errorf("no repository: %v", err)
	}

	config := "Host short\n  HostName 127.0.0.1\n  Port " + s.Address[strings.LastIndex(s.Address, ":")+1:] + "\n  User somebody\n"
	if err := os.WriteFile(home+"/.ssh/config", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	_, dir = b.must(b.request("short:/a.git", good))
	sound(t, dir)

	other := gittest.ServeSSH(t, b.repos)
	err := b.fails(b.request(other.URL("a"), good))
	want := "the key of the SSH host [127.0.0.1]:"
	if !errs.Is(err, errs.Forbidden) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "is not known: ssh-ed25519 SHA256:") ||
		!strings.Contains(b.told(err), "ssh-keyscan -p ") {
		t.Errorf("unknown host: %s", b.told(err))
	}
	swapped := strings.Replace(other.KnownHosts(), other.Address[strings.LastIndex(other.Address, ":"):], s.Address[strings.LastIndex(s.Address, ":"):], 1)
	err = b.fails(b.request(s.URL("a"), set(swapped, s.ClientKey)))
	if !errs.Is(err, errs.Forbidden) || !strings.Contains(err.Error(), "is not the known one") {
		t.Errorf("changed host: %s", b.told(err))
	}
	err = b.fails(b.request(s.URL("a"), set(s.KnownHosts(), other.ClientKey)))
	if !errs.Is(err, errs.Forbidden) || !strings.Contains(err.Error(), "refuses the login of git by SSH key (0 from the agent, 1 from files)") {
		t.Errorf("wrong key: %s", b.told(err))
	}
}

func TestRun_FileNeedsTheSchemeAndTheRight(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	zoo(r)
	allow := func(q *checkout.Request) { q.Schemes = append(q.Schemes, "file") }
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "safe.directory")
	t.Setenv("GIT_CONFIG_VALUE_0", "*")
	_, dir := b.must(b.request("file://"+r.Dir, allow))
	sound(t, dir)
	same(t, dir, r.Dir)
	if err := b.fails(b.request("file:///nowhere", allow)); !errs.Is(err, errs.NotFound) {
		t.Errorf("got %v", err)
	}
}

// TestRun_RewrittenSchemeIsAllowed: what the configuration has rewritten is allowed by that, whatever its scheme.
func TestRun_RewrittenSchemeIsAllowed(t *testing.T) {
	b := newBench(t)
	b.repo("a").Commit("x", map[string]string{"f": "f"})
	_, dir := b.must(b.request("a", func(q *checkout.Request) {
		q.Schemes, q.Checkout.Repository = []string{"https"}, "https://git.example.org/a.git"
	}))
	if url := gittest.Sh(t, dir, "git config remote.origin.url"); url != "https://git.example.org/a.git" {
		t.Errorf("remote %s", url)
	}
}

func TestRun_SSHAgentOfTheCaller(t *testing.T) {
	b := newBench(t)
	b.repo("a").Commit("x", map[string]string{"f": "f"})
	s := gittest.ServeSSH(t, b.repos)
	home := t.TempDir()
	if err := os.WriteFile(home+"/known_hosts", []byte(s.KnownHosts()), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := gittest.ServeAgent(t, s.ClientKey)
	_, dir := b.must(b.request(s.URL("a"), func(q *checkout.Request) {
		q.SSH = checkout.SSH{AgentSocket: socket, KnownHosts: []string{home + "/known_hosts"}}
	}))
	sound(t, dir)
	err := b.fails(b.request(s.URL("a"), func(q *checkout.Request) {
		q.SSH = checkout.SSH{AgentSocket: home + "/gone", KnownHosts: []string{home + "/known_hosts"}}
	}))
	if !errs.Is(err, errs.Forbidden) || !strings.Contains(err.Error(), "0 from the agent") {
		t.Errorf("got %v", err)
	}
}

func TestRun_GitProtocol(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	c := zoo(r)
	address := gittest.ServeGit(t, b.repos)
	for _, commit := range []string{"", c[0]} {
		_, dir := b.must(b.request("git://"+address+"/a.git", func(q *checkout.Request) {
			q.Schemes, q.Checkout.Commit, q.Checkout.Depth = append(q.Schemes, "git"), commit, 1
		}))
		sound(t, dir)
	}
}

// TestRun_OneCommitIsOneSmallRequest: where the host hands out commits by hash, nothing but that commit is fetched.
func TestRun_OneCommitIsOneSmallRequest(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	c := zoo(r)
	ask := func(q *checkout.Request) { q.Checkout.Commit, q.Checkout.Depth = c[1], 1 }
	whole, _ := b.must(b.request("a", func(q *checkout.Request) { ask(q); q.Checkout.Commit = c[0] }))
	if whole.Shallow {
		t.Error("the host does not hand out commits by hash, and yet the history is cut")
	}
	r.Sh("git config uploadpack.allowReachableSHA1InWant true")
	before := len(b.server.Seen())
	res, dir := b.must(b.request("a", ask))
	if n := len(b.server.Seen()) - before; n != 2 || !res.Shallow || res.Commit != c[1] || res.Branch != "" {
		t.Errorf("%d requests, %+v", n, res)
	}
	sound(t, dir)
	if n := gittest.Sh(t, dir, "git rev-list --all HEAD | wc -l"); n != "1" {
		t.Errorf("%s commits", n)
	}
	// A tip is to be had from every host.
	r.Sh("git config --unset uploadpack.allowReachableSHA1InWant")
	if res, dir := b.must(b.request("a", func(q *checkout.Request) { q.Checkout.Commit, q.Checkout.Depth = c[2], 1 })); !res.Shallow {
		t.Errorf("%+v", res)
	} else {
		sound(t, dir)
	}
}

func TestRun_CommitOffItsBranchIsWarnedOf(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	r.Commit("one", map[string]string{"f": "1"})
	r.Sh("git checkout -q -b side")
	off := r.Commit("off", map[string]string{"f": "2"})
	r.Sh("git checkout -q main")
	res, _ := b.must(b.request("a", func(q *checkout.Request) { q.Checkout.Branch, q.Checkout.Commit = "main", off }))
	want := "commit " + off + " is not on main; the commit counts"
	if strings.Join(res.Warnings, "\n") != want || res.Commit != off {
		t.Errorf("%+v", res)
	}
}

func TestRun_ManyReferences(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	r.Commit("one", map[string]string{"f": "1"})
	r.Sh(`h=$(git rev-parse HEAD); { echo '# pack-refs with: peeled fully-peeled sorted '
		seq -f "$h refs/heads/branch-%07.0f" 1 20000; echo "$h refs/heads/main"; seq -f "$h refs/tags/tag-%07.0f" 1 20000; } > .git/packed-refs
		rm .git/refs/heads/main`)
	_, dir := b.must(b.request("a", nil))
	sound(t, dir)
	if n := gittest.Sh(t, dir, "git for-each-ref | wc -l"); n != "40003" {
		t.Errorf("%s references", n)
	}
}
