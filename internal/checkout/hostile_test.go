package checkout_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"agentd/internal/checkout"
	"agentd/internal/checkout/gittest"
	"agentd/internal/errs"
)

// raw makes a commit of a tree that the usual commands refuse: lines of "MODE NAME OBJECT", where the object is a hash,
// "blob" for a small file, or "link:TEXT".
func raw(r gittest.Repo, lines ...string) {
	r.Sh(`hex() { printf "$(printf %s "$1" | sed 's/../\\x&/g')"; }
		: > ../tree
		for line; do
			mode=${line%% *}; rest=${line#* }; name=${rest% *}; object=${rest##* }
			case $object in
				blob) object=$(echo evil | git hash-object -w --stdin);;
				link:*) object=$(printf %s "${object#link:}" | git hash-object -w --stdin);;
				tree) object=$(printf '100644 blob %s\tf\n' $(echo evil | git hash-object -w --stdin) | git mktree);;
			esac
			printf '%s %b\0' "$mode" "$name" >> ../tree; /usr/bin/printf "$(printf %s "$object" | sed 's/../\\x&/g')" >> ../tree
		done
		tree=$(git hash-object -t tree --literally -w ../tree)
		git update-ref refs/heads/main $(git commit-tree -m evil $tree); rm ../tree`, lines...)
}

func TestRun_RefusesTreesMadeToAttack(t *testing.T) {
	b := newBench(t)
	outside := t.TempDir()
	for i, tt := range []struct {
		name  string
		lines []string
		want  string
	}{
		{".git", []string{"40000 .git tree"}, "means the repository itself"},
		{".GIT", []string{"100644 .GiT blob"}, "means the repository itself"},
		{"link to .git", []string{"120000 .git link:x"}, "means the repository itself"},
		{"short name", []string{"40000 git~1 tree"}, "means the repository itself"},
		{"spaces and dots", []string{"100644 .git\\040.\\040 blob"}, "means the repository itself"},
		{"stream", []string{"100644 .git::$INDEX_ALLOCATION blob"}, "means the repository itself"},
		{"invisible", []string{"100644 .g\\0342\\0200\\0214it blob"}, "means the repository itself"},
		{"dot dot", []string{"40000 .. tree"}, "is no name of a file"},
		{"dot", []string{"100644 . blob"}, "is no name of a file"},
		{"slash", []string{"100644 a/b blob"}, "is no name of a file"},
		{"absolute", []string{"100644 /tmp/x blob"}, "is no name of a file"},
		{"modules link", []string{"120000 .gitmodules link:/etc/passwd"}, "may not be a symbolic link"},
		{"through a link", []string{"120000 a link:" + outside, "40000 a tree"}, "holds two files"},
		{"twice", []string{"100644 a blob", "100644 a blob"}, "not in order"},
		{"out of order", []string{"100644 b blob", "100644 a blob"}, "not in order"},
		{"device", []string{"20000 a blob"}, "a tree's mode"},
		{"no blob", []string{"100644 a tree"}, "is no file"},
		{"link with a zero", []string{"120000 a ZERO"}, "zero byte"},
		{"long link", []string{"120000 a link:" + strings.Repeat("x", 4096)}, "a symbolic link of 4096 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repo := fmt.Sprintf("evil%d", i)
			r := b.repo(repo)
			if tt.name == "link with a zero" {
				tt.lines[0] = "120000 a " + r.Sh(`printf 'a\0b' | git hash-object -w --stdin`)
			}
			raw(r, tt.lines...)
			err := b.fails(b.request(repo, nil))
			if !strings.Contains(err.Error(), tt.want) || !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.Unavailable) {
				t.Errorf("got %v", err)
			}
			if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
				t.Errorf("written outside: %v, %v", left, err)
			}
		})
	}
}

func TestRun_LinksAreKeptAndNeverFollowed(t *testing.T) {
	b := newBench(t)
	r := b.repo("links")
	outside := t.TempDir()
	raw(r, "120000 HEAD link:"+outside, "120000 a link:.git", "120000 b link:.git/config", "120000 c link:../../..", "120000 d link:/")
	_, dir := b.must(b.request("links", nil))
	for name, want := range map[string]string{"HEAD": outside, "a": ".git", "b": ".git/config", "c": "../../..", "d": "/"} {
		if got, err := os.Readlink(dir + "/" + name); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	sound(t, dir)
}

// bomb makes a tree of depth levels with ten entries each, all of them the same: 10 to the depth files in a few kilobytes.
func bomb(r gittest.Repo, depth int) {
	r.Sh(`o=$(echo x | git hash-object -w --stdin); mode=100644; kind=blob
		d=0; while [ $d -lt $1 ]; do
			o=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '%s %s %s\tf%s\n' $mode $kind $o $i; done | git mktree); mode=040000; kind=tree
			d=$((d + 1)); done
		git update-ref refs/heads/main $(git commit-tree -m bomb $o)`, fmt.Sprint(depth))
}

func TestRun_TreeBombsEndAtTheBudget(t *testing.T) {
	b := newBench(t)
	for _, depth := range []int{5, 8, 300} {
		name := fmt.Sprintf("bomb%d", depth)
		bomb(b.repo(name), depth)
		err := b.fails(b.request(name, func(q *checkout.Request) { q.Limits.Files = 5000 }))
		if !errs.Is(err, errs.TooLarge) || !strings.Contains(err.Error(), "more than 5000 files and directories") {
			t.Errorf("10^%d: %v", depth, err)
		}
	}
}

func TestRun_ZeroBlobEndsAtTheBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds to make")
	}
	b := newBench(t)
	r := b.repo("zeros")
	r.Sh(`truncate -s 1G zeros; git add zeros; git commit -qm zeros; rm zeros`)
	err := b.fails(b.request("zeros", func(q *checkout.Request) { q.Limits.Bytes = 100 << 20 }))
	if !errs.Is(err, errs.TooLarge) || !strings.Contains(err.Error(), "an object of 1 GiB, more than 100 MiB") {
		t.Errorf("got %v", err)
	}
}

// TestRun_DeltaBombEndsAtTheBudget: a difference of a few bytes that says "copy all of that, again and again".
func TestRun_DeltaBombEndsAtTheBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds to make")
	}
	b := newBench(t)
	r := b.repo("delta")
	r.Sh(`head -c 2M /dev/urandom > a; git add a; git commit -qm a; cat a a a a a a a a a a a a a a a a > b; mv b a; git commit -qam b
		git repack -qadf --window=10 --depth=10`)
	err := b.fails(b.request("delta", func(q *checkout.Request) { q.Limits.MemoryBytes = 64 << 20 }))
	if !errs.Is(err, errs.TooLarge) || !strings.Contains(b.told(err), "raise git.memory") {
		t.Errorf("got %s", b.told(err))
	}
}
