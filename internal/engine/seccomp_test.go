package engine

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/profiles/seccomp"
)

// allows is what the kernel makes of a profile's rules for one system call with one argument, of index 0.
func allows(rules []*seccomp.Syscall, name string, value uint64) bool {
	return slices.ContainsFunc(rules, func(r *seccomp.Syscall) bool {
		if r.Action != "SCMP_ACT_ALLOW" || !slices.Contains(r.Names, name) {
			return false
		}
		for _, a := range r.Args {
			ok := a.Index == 0
			switch a.Op {
			case "SCMP_CMP_EQ":
				ok = ok && value == a.Value
			case "SCMP_CMP_LT":
				ok = ok && value < a.Value
			case maskedEqual:
				ok = ok && value&a.Value == a.ValueTwo
			default:
				ok = false
			}
			if !ok {
				return false
			}
		}
		return true
	})
}

// others are the rules without a condition on values, which must be the same ones.
func others(rules []*seccomp.Syscall) []string {
	var out []string
	for _, r := range rules {
		if len(r.Names) != 1 || (r.Names[0] != "socket" && r.Names[0] != "personality") {
			text, err := json.Marshal(r)
			if err != nil {
				panic(err)
			}
			out = append(out, string(text))
		}
	}
	slices.Sort(out)
	return out
}

func TestSeccompProfile_MeansWhatUpstreamsMeans(t *testing.T) {
	t.Parallel()
	upstream := seccomp.DefaultProfile().Syscalls
	text, err := seccompProfile()
	if err != nil {
		t.Fatal(err)
	}
	var ours seccomp.Seccomp
	if err := json.Unmarshal([]byte(text), &ours); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(others(upstream), others(ours.Syscalls)); diff != "" {
		t.Errorf("other rules differ (-upstream +ours):\n%s", diff)
	}
	if len(ours.Syscalls) >= len(upstream) {
		t.Errorf("%d rules, want fewer than %d", len(ours.Syscalls), len(upstream))
	}
	values := []uint64{0x20000, 0x20008, 0xffffffff, 1 << 32, 1<<32 + 1, math.MaxUint64}
	for v := range uint64(1 << 12) {
		values = append(values, v)
	}
	for _, name := range []string{"socket", "personality"} {
		allowed := 0
		for _, v := range values {
			want := allows(upstream, name, v)
			if got := allows(ours.Syscalls, name, v); got != want {
				t.Errorf("%s(%d): allowed is %v, want %v", name, v, got, want)
			}
			if want {
				allowed++
			}
		}
		if allowed == 0 || allowed == len(values) {
			t.Errorf("%s: %d of %d values are allowed: nothing was compared", name, allowed, len(values))
		}
	}
}
