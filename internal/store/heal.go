package store

import (
	"errors"
	"io/fs"

	"agentd/internal/atomicfile"
	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/template"
)

// heal reads a revision, sets aside what is damaged of it and rebuilds it from its twin. known is the revision as far
// as memory has it, nil if it does not. The caller holds the owner's lock. The error is damaged if both files are,
// not_found if there is neither, unsupported if the record is from a newer agentd.
func (s *Store) heal(p place, known *template.Revision) (revisionBody, error) {
	body, err := readRecord(p)
	if err == nil {
		return body, s.healText(p, &body)
	}
	if newer, ok := errors.AsType[*NewerSchemaError](err); ok {
		return revisionBody{}, unsupported(p, newer)
	}
	missing := errors.Is(err, fs.ErrNotExist)
	reason, damaged := damageOf(err)
	if !missing && !damaged {
		return revisionBody{}, failure(err, "read revision %d of template %s", p.number, p.id)
	}
	if missing {
		reason = "it is missing"
	}
	return s.healRecord(p, known, missing, reason)
}

// healText makes the plain text of a revision what its record says. The text is served from the record whether that
// works or not.
func (s *Store) healText(p place, body *revisionBody) error {
	if body.Deleted() {
		return nil
	}
	err := checkText(p, body)
	if err == nil {
		return nil
	}
	missing := errors.Is(err, fs.ErrNotExist)
	reason, damaged := damageOf(err)
	if !missing && !damaged {
		return failure(err, "read the text of revision %d of template %s", p.number, p.id)
	}
	if missing {
		reason = "it is missing"
	}
	s.rewrite(p.damage(p.text(), reason, "it was written again from the record"), missing, body.text())
	return nil
}

// rewrite puts good content where a file is damaged or missing.
func (s *Store) rewrite(d Damage, missing bool, good []byte) {
	if !missing {
		if err := s.replace(d, good); err != nil {
			d.Outcome = "it is served from its twin, but could not be healed: " + err.Error()
			s.report(d)
		}
		return
	}
	if err := atomicfile.Write(d.File, good, layout.ModePrivate); err != nil {
		d.Outcome = "it is served from its twin, but could not be healed: " + err.Error()
	}
	s.report(d)
}

// healRecord rebuilds the record of a revision from its plain text.
func (s *Store) healRecord(p place, known *template.Revision, missing bool, reason string) (revisionBody, error) {
	text, err := atomicfile.Read(p.text(), template.MaxRequestBytes)
	noText := errors.Is(err, fs.ErrNotExist)
	if _, damaged := damageOf(err); err != nil && !noText && !damaged {
		return revisionBody{}, failure(err, "read the text of revision %d of template %s", p.number, p.id)
	}
	if noText && missing {
		return revisionBody{}, errs.New(errs.NotFound, "revision %d of template %s is no longer kept", p.number, p.id)
	}
	w := s.witnesses(p, known)
	var body revisionBody
	var outcome string
	switch {
	case noText:
		// Every other revision has a text: this one was a deletion.
		body, outcome = w.deletion(p)
	case err == nil:
		body, outcome = w.revision(p, text)
	}
	if outcome == "" {
		return revisionBody{}, s.lost(p, missing, noText, reason)
	}
	record, err := encodeRecord(kindRevision, body)
	if err != nil {
		return revisionBody{}, err
	}
	s.rewrite(p.damage(p.record(), reason, outcome), missing, record)
	return body, nil
}

// lost sets aside what is left of a revision that cannot be rebuilt.
func (s *Store) lost(p place, missing, noText bool, reason string) error {
	const outcome = "its twin is no better: the revision is lost, an older one is served if there is one"
	if !missing {
		s.setAside(p.damage(p.record(), reason, outcome))
	}
	if !noText {
		s.setAside(p.damage(p.text(), "it cannot be verified, and its record is damaged", outcome))
	}
	return errs.New(errs.Damaged, "revision %d of template %s is damaged: %s", p.number, p.id, reason).
		WithHint("what is left of it is in %s, each file with its reason beside it", s.state.Quarantine())
}
