package checkout_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"agentd/internal/checkout"
	"agentd/internal/checkout/gittest"
	"agentd/internal/helper"
	"agentd/internal/identity"
)

// BenchmarkClone compares a clone of 10,000 files over HTTP with git's own, side by side. The clones stay until the end:
// ext4 looks for a new inode long and in vain among those that were freed in the last seconds.
func BenchmarkClone(b *testing.B) {
	bench := newBench(b)
	r := bench.repo("many")
	r.Sh(`i=0; while [ $i -lt 100 ]; do mkdir -p d$i; awk -v d=$i 'BEGIN { for (f = 0; f < 100; f++) {
		name = "d" d "/f" f ".txt"; for (l = 0; l < 60; l++) print d, f, l, (d * 7919 + f * 104729 + l * 1299709) % 1000003 > name
		close(name) } }'; i=$((i + 1)); done; git add . ; git commit -qm one
		i=0; while [ $i -lt 100 ]; do echo $i >> d$i/f1.txt; git commit -qam $i; i=$((i + 1)); done; git repack -qad`)
	for _, depth := range []int{1, 0} {
		arg := "--no-single-branch"
		if depth > 0 {
			arg = fmt.Sprintf("--depth=%d", depth)
		}
		b.Run(fmt.Sprintf("depth=%d/git", depth), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				dir := filepath.Join(b.TempDir(), fmt.Sprint(i))
				gittest.Sh(b, bench.dir, `git clone -q "$1" "$2" "$3"`, arg, bench.server.URL+"/many.git", dir)
			}
		})
		b.Run(fmt.Sprintf("depth=%d/ours", depth), func(b *testing.B) {
			for b.Loop() {
				bench.must(bench.request("many", func(q *checkout.Request) { q.Checkout.Depth = depth }))
			}
		})
	}
}

// BenchmarkHelper is the price of a helper of this size: started, asked once, closed.
func BenchmarkHelper(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		k, err := helper.Starter{}.Start(identity.Caller{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Mkdir(b.Context(), helper.MkdirRequest{Root: dir, Entries: []helper.Entry{{Path: "d"}}}); err != nil {
			b.Fatal(err)
		}
		if err := k.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
