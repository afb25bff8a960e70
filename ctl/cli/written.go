package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"agentd/internal/api"
)

// writtenOutput is what commands that change templates print with -o json.
type writtenOutput struct {
	SchemaVersion int           `json:"schema_version"`
	Written       []api.Written `json:"written"`
}

// addWrittenOutput gives a command that changes templates its flag -o.
func addWrittenOutput(cmd *cobra.Command) *format {
	return addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
}

// written tells what was done. It is called once for all, so that JSON is one value.
func (a *app) written(f *format, done []api.Written) error {
	for _, w := range done {
		a.warnings(w.Warnings)
	}
	switch {
	case a.quiet:
		return a.lines(each(done, func(w api.Written) string { return w.Template.ID }))
	case f.value == formatName:
		return a.lines(each(done, func(w api.Written) string { return w.Template.Name }))
	case f.value == formatTable:
		t := table{header: []column{
			{title: "ACTION"}, {title: "ID"}, {title: "NAME", shrinks: true}, {title: "REVISION"},
		}}
		for _, w := range done {
			t.add(w.Action, w.Template.ID, w.Template.Name, strconv.Itoa(w.Template.Revision))
		}
		return a.table(&t)
	case f.value == formatText:
		return a.lines(each(done, message))
	}
	if done == nil {
		done = []api.Written{}
	}
	return a.data(f.value, writtenOutput{SchemaVersion: api.SchemaVersion, Written: done})
}

// message is the one line that a person reads.
func message(w api.Written) string {
	t := w.Template
	subject := fmt.Sprintf("%s (%s)", t.Name, t.ID)
	switch w.Action {
	case api.ActionRolledBack:
		return fmt.Sprintf("rolled back %s, now revision %d", subject, t.Revision)
	case api.ActionDeleted:
		return fmt.Sprintf("deleted %s; to get it back: ctl sesstpl restore %s", subject, t.ID)
	case api.ActionPurged:
		return "purged " + subject
	}
	return fmt.Sprintf("%s %s, revision %d", w.Action, subject, t.Revision)
}

// each applies f to each of list.
func each[T any](list []T, f func(T) string) []string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = f(v)
	}
	return texts
}

// finish tells what was done before err, then hands err on.
func (a *app) finish(f *format, done []api.Written, err error) error {
	if err != nil && len(done) == 0 {
		return err
	}
	if printErr := a.written(f, done); printErr != nil && err == nil {
		return printErr
	}
	return err
}
