package auditlog

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"agentd/internal/api"
	"agentd/internal/layout"
)

// maxLine bounds a line that is read; entries are far below.
const maxLine = 64 << 10

// Query selects entries; zero fields select all.
type Query struct {
	Since time.Time
	// Of selects what concerns a user: what he did, and what others did with what is his. Nil is everybody.
	Of *uint32
	// By selects who did it.
	By *uint32
	// Session and Template are an id, a name, or what the caller called it.
	Session, Template string
	// Limit is how many of the newest; it is required.
	Limit int
}

// Read returns the newest entries that q selects, oldest first. A line that is none is passed over.
func (l *Log) Read(q Query) ([]api.AuditEntry, error) {
	names, err := os.ReadDir(string(l.dir))
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the directory
	}
	var found []api.AuditEntry
	for _, name := range names {
		uid, ok := layout.ParseAudit(name.Name())
		if !ok || q.By != nil && *q.By != uid {
			continue
		}
		if found, err = q.file(l.dir.File(name.Name()), found); err != nil {
			return nil, err
		}
		if len(found) > 2*q.Limit {
			found = q.newest(found)
		}
	}
	return q.newest(found), nil
}

// newest sorts by time and leaves as many as are wanted.
func (q Query) newest(list []api.AuditEntry) []api.AuditEntry {
	slices.SortStableFunc(list, func(a, b api.AuditEntry) int { return a.Time.Compare(b.Time) })
	return list[max(0, len(list)-q.Limit):]
}

// file adds what a file has. One that was put away meanwhile is found under its other name.
func (q Query) file(path string, found []api.AuditEntry) ([]api.AuditEntry, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, err //nolint:wrapcheck // it names the file
	}
	defer f.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e api.AuditEntry
		if json.Unmarshal(lines.Bytes(), &e) == nil && q.selects(e) {
			found = append(found, e)
		}
	}
	if err := lines.Err(); !errors.Is(err, bufio.ErrTooLong) {
		return found, err //nolint:wrapcheck // it names the file
	}
	return found, nil
}

func (q Query) selects(e api.AuditEntry) bool {
	switch {
	case e.Action == "" || e.Time.Before(q.Since):
		return false
	case q.Of != nil && e.UID != *q.Of && (e.Owner == nil || *e.Owner != *q.Of):
		return false
	case !means(q.Session, e.Session, e.SessionName, e.Ref, e.Template):
		return false
	case !means(q.Template, e.Template, e.TemplateName, e.Ref, e.Session):
		return false
	}
	return q.By == nil || e.UID == *q.By
}

// means reports whether a thing with that id and name, or what the caller called so, is the one that is wanted. An entry
// about something else, which has an id of its own, called that so.
func means(want, id, name, ref, other string) bool {
	return want == "" || want == id || want == name || want == ref && other == ""
}
