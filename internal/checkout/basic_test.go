package checkout_test

import (
	"testing"
	"agentd/internal/checkout"
)

func TestRun_Smoke(t *testing.T) {
	b := newBench(t)
	r := b.repo("a")
	r.Commit("one", map[string]string{"x/y/z.txt": "hello", "a.txt": "a"})
	want := r.Commit("two", map[string]string{"x/y/z.txt": "hello2", "x-y": "b"})
	for _, depth := range []int{0,1} {
	res, dir := b.must(b.request("a", func(r *checkout.Request) { r.Checkout.Depth=depth }))
	if res.Commit != want { t.Errorf("%+v", res) }
	t.Logf("%+v", res)
	sound(t, dir)
	same(t, dir, r.Dir)
	}
}
