// Package errs is the one error type of agentd: a stable code, a sentence for a person, what to do about it, and the cause.
package errs

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of failure an [Error] is. Codes are part of the API: they are stable, and package api has the one
// table that gives each its HTTP status and its exit status.
type Code string

// The codes. NoDaemon and Usage never cross the wire: only ctl raises them.
const (
	// Invalid: the input breaks a rule; Problems lists every one.
	Invalid Code = "invalid"
	// NotFound: no such thing, or none that this caller may see; the two are told apart by nobody.
	NotFound Code = "not_found"
	// Ambiguous: a prefix fits several things.
	Ambiguous Code = "ambiguous"
	// Conflict: the thing exists already, or is not in the state that this needs.
	Conflict Code = "conflict"
	// Stale: somebody else changed it first; made from another revision than the newest.
	Stale Code = "stale"
	// Forbidden: the caller may see it, but may not do this.
	Forbidden Code = "forbidden"
	// TooLarge: a request or document over its limit.
	TooLarge Code = "too_large"
	// Unsupported: a valid wish that this agent cannot fulfil.
	Unsupported Code = "unsupported"
	// Busy: over a quota or a rate; try again later.
	Busy Code = "busy"
	// Timeout: a bound on waiting was reached.
	Timeout Code = "timeout"
	// Canceled: the caller went away or asked for it.
	Canceled Code = "canceled"
	// NoSpace: a disk or a quota of the filesystem is full.
	NoSpace Code = "no_space"
	// Damaged: a file of ours failed its checksum and was set aside.
	Damaged Code = "damaged"
	// Unavailable: something that we depend on does not answer (engine, registry, git host).
	Unavailable Code = "unavailable"
	// Internal: a fault of ours; the details are in the daemon's log.
	Internal Code = "internal"
	// NoDaemon: ctl found no agentd to talk to.
	NoDaemon Code = "no_daemon"
	// Usage: ctl was called wrongly.
	Usage Code = "usage"
)

// Error is every error that a person or a program gets to see.
type Error struct {
	// Code is required.
	Code Code
	// Message names the thing, the step and the cause: lower case, one line, no full stop.
	Message string
	// Hint says what to do, as a command or an imperative; optional.
	Hint string
	// Problems lists what is wrong with a document, in the order of the file; only with Invalid.
	Problems []Problem
	// Err is the cause; optional, shown after the message.
	Err error
}

// Error is the message and its cause on one line, without the hint; the problems follow, a line each.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Err != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithHint returns a copy that says what to do.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// New makes an error; the arguments are those of fmt.Errorf, and a %w among them becomes the cause.
func New(code Code, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	switch wrapped.(type) { //nolint:errorlint // whether this very error wraps another is the question
	case interface{ Unwrap() error }, interface{ Unwrap() []error }:
		// The cause is already part of the sentence: it is kept for errors.As and not printed twice.
		return &Error{Code: code, Err: wrapped}
	}
	return &Error{Code: code, Message: wrapped.Error()}
}

// CodeOf returns the code of the outermost [Error] in err's chain, Internal for an error without one, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Is reports whether err's code is code.
func Is(err error, code Code) bool { return CodeOf(err) == code }
