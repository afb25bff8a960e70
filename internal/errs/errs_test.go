package errs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"agentd/internal/errs"
)

func ExampleNew() {
	err := errs.New(errs.NotFound, "no template %q", "train").WithHint("ctl sesstpl list shows what there is")
	fmt.Println(err)
	fmt.Println(errs.CodeOf(fmt.Errorf("launch: %w", err)))
	// Output:
	// no template "train"
	// not_found
}

func TestNew_KeepsTheCause(t *testing.T) {
	t.Parallel()
	err := errs.New(errs.NoSpace, "write %s: %w", "record.json", fs.ErrPermission)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v has lost its cause", err)
	}
	if got, want := err.Error(), "write record.json: permission denied"; got != want {
		t.Errorf("text is %q, want %q: the cause once", got, want)
	}
}

func TestNew_KeepsSeveralCauses(t *testing.T) {
	t.Parallel()
	err := errs.New(errs.Internal, "%w, and then %w", fs.ErrPermission, fs.ErrClosed)
	if !errors.Is(err, fs.ErrPermission) || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("%v has lost a cause", err)
	}
}

func TestCodeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want errs.Code
	}{
		{nil, ""},
		{errors.New("plain"), errs.Internal},
		{errs.New(errs.Busy, "x"), errs.Busy},
		{fmt.Errorf("outer: %w", errs.New(errs.Busy, "x")), errs.Busy},
		{errs.New(errs.Timeout, "outer: %w", errs.New(errs.Busy, "x")), errs.Timeout},
	} {
		if got := errs.CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestWithHint_LeavesTheOriginal(t *testing.T) {
	t.Parallel()
	first := errs.New(errs.Busy, "x")
	second := first.WithHint("wait %d s", 3)
	if first.Hint != "" || second.Hint != "wait 3 s" {
		t.Errorf("hints are %q and %q, want none and one", first.Hint, second.Hint)
	}
}

func TestProblem_String(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    errs.Problem
		want string
	}{
		{errs.Problem{Message: "m"}, "m"},
		{errs.Problem{Path: "a.b", Message: "m"}, "a.b: m"},
		{errs.Problem{File: "f", Message: "m"}, "f: m"},
		{errs.Problem{File: "f", Line: 3, Column: 4, Path: "a", Message: "m"}, "f:3:4: a: m"},
		{errs.Problem{Line: 3, Column: 4, Message: "m"}, "3:4: m"},
	} {
		if got := c.p.String(); got != c.want {
			t.Errorf("%+v is %q, want %q", c.p, got, c.want)
		}
	}
}
