// Package helper does what has to be done for a caller outside the container: in a killable child process that is the
// caller, with his rights and no others, bounded in memory, file size and time.
//
// The child is this very program, started again: the program's main calls [Main] with its table of operations when
// [Wanted] says so, before it does anything else. The parent starts a [Session], asks for operations one after another
// and closes it. Requests, secrets, answers and file descriptors go through one socket that only the two hold; nothing
// goes through arguments or the environment. A canceled operation ends the child and its whole process group at once:
// what it had begun is left to the caller of [Session.Do], who starts another session to clean up ([Session.Remove]).
package helper

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"agentd/internal/errs"
)

// Argument is the program's first argument in a child.
const Argument = "helper"

// Wanted reports whether args, which is os.Args, asks for [Main].
func Wanted(args []string) bool { return len(args) == 2 && args[1] == Argument }

// Operation is one thing that a child can do. It runs in the child; its result goes back as JSON. An error that is, or
// wraps, an *errs.Error arrives whole at the parent.
type Operation func(ctx context.Context, c *Call) (result any, err error)

// Table names the operations of a program. Those of [Files] are in every table.
type Table map[string]Operation

// Call is one request, seen from the operation that serves it.
type Call struct {
	body    json.RawMessage
	files   []*os.File
	conn    *conn
	sending []*os.File
}

// Decode stores the request in v; an unknown field is an error, since parent and child are one program.
func (c *Call) Decode(v any) error {
	if err := decodeStrict(c.body, v); err != nil {
		return errs.New(errs.Internal, "request of the helper: %w", err)
	}
	return nil
}

// Files are the descriptors that came with the request; they are closed when the operation ends.
func (c *Call) Files() []*os.File { return c.files }

// Emit sends an event, such as progress, ahead of the result.
func (c *Call) Emit(event any) error {
	body, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("event of the helper: %w", err)
	}
	return c.conn.send(message{Event: body}, nil)
}

// Attach sends f with the result and closes it then.
func (c *Call) Attach(f *os.File) { c.sending = append(c.sending, f) }
