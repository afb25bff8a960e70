package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"agentd/internal/api"
	"agentd/internal/errs"
)

// exitStatus is an outcome that has its own exit status and nothing to say, such as a difference that was found.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// ofOurs is a failure of a command whose exit status is that of a job.
type ofOurs struct{ error }

func (o ofOurs) Unwrap() error { return o.error }

// fail tells the person what went wrong and returns the exit status.
//
//	ctl: MESSAGE
//	FILE:LINE:COLUMN: PATH: MESSAGE        (each problem of a document)
//	hint: WHAT TO DO
func (a *app) fail(err error) int {
	if err == nil {
		return 0
	}
	if status, ok := errors.AsType[exitStatus](err); ok {
		return int(status)
	}
	if errors.Is(err, context.Canceled) && errs.CodeOf(err) == errs.Internal {
		err = errs.New(errs.Canceled, "interrupted")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "ctl: %s\n", printable(sentence(err)))
	if e, ok := errors.AsType[*errs.Error](err); ok {
		for _, p := range e.Problems {
			fmt.Fprintf(&b, "%s\n", printable(p.String()))
		}
		if e.Hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", printable(e.Hint))
		}
	}
	fmt.Fprint(a.Err, b.String()) //nolint:errcheck // there is nowhere left to say it
	if _, ok := errors.AsType[troubled](err); ok {
		return exitTrouble
	}
	if _, ok := errors.AsType[ofOurs](err); ok {
		return exitOurs
	}
	return api.Lookup(errs.CodeOf(err)).Exit
}

// sentence is the error on one line, without the list of problems that an [errs.Error] ends with.
func sentence(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*errs.Error](err); ok && len(e.Problems) > 0 {
		bare := *e
		bare.Problems = nil
		text = strings.Replace(text, e.Error(), bare.Error(), 1)
	}
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
}

// warn says something on standard error that stops nothing.
func (a *app) warn(text string) {
	fmt.Fprintf(a.Err, "warning: %s\n", printable(text)) //nolint:errcheck // it stops nothing
}

// note says something on standard error that is no warning.
func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.Err, printable(fmt.Sprintf(format, args...))) //nolint:errcheck // as for warnings
}

// warnings shows what is accepted but looks wrong.
func (a *app) warnings(problems []errs.Problem) {
	for _, p := range problems {
		a.warn(p.String())
	}
}
