package checkout_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"agentd/internal/checkout"
	"agentd/internal/checkout/gittest"
	"agentd/internal/helper"
)

func TestZZ(t *testing.T) {
	b := newBench(t)
	r := b.repo("large")
	// 12,000 files, history of 400 commits touching 30 files each, plus binary stuff of 450 MB
	r.Sh(`git config core.compression 1; git config core.bigFileThreshold 30m
		for d in $(seq 1 120); do mkdir d$d; for f in $(seq 1 100); do seq $((d*f)) $((d*f+400)) > d$d/f$f; done; done
		for i in $(seq 1 25); do head -c 18M /dev/urandom > part$i; done; git add .; git commit -qm large
		for i in $(seq 1 300); do for d in $(seq 1 30); do echo "$i $d" >> d$d/f$((i % 100 + 1)); done; git commit -qam $i; done
		git repack -qad; du -sm .git; git count-objects -v`)
	as := caller()
	b.theirs(as)
	for _, depth := range []int{1, 0} {
		for _, mem := range []int64{512 << 20, 128 << 20} {
			peak := 0
			var child int
			req := b.request("large", func(q *checkout.Request) { q.Limits.MemoryBytes = mem; q.Checkout.Depth = depth })
			start := time.Now()
			res, err := client(helper.Starter{Limits: helper.Limits{MemoryBytes: mem}}, as, func(k *helper.Session) { child = k.PID() }).
				Checkout(t.Context(), req, func(p checkout.Progress) {
					status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child))
					if err != nil {
						return
					}
					_, text, _ := bytes.Cut(status, []byte("VmHWM:"))
					n := 0
					if _, err := fmt.Sscan(string(text), &n); err == nil {
						peak = max(peak, n)
					}
					t.Logf("%v %s %d/%d %d MB", time.Since(start).Round(time.Millisecond), p.Phase, p.Done, p.Total, n>>10)
				})
			t.Logf("mem %d depth %d: %v; err %v; %d MB received, %d MB resident at most", mem>>20, depth, time.Since(start), err, res.ReceivedBytes>>20, peak>>10)
			if err == nil {
				os.RemoveAll(filepath.Join(req.Root, req.Dir))
			}
		}
		start := time.Now()
		arg := "--single-branch"
		if depth == 1 {
			arg = "--depth=1"
		}
		out := gittest.Sh(t, b.repos, `/usr/bin/time -f "%M KB" git clone -q $2 "$1" out 2>&1; rm -rf out`, b.server.URL+"/large.git", arg)
		t.Logf("git %v %s", time.Since(start), out)
	}
}
