package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/api"
	"agentd/internal/errs"
)

// failing returns what a failure prints, and the status that it ends with.
func failing(err error) (string, int) {
	var b bytes.Buffer
	a := &app{Stdio: Stdio{Err: &b}}
	status := a.fail(err)
	return b.String(), status
}

func TestFail_EveryCodeHasItsStatus(t *testing.T) {
	t.Parallel()
	// Typed again on purpose: scripts rely on them.
	want := map[errs.Code]int{
		errs.Invalid: 1, errs.NotFound: 3, errs.Ambiguous: 4, errs.Conflict: 4, errs.Stale: 4, errs.Forbidden: 5,
		errs.TooLarge: 1, errs.Unsupported: 1, errs.Busy: 1, errs.Timeout: 6, errs.Canceled: 1, errs.NoSpace: 1,
		errs.Damaged: 1, errs.Unavailable: 1, errs.Internal: 1, errs.NoDaemon: 7, errs.Usage: 2,
	}
	got := map[errs.Code]int{}
	for _, row := range api.Codes() {
		_, got[row.Code] = failing(fmt.Errorf("outer: %w", errs.New(row.Code, "no")))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFail_SaysItAll(t *testing.T) {
	t.Parallel()
	invalid := &errs.Error{
		Code: errs.Invalid, Message: "not valid: 2 problems\x1b[31m", Hint: "mend it",
		Problems: []errs.Problem{
			{File: "a.yaml", Line: 3, Column: 5, Path: "spec.kernel", Rule: "r", Message: "what is wrong"},
			{File: "a.yaml", Rule: "r", Message: "empty"},
		},
	}
	for name, tc := range map[string]struct {
		err    error
		text   string
		status int
	}{
		"nothing":  {nil, "", 0},
		"problems": {invalid, "ctl: not valid: 2 problems\\x1b[31m\na.yaml:3:5: spec.kernel: what is wrong\na.yaml: empty\nhint: mend it\n", 1},
		"wrapped": {fmt.Errorf("b: %w", invalid),
			"ctl: b: not valid: 2 problems\\x1b[31m\na.yaml:3:5: spec.kernel: what is wrong\na.yaml: empty\nhint: mend it\n", 1},
		"cause":      {errs.New(errs.NoSpace, "write x: %w", errors.New("disk full")), "ctl: write x: disk full\n", 1},
		"no code":    {errors.New("odd"), "ctl: odd\n", 1},
		"signal":     {fmt.Errorf("x: %w", context.Canceled), "ctl: interrupted\n", 1},
		"difference": {exitStatus(exitDiffers), "", 1},
		"trouble":    {trouble(invalid), "ctl: not valid: 2 problems\\x1b[31m\na.yaml:3:5: spec.kernel: what is wrong\na.yaml: empty\nhint: mend it\n", 2},
		"no trouble": {trouble(errs.New(errs.NotFound, "no")), "ctl: no\n", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, status := failing(tc.err)
			if diff := cmp.Diff(tc.text, text); diff != "" || status != tc.status {
				t.Errorf("status %d, want %d; (-want +got)\n%s", status, tc.status, diff)
			}
		})
	}
}
