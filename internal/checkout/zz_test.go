package checkout_test

import (
	"fmt"
	"testing"
	"time"

	"agentd/internal/checkout"
	"agentd/internal/checkout/gittest"
)

func TestZZ(t *testing.T) {
	bench := newBench(t)
	r := bench.repo("many")
	r.Sh(`i=0; while [ $i -lt 100 ]; do mkdir -p d$i; awk -v d=$i 'BEGIN { for (f = 0; f < 100; f++) {
		name = "d" d "/f" f ".txt"; for (l = 0; l < 60; l++) print d, f, l, (d * 7919 + f * 104729 + l * 1299709) % 1000003 > name
		close(name) } }'; i=$((i + 1)); done; git add . ; git commit -qm one; git repack -qad`)
	for i := range 6 {
		start := time.Now()
		gittest.Sh(t, bench.dir, `git clone -q --depth=1 "$1" "$2"`, bench.server.URL+"/many.git", fmt.Sprint("g", i))
		g := time.Since(start)
		start = time.Now()
		bench.must(bench.request("many", func(q *checkout.Request) { q.Checkout.Depth = 1 }))
		t.Logf("git %v ours %v", g, time.Since(start))
	}
}
