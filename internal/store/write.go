package store

import (
	"errors"
	"os"
	"path/filepath"

	"agentd/internal/atomicfile"
	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/template"
)

// Write makes a revision durable, with its text and its secrets, or changes nothing at all: what makes it be is the
// rename of its record, which comes last. Size and SHA256 are set from the text; a deletion has none. The error is
// stale if the number is not the one after the newest, conflict if another living template of the owner has the name,
// no_space, too_large, or internal.
func (t *Templates) Write(rev template.Revision, text []byte, secrets template.Secrets) error {
	o := t.owner(rev.Owner)
	o.changing.Lock()
	defer o.changing.Unlock()
	if err := t.mayWrite(rev, text, secrets); err != nil {
		return err
	}
	body := newBody(rev, text)
	p := place{t.store.state, rev.Owner, rev.ID, rev.Number}
	write := func() error { return t.writeFiles(o, p, body, secrets) }
	var err error
	if rev.Deleted() {
		err = t.store.ballast.spend(write)
	} else {
		err = write()
	}
	if err != nil {
		return err
	}
	t.put(body.Revision)
	return nil
}

// mayWrite checks a revision against what is there.
func (t *Templates) mayWrite(rev template.Revision, text []byte, secrets template.Secrets) error {
	if !idShape.MatchString(rev.ID) {
		return errs.New(errs.Internal, "write a template: %q is no id", rev.ID)
	}
	if rev.Deleted() && len(text)+len(secrets) > 0 {
		return errs.New(errs.Internal, "write template %s: a deletion has no text", rev.ID)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err, doubtful := t.doubtful[rev.ID]; doubtful {
		return doubtError(rev.ID, err)
	}
	x, newest := t.owners[rev.Owner].index, 0
	if h, ok := x.heads[rev.ID]; ok {
		newest = h.rev.Number
	}
	if rev.Number != newest+1 {
		return errs.New(errs.Stale, "template %s is at revision %d, so its next one cannot be %d",
			rev.ID, newest, rev.Number).WithHint("make the change again from the newest revision")
	}
	if rev.Deleted() {
		return nil
	}
	if other, taken := x.byName(rev.Name); taken && other.rev.ID != rev.ID {
		return errs.New(errs.Conflict, "template name %q is taken by %s", rev.Name, other.rev.ID)
	}
	return nil
}

// writeFiles writes secrets, text and record, in this order. After a failure before the record, what was written is
// removed; a crash there leaves it for the next start to sweep.
func (t *Templates) writeFiles(o *owner, p place, body revisionBody, secrets template.Secrets) error {
	record, err := encodeRecord(kindRevision, body)
	if err != nil {
		return err
	}
	if err := t.prepare(o, p); err != nil {
		return t.undo(p, failure(err, "write template %s: make its directory", p.id))
	}
	if len(secrets) > 0 {
		if err := writeSecrets(p, secrets); err != nil {
			return t.undo(p, failure(err, "write the secrets of template %s", p.id))
		}
	}
	if !body.Deleted() {
		if err := atomicfile.Write(p.text(), body.text(), layout.ModePrivate); err != nil {
			return t.undo(p, failure(err, "write the text of template %s", p.id))
		}
	}
	err = atomicfile.Write(p.record(), record, layout.ModePrivate)
	if errors.Is(err, atomicfile.ErrInDoubt) {
		// The record is there, and may be gone after a power loss. Neither to undo it nor to build on it is safe.
		t.mu.Lock()
		t.doubtful[p.id] = err
		t.mu.Unlock()
		return doubtError(p.id, err)
	}
	if err != nil {
		return t.undo(p, failure(err, "write the record of template %s", p.id))
	}
	return nil
}

// prepare makes the directories of a template. Those of its owner are synced once in the life of the process: an
// agentd that was killed may have made them and not come to it.
func (t *Templates) prepare(o *owner, p place) error {
	user := p.user()
	if !o.durable {
		if err := atomicfile.MkdirAll(string(user), layout.ModePassDir); err != nil {
			return err
		}
		for _, dir := range []string{user.Templates(), user.Secrets()} {
			if err := atomicfile.MkdirAll(dir, layout.ModePrivateDir); err != nil {
				return err
			}
		}
		if err := errors.Join(atomicfile.SyncDir(p.state.Users()), atomicfile.SyncDir(string(user))); err != nil {
			return err
		}
		o.durable = true
	}
	return atomicfile.MkdirAll(string(p.template()), layout.ModePrivateDir)
}

// writeSecrets writes the secrets of a revision.
func writeSecrets(p place, secrets template.Secrets) error {
	data, err := encodeRecord(kindSecrets, secretsBody{ID: p.id, Owner: p.owner, Number: p.number, Secrets: secrets})
	if err != nil {
		return err
	}
	if err := atomicfile.MkdirAll(p.secretsDir(), layout.ModePrivateDir); err != nil {
		return err
	}
	return atomicfile.Write(p.secrets(), data, layout.ModePrivate)
}

// undo removes what a change that failed has left behind, and returns why it failed. What it cannot remove is swept at
// the next start, and is in nobody's way until then.
func (t *Templates) undo(p place, cause error) error {
	files := []string{p.text(), p.secrets()}
	if _, exists := t.head(p.owner, p.id); !exists {
		files = append(files, string(p.template()), p.secretsDir())
	}
	for _, file := range files {
		// A file of an older revision makes the directory stay, as it must.
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			t.store.log.Debug("undo a change that failed", "file", filepath.Base(file), "template", p.id, "error", err)
		}
	}
	return cause
}
