package adapt

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"agentd/internal/engine"
	"agentd/internal/layout"
)

// ref is what is asked for.
const ref = "registry.example/x:v1"

func TestAccess_ByRuleAndByWhatWasShown(t *testing.T) {
	pulled := engine.Image{ID: "sha256:p", RepoDigest: "registry.example/x@sha256:" + strings.Repeat("1", 64)}
	held := engine.Image{ID: "sha256:h", Held: true}
	loaded := engine.Image{ID: "sha256:l"}
	// Pulled under another name, and given the one that is asked for on this machine.
	tagged := engine.Image{ID: "sha256:t", RepoDigest: "registry.example/other@sha256:" + strings.Repeat("1", 64)}
	for _, c := range []struct {
		rule   string
		closed bool
		owner  uint32
		want   [4]bool // pulled, held, loaded, tagged
	}{
		{"all", false, 1, [4]bool{true, true, true, true}},
		{"guarded", false, 1, [4]bool{false, false, true, true}},
		{"guarded", true, 1, [4]bool{true, true, true, true}},
		{"guarded", false, 0, [4]bool{true, true, true, true}},
		{"own", false, 1, [4]bool{false, false, false, false}},
		{"own", false, 0, [4]bool{true, true, true, true}},
	} {
		a := &Access{State: layout.State(t.TempDir()), Rule: c.rule, Closed: c.closed, Log: slog.New(slog.DiscardHandler)}
		for i, image := range []engine.Image{pulled, held, loaded, tagged} {
			if got := a.may(c.owner, ref, image); got != c.want[i] {
				t.Errorf("%s, closed %v, uid %d, %s: %v", c.rule, c.closed, c.owner, image.ID, got)
			}
		}
		a.show(1, pulled.ID)
		if !a.may(1, ref, pulled) {
			t.Errorf("%s: what was shown is not allowed", c.rule)
		}
		if got, want := a.may(2, ref, pulled), c.rule == "all" || c.closed; got != want {
			t.Errorf("%s: what one has shown, another has: %v", c.rule, got)
		}
		// After a restart, too.
		b := &Access{State: a.State, Rule: c.rule, Closed: c.closed, Log: a.Log}
		if !b.may(1, ref, pulled) {
			t.Errorf("%s: what was shown is forgotten", c.rule)
		}
	}
}

func TestAccess_IsBoundedAndADamagedRecordIsOneOfNothing(t *testing.T) {
	state := layout.State(t.TempDir())
	a := &Access{State: state, Rule: "own", Log: slog.New(slog.DiscardHandler)}
	a.shown = map[uint32][]string{1: nil}
	for i := range maxShown {
		a.shown[1] = append(a.shown[1], fmt.Sprintf("sha256:%064d", i))
	}
	a.show(1, "sha256:new")
	if len(a.shown[1]) != maxShown || a.may(1, ref, engine.Image{ID: fmt.Sprintf("sha256:%064d", 0)}) || !a.may(1, ref, engine.Image{ID: "sha256:new"}) {
		t.Errorf("%d images are remembered", len(a.shown[1]))
	}
	again := &Access{State: state, Rule: "own", Log: a.Log}
	if !again.may(1, ref, engine.Image{ID: "sha256:new"}) {
		t.Error("the longest record cannot be read back")
	}
	if err := os.WriteFile(state.User(1).Images(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := &Access{State: state, Rule: "own", Log: a.Log}
	if damaged.may(1, ref, engine.Image{ID: "sha256:new"}) {
		t.Error("a damaged record allows")
	}
}
