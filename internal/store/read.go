package store

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"agentd/internal/atomicfile"
	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/template"
)

// Text returns the text of a revision as it was written. Both its files are checked at each reading, and a damaged
// one is healed from the other. The error is not_found for a revision that is no longer or never was, or that is a
// deletion; damaged if both files are.
func (t *Templates) Text(uid uint32, id string, number int) ([]byte, error) {
	p, err := t.find(uid, id, number)
	if err != nil {
		return nil, err
	}
	body, err := t.revision(p)
	if err != nil {
		return nil, err
	}
	if body.Deleted() {
		return nil, errs.New(errs.NotFound, "revision %d of template %s is its deletion: it has no text", number, id)
	}
	return body.text(), nil
}

// find returns the place of a revision of a template that is there.
func (t *Templates) find(uid uint32, id string, number int) (place, error) {
	h, ok := t.head(uid, id)
	switch {
	case !ok:
		return place{}, errs.New(errs.NotFound, "no template %q", id)
	case number < 1 || number > h.rev.Number:
		return place{}, errs.New(errs.NotFound, "template %s has no revision %d: the newest is %d",
			id, number, h.rev.Number)
	}
	return place{t.store.state, uid, id, number}, nil
}

// revision reads a revision and checks both its files, without a lock as long as all is well.
func (t *Templates) revision(p place) (revisionBody, error) {
	if body, err := readSound(p); err == nil {
		return body, nil
	}
	o := t.owner(p.owner)
	o.changing.Lock()
	defer o.changing.Unlock()
	// What looked like damage may have been a change under way.
	if _, err := t.find(p.owner, p.id, p.number); err != nil {
		return revisionBody{}, err
	}
	var known *template.Revision
	h, _ := t.head(p.owner, p.id)
	if h.rev.Number == p.number {
		known = &h.rev
	}
	body, err := t.store.heal(p, known)
	if known != nil && errs.Is(err, errs.Damaged) {
		// The newest revision is lost: from now on the one before it is served, as after a restart.
		t.drop(p.owner, p.id)
		if _, again := t.loadTemplate(p); again != nil {
			err = errors.Join(err, again)
		}
	}
	return body, err
}

// readSound reads a revision of which nothing is damaged.
func readSound(p place) (revisionBody, error) {
	body, err := readRecord(p)
	if err != nil || body.Deleted() {
		return body, err
	}
	return body, checkText(p, &body)
}

// readRecord reads the record of a revision.
func readRecord(p place) (revisionBody, error) {
	data, err := atomicfile.Read(p.record(), maxRecord)
	if err != nil {
		return revisionBody{}, err
	}
	return decodeRevision(data, p)
}

// checkText compares the plain text of a revision with its record.
func checkText(p place, body *revisionBody) error {
	text, err := atomicfile.Read(p.text(), maxRecord)
	if err != nil {
		return err
	}
	if textSum(text) != body.SHA256 {
		return damagedf("it is not the text that was stored: %d bytes with another checksum, not %d",
			len(text), body.Size)
	}
	return nil
}

// Revisions returns all revisions of a template that are kept, newest first, read from disk. One that is damaged
// beyond healing is left out; the others are returned.
func (t *Templates) Revisions(uid uint32, id string) ([]template.Revision, error) {
	h, ok := t.head(uid, id)
	if !ok {
		return nil, errs.New(errs.NotFound, "no template %q", id)
	}
	p := place{state: t.store.state, owner: uid, id: id}
	numbers, err := kept(p, h.rev.Number)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "template %q is being purged", id)
	}
	if err != nil {
		return nil, failure(err, "list the revisions of template %s", id)
	}
	revs := make([]template.Revision, 0, len(numbers))
	for _, n := range slices.Backward(numbers) {
		body, err := t.revision(p.at(n))
		switch {
		case err == nil:
			revs = append(revs, body.Revision)
		case errs.Is(err, errs.Damaged) || errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unsupported):
		default:
			return nil, err
		}
	}
	return revs, nil
}

// kept lists the numbers of the revisions that have a file, ascending, up to the newest.
func kept(p place, newest int) ([]int, error) {
	entries, err := os.ReadDir(string(p.template()))
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, e := range entries {
		if n, _, ok := layout.ParseRevision(e.Name()); ok && n <= newest {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

// Secrets returns the literals that are kept apart from the text of a revision, nil if there are none. The error is
// damaged if they were damaged: there is no second copy of a secret.
func (t *Templates) Secrets(uid uint32, id string, number int) (template.Secrets, error) {
	p, err := t.find(uid, id, number)
	if err != nil {
		return nil, err
	}
	body, err := t.revision(p)
	if err != nil || !body.HasSecrets {
		return nil, err
	}
	o := t.owner(uid)
	o.changing.Lock()
	defer o.changing.Unlock()
	data, err := atomicfile.Read(p.secrets(), maxRecord)
	var found secretsBody
	if err == nil {
		found, err = decodeRecord[secretsBody](kindSecrets, data)
	}
	if err == nil {
		err = found.check(p)
	}
	if err == nil {
		return found.Secrets, nil
	}
	return nil, t.secretsLost(p, err)
}

// secretsLost sets damaged secrets aside and says what to do.
func (t *Templates) secretsLost(p place, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = damagedf("the file is missing")
	} else if reason, damaged := damageOf(err); damaged {
		t.store.setAside(p.damage(p.secrets(), reason, "the secrets of this revision must be given again"))
	} else if newer, ok := errors.AsType[*NewerSchemaError](err); ok {
		return unsupported(p, newer)
	} else {
		return failure(err, "read the secrets of template %s", p.id)
	}
	return errs.New(errs.Damaged, "the secrets of revision %d of template %s are lost: %w", p.number, p.id, err).
		WithHint("update the template with a document that holds the secrets themselves")
}

// unsupported refuses a record from the future.
func unsupported(p place, err error) error {
	return errs.New(errs.Unsupported, "revision %d of template %s: %w", p.number, p.id, err).
		WithHint("a newer agentd wrote it: run that one")
}
