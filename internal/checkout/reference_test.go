package checkout_test

import (
	"strings"
	"testing"

	"agentd/internal/checkout"
	"agentd/internal/checkout/gittest"
)

// zoo makes a repository with everything that a work tree can hold, and a history with branches and tags. It returns the
// commits: first, second, the tip of side, the tip of main.
func zoo(r gittest.Repo) []string {
	first := r.Commit("first", map[string]string{
		"README": "one\n", "empty": "", "a/b/c/d/e/f": "deep\n", "a-b": "before the directory a/\n", "a.b": "also\n",
		"with space": "s\n", "new\nline": "n\n", "uml\u00e4ut": "u\n", "back\\slash": "b\n", "CON": "fine here\n", "aux.c": "as in Linux\n",
		"quote\"d": "q\n", "-dash": "d\n", "dir/.gitignore": "*.o\n", "big": strings.Repeat("0123456789abcdef\n", 10_000),
	})
	r.Sh(`printf 'a\0b\n' > binary; printf '#!/bin/sh\n' > run; chmod 755 run; ln -s README link; ln -s /etc/passwd absolute
		ln -s ../../nowhere dangling; ln -s a/b dirlink; git add -A; git commit -qm second; git tag light
		git tag -a annotated -m "a tag"; git tag -a -m "a tag of a tag" nested annotated`)
	second := r.Sh("git rev-parse HEAD")
	r.Sh("git checkout -q -b side; git checkout -q -b group/topic")
	r.Commit("on topic", map[string]string{"topic": "t\n"})
	r.Sh("git checkout -q side")
	side := r.Commit("on side", map[string]string{"side": "s\n", "README": "side\n"})
	r.Sh("git tag -a on-side -m x; git checkout -q main")
	r.Commit("third", map[string]string{"README": "three\n"})
	r.Sh("git merge -q --no-ff -X ours -m merged side; git rm -q a.b; git commit -qm removed")
	return []string{first, second, side, r.Sh("git rev-parse HEAD")}
}

func TestRun_IsWhatGitCloneMakes(t *testing.T) {
	b := newBench(t)
	r := b.repo("zoo")
	c := zoo(r)
	url := b.server.URL + "/zoo.git"
	for _, tt := range []struct {
		name, branch, commit string
		depth                int
		clone                string // arguments for git clone
		then                 string // and what git does in the clone
		onBranch             string
	}{
		{"nothing said", "", "", 0, "--single-branch", "", "main"},
		{"one commit", "", "", 1, "--depth=1", "", "main"},
		{"three commits", "", "", 3, "--depth=3", "", "main"},
		{"branch", "side", "", 0, "--single-branch -b side", "", "side"},
		{"branch with a slash", "group/topic", "", 1, "--depth=1 -b group/topic", "", "group/topic"},
		{"tag", "light", "", 0, "--single-branch -b light", "", ""},
		{"annotated tag", "annotated", "", 0, "--single-branch -b annotated", "", ""},
		{"tag of a tag", "nested", "", 1, "--depth=1 -b nested", "", ""},
		{"whole history and a commit", "", c[0], 0, "--single-branch", "git checkout -q " + c[0], ""},
		{"abbreviated commit", "", c[1][:7], 1, "", "git checkout -q " + c[1], ""},
		{"abbreviated commit on a branch", "side", c[2][:9], 0, "--single-branch -b side", "git checkout -q " + c[2], ""},
		{"branch and commit", "main", c[1], 0, "--single-branch -b main", "git checkout -q " + c[1], ""},
		{"capital letters", "", strings.ToUpper(c[1]), 0, "--single-branch", "git checkout -q " + c[1], ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, got := b.must(b.request("zoo", func(q *checkout.Request) {
				q.Checkout.Branch, q.Checkout.Commit, q.Checkout.Depth = tt.branch, tt.commit, tt.depth
			}))
			want := t.TempDir() + "/want"
			gittest.Sh(t, b.dir, "git clone -q "+tt.clone+` "$1" "$2"; cd "$2"; `+tt.then, url, want)
			sound(t, got)
			same(t, got, want)
			if res.Branch != tt.onBranch || res.Shallow != (tt.depth > 0 && tt.commit == "" && tt.name != "abbreviated commit") {
				t.Errorf("result %+v", res)
			}
			for _, ask := range []string{
				"git rev-parse HEAD", "git symbolic-ref -q HEAD || echo detached", "git log --format='%H %P %an %s' HEAD",
				// We also keep what the same answer told of the other branches; git does not.
				"git for-each-ref --format='%(refname) %(objectname) %(symref)' | grep -v origin/side", "git rev-parse --is-shallow-repository",
				"git ls-files --stage", "git config -l --local | grep -v ^remote.origin.fetch | sort", "git describe --tags --always",
				"git rev-parse --abbrev-ref '@{upstream}' 2>/dev/null || echo none",
			} {
				if tt.name == "abbreviated commit" && (strings.Contains(ask, "for-each-ref") || strings.Contains(ask, "config")) {
					continue // git makes a branch main there that nobody asked for
				}
				if g, w := gittest.Sh(t, got, ask), gittest.Sh(t, want, ask); g != w {
					t.Errorf("%s:\n%s\nwant:\n%s", ask, g, w)
				}
			}
			if head := gittest.Sh(t, got, "git rev-parse HEAD"); head != res.Commit {
				t.Errorf("HEAD %s, result %s", head, res.Commit)
			}
		})
	}
}

func TestRun_WorksOnAfterwards(t *testing.T) {
	b := newBench(t)
	r := b.repo("zoo")
	zoo(r)
	r.Sh("git config receive.denyCurrentBranch ignore; git config http.receivepack true")
	for _, depth := range []int{0, 1} {
		_, dir := b.must(b.request("zoo", func(q *checkout.Request) { q.Checkout.Depth = depth }))
		r.Commit("meanwhile", map[string]string{"later": strings.Repeat("x", depth+1)})
		gittest.Sh(t, dir, `git pull -q --ff-only; test -e later; echo mine > mine; git add mine; git commit -qm mine; git push -q
			git gc -q; git fsck --strict; test -z "$(git status --porcelain)"`)
		if depth == 1 {
			gittest.Sh(t, dir, `git fetch -q --unshallow; test "$(git rev-parse --is-shallow-repository)" = false; git fsck --strict`)
		}
	}
}

// TestRun_StatusReadsNoFile proves that the index is right at once: a status that may read no file still finds all clean.
func TestRun_StatusReadsNoFile(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	r.Commit("one", map[string]string{"x/y": "1", "z": "2"})
	_, dir := b.must(b.request("a", nil))
	gittest.Sh(t, dir, "chmod 0 z x/y; chmod 644 z x/y") // the change time is newer now, the rest as it was
	if out := gittest.Sh(t, dir, "GIT_OPTIONAL_LOCKS=0 git -c core.trustctime=false -c core.checkStat=default status --porcelain"); out != "" {
		t.Error(out)
	}
	// Same size, same second: it must be seen.
	gittest.Sh(t, dir, "printf 3 > z")
	if out := gittest.Sh(t, dir, "git status --porcelain"); out != " M z" {
		t.Errorf("a change was not seen: %q", out)
	}
}

func TestRun_EndsOfLines(t *testing.T) {
	b := newBench(t)
	r := b.repo("eol")
	files := map[string]string{
		".gitattributes": "* text=auto\n*.bat text eol=crlf\n*.auto text=auto eol=crlf\n*.bin binary\n*.no -text eol=crlf\n" +
			"*.old crlf\n*.eol eol=crlf\n*.lf text eol=lf\n[attr]dos text eol=crlf\n*.macro dos\n\"qu oted.x\" eol=crlf\n" +
			"/anchored.x eol=crlf\ndeep/**/f.x eol=crlf\nsub/ eol=crlf\nno/*.x eol=crlf\n[ab][!c].x eol=crlf\n*.both eol=crlf -text\n" +
			"*.undone eol=crlf\nundo/*.undone !eol\n",
		"sub/.gitattributes": "*.bat -text\n*.here eol=crlf\ndir/only.y eol=crlf\n[attr]never text eol=crlf\n*.never never\n",
	}
	for _, name := range []string{
		"a.bat", "b.auto", "c.bin", "d.no", "e.old", "f.eol", "g.lf", "h.macro", "qu oted.x", "anchored.x", "sub/anchored.x",
		"deep/f.x", "deep/1/2/f.x", "deep/1/g.x", "no/a.x", "no/1/a.x", "ad.x", "ac.x", "x.both", "x.undone", "undo/y.undone",
		"sub/a.bat", "sub/z.here", "sub/dir/only.y", "sub/1/dir/only.y", "sub/n.never", "plain",
	} {
		files[name] = "one\ntwo\n"
	}
	files["cr.auto"], files["cr.bat"] = "lone\rcr\n", "lone\rcr\n"
	files["zero.auto"], files["zero.bat"] = "a\x00b\n", "a\x00b\n"
	files["noeol.bat"], files["void.bat"] = "x", ""
	files["odd.auto"] = "\x01\x02\x03\n"
	r.Sh("git config core.safecrlf false")
	r.Commit("eol", files)
	// What is stored with other ends than the attributes want: git add would change it.
	r.Sh(`h=$(printf 'a\r\nb\n' | git hash-object -w --stdin --no-filters)
		for f in mixed.auto mixed.bat; do git update-index --add --cacheinfo 100644,$h,$f; done; git commit -qm mixed`)
	_, got := b.must(b.request("eol", nil))
	want := t.TempDir() + "/want"
	gittest.Sh(t, b.dir, `git clone -q "$1" "$2"`, b.server.URL+"/eol.git", want)
	same(t, got, want)
	const look = "find . -path ./.git -prune -o -type f -exec touch {} +; git status --porcelain" // so that it reads all
	if g, w := gittest.Sh(t, got, look), gittest.Sh(t, want, look); g != w {
		t.Errorf("status %q, want %q", g, w)
	}
}

func TestRun_WarnsOfWhatIsMissing(t *testing.T) {
	b := newBench(t)
	sub := b.repo("sub")
	sub.Commit("s", map[string]string{"s": "s"})
	r := b.repo("warn")
	r.Commit("w", map[string]string{
		"model.bin":      "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
		".gitattributes": "*.u16 working-tree-encoding=UTF-16\n", "t.u16": "", "no pointer": "version https://git-lfs.github.com/spec/v2\n",
	})
	r.Sh(`git submodule --quiet add "$1" lib/sub; git commit -qm sub`, sub.Dir)
	res, dir := b.must(b.request("warn", nil))
	want := []string{
		"1 files are pointers of Git LFS, whose contents were not fetched: model.bin",
		"1 files are left in UTF-8, or with the ends of lines as stored, though .gitattributes asks for another form: t.u16",
		"1 submodules were not fetched (x-agentd.git.submodules asks for them): lib/sub",
	}
	if strings.Join(res.Warnings, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", res.Warnings)
	}
	sound(t, dir)
	gittest.Sh(t, dir, "test -d lib/sub; git submodule --quiet update --init; test -e lib/sub/s")
}
