package identity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/identity"
)

func TestIn_OwnAndSupplementaryGroups(t *testing.T) {
	t.Parallel()
	c := identity.Caller{UID: 7, GID: 10, Groups: []uint32{20, 30}}
	for gid, want := range map[uint32]bool{10: true, 20: true, 30: true, 7: false, 0: false} {
		if got := c.In(gid); got != want {
			t.Errorf("In(%d) is %v, want %v", gid, got, want)
		}
	}
}

func TestFrom_GivesWhatWithCarriesAndNobodyWithout(t *testing.T) {
	t.Parallel()
	if c, ok := identity.From(t.Context()); ok {
		t.Errorf("a context without a caller gives %+v", c)
	}
	want := identity.Caller{UID: 0, GID: 1, Groups: []uint32{2}, PID: 3, Admin: true}
	got, ok := identity.From(identity.With(t.Context(), want))
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("found %v (-want +got):\n%s", ok, diff)
	}
}
