package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"strings"
	"time"

	"agentd/internal/atomicfile"
	"agentd/internal/template"
)

// witnesses are what can say something about a revision whose record is damaged, the best first. Each may be missing.
type witnesses struct {
	// memory is the revision as it was read when it was sound.
	memory *template.Revision
	// remains are what is readable of the damaged record, and raw are its bytes: either may lie.
	remains *template.Revision
	raw     []byte
	// before is the revision before it.
	before *template.Revision
}

// witnesses gathers what is known about a revision.
func (s *Store) witnesses(p place, known *template.Revision) witnesses {
	w := witnesses{memory: known}
	if raw, err := atomicfile.Read(p.record(), maxRecord); err == nil {
		w.raw, w.remains = raw, remains(raw, p)
	}
	w.before = s.before(p)
	return w
}

// before is the revision before that of p, rebuilt in memory if its own record is damaged too; nil if there is none.
func (s *Store) before(p place) *template.Revision {
	if p.number < 2 {
		return nil
	}
	p = p.at(p.number - 1)
	if body, err := readRecord(p); err == nil {
		return &body.Revision
	}
	text, err := atomicfile.Read(p.text(), template.MaxRequestBytes)
	if err != nil {
		return nil
	}
	body, outcome := s.witnesses(p, nil).revision(p, text)
	if outcome == "" {
		return nil
	}
	return &body.Revision
}

// remains reads a record without regard to its checksum; nil if it is not even of this place.
func remains(raw []byte, p place) *template.Revision {
	var env envelope
	var rev template.Revision
	if json.Unmarshal(raw, &env) != nil || json.Unmarshal(env.Body, &rev) != nil {
		return nil
	}
	if rev.ID != p.id || rev.Owner != p.owner || rev.Number != p.number || rev.Time.IsZero() || !knownCause(rev.Cause) {
		return nil
	}
	return &rev
}

// knownCause reports whether a cause is one that is ever written.
func knownCause(c template.Cause) bool {
	switch c {
	case template.CauseCreate, template.CauseUpdate, template.CauseDelete, template.CauseRestore:
		return true
	}
	return strings.HasPrefix(string(c), "rollback to ") || strings.HasPrefix(string(c), "copy of ")
}

// revision rebuilds a revision with that text; an empty outcome means that nothing vouches for the text.
func (w witnesses) revision(p place, text []byte) (body revisionBody, outcome string) {
	sum := textSum(text)
	doc, err := template.ParseOne("", text)
	switch {
	case w.memory != nil && w.memory.SHA256 != sum:
		return body, ""
	case w.memory != nil || bytes.Contains(w.raw, []byte(sum)):
		outcome = "it was rebuilt from the plain text"
	case err == nil:
		outcome = "it was rebuilt from the plain text, which is a sound document but could not be verified"
	default:
		return body, ""
	}
	rev := w.base(p, p.text())
	if rev.Deleted() {
		rev.Cause = template.CauseUpdate
	}
	if err == nil {
		t := doc.Template
		rev.Name, rev.Tag, rev.Type = t.Metadata.Name, t.Metadata.Tag, t.Spec.Type
		rev.Image, rev.Architecture = t.Spec.Kernel.Image, t.Spec.Kernel.Architecture
		rev.Description, rev.Labels = t.Extension.Description, t.Extension.Labels
	}
	_, err = os.Lstat(p.secrets())
	rev.HasSecrets = err == nil || bytes.Contains(text, []byte(template.Marker))
	return newBody(rev, text), outcome
}

// deletion rebuilds a deletion; an empty outcome means that it cannot have been one.
func (w witnesses) deletion(p place) (body revisionBody, outcome string) {
	switch {
	case w.memory != nil && !w.memory.Deleted():
		return body, ""
	case w.memory == nil && w.before == nil && (w.remains == nil || !w.remains.Deleted()):
		return body, ""
	}
	rev := w.base(p, p.record())
	rev.Cause, rev.HasSecrets = template.CauseDelete, false
	return newBody(rev, nil), "it was rebuilt as the deletion that it was, since it has no text"
}

// base is the best account of a revision: the place is certain, the rest is as good as its witness. file gives the
// time if nothing else does.
func (w witnesses) base(p place, file string) template.Revision {
	best := cmp.Or(w.memory, w.remains)
	if best == nil {
		best = &template.Revision{Name: p.id, Author: p.owner, Cause: template.CauseUpdate}
		if w.before != nil {
			*best = *w.before
			best.Cause = template.CauseUpdate
		}
		if p.number == 1 {
			best.Cause = template.CauseCreate
		}
		best.Time = modTime(file)
	}
	rev := *best
	rev.ID, rev.Owner, rev.Number = p.id, p.owner, p.number
	if w.before != nil {
		rev.Created = w.before.Created
	}
	if rev.Created.IsZero() {
		rev.Created = rev.Time
	}
	return rev
}

// modTime is the time of the last change of a file, the epoch if it is gone.
func modTime(path string) time.Time {
	info, err := os.Lstat(path)
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return info.ModTime().UTC()
}
