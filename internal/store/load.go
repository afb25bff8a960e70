package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"agentd/internal/atomicfile"
	"agentd/internal/errs"
	"agentd/internal/layout"
)

// load reads the newest record of every template, finishes or undoes what a crash cut short, and goes on past
// whatever is damaged. An error means that the files could not be judged at all: no descriptors, no memory.
func (t *Templates) load() error {
	entries, err := os.ReadDir(t.store.state.Users())
	if err != nil {
		return failure(err, "list the owners of templates")
	}
	for _, e := range entries {
		uid, ok := layout.ParseUser(e.Name())
		if !ok {
			continue
		}
		if err := t.loadUser(uid); err != nil {
			return failure(err, "read the templates of uid %d", uid)
		}
	}
	return nil
}

// loadUser reads the templates of one owner.
func (t *Templates) loadUser(uid uint32) error {
	p := place{state: t.store.state, owner: uid}
	user := p.user()
	if ok, err := t.enter(p, string(user), layout.ModePassDir); !ok {
		return err
	}
	entries, err := t.list(p, user.Templates())
	if err != nil {
		return err
	}
	spans := make(map[string]span, len(entries))
	for _, e := range entries {
		if id, ok := layout.ParsePurged(e.Name()); ok && idShape.MatchString(id) {
			p.id = id
			if err := t.finishPurge(p); err != nil {
				t.store.log.Error("finish the removal of a template", "owner", uid, "template", id, "error", err)
			}
			continue
		}
		if !idShape.MatchString(e.Name()) {
			continue
		}
		p.id = e.Name()
		found, err := t.loadTemplate(p)
		if err != nil {
			return err
		}
		if found != (span{}) {
			spans[p.id] = found
		}
	}
	p.id = ""
	return t.sweepSecrets(p, spans)
}

// enter makes sure that a directory is one, with its mode; a thing in its place is set aside.
func (t *Templates) enter(p place, path string, mode fs.FileMode) (ok bool, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err == nil && !info.IsDir():
		t.store.setAside(p.damage(path, "it is in the place of a directory", ""))
		return false, nil
	case err == nil:
		err = atomicfile.EnsureMode(path, mode)
	}
	if reason, damaged := damageOf(err); damaged {
		t.store.report(p.damage(path, reason, "nothing in it is served"))
		return false, nil
	}
	return err == nil, err
}

// list lists one of the store's private directories; it is empty if it is not there or cannot be read.
func (t *Templates) list(p place, path string) ([]fs.DirEntry, error) {
	if ok, err := t.enter(p, path, layout.ModePrivateDir); !ok {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if reason, damaged := damageOf(err); damaged {
		t.store.report(p.damage(path, reason, "nothing in it is served"))
		return nil, nil
	}
	return entries, err
}

// span is the first and the last revision that a template has a record of.
type span struct {
	first, last int
}

// loadTemplate puts the newest sound revision of a template into the index.
func (t *Templates) loadTemplate(p place) (span, error) {
	entries, err := t.list(p, string(p.template()))
	if err != nil {
		return span{}, err
	}
	files := t.sort(string(p.template()), entries)
	if _, err := os.Lstat(string(p.template())); errors.Is(err, fs.ErrNotExist) {
		// There was something else in its place, which has been set aside.
		t.loseTemplate(p)
		return span{}, nil
	}
	if len(files.records) == 0 {
		t.undoCreate(p, files)
		return span{}, nil
	}
	s := span{files.records[0], files.records[len(files.records)-1]}
	if files.texts[s.last+1] {
		t.store.removeLeftover(p.at(s.last + 1).text())
	}
	for n := s.last; n > 0; n-- {
		if n < s.first && !files.texts[n] {
			break
		}
		body, err := t.loadRevision(p.at(n), files)
		switch {
		case err == nil:
			t.put(body.Revision)
			return s, nil
		case errs.Is(err, errs.Unsupported):
			// An older revision must not be served as the newest, and must not be built upon.
			t.store.report(p.at(n).damage(p.at(n).record(), err.Error(), "the template is left out"))
			return s, nil
		case !errs.Is(err, errs.Damaged) && !errs.Is(err, errs.NotFound):
			return s, err
		}
	}
	t.loseTemplate(p)
	return s, nil
}

// loadRevision reads a record, and heals what can be seen to be damaged without reading its text.
func (t *Templates) loadRevision(p place, files files) (revisionBody, error) {
	body, err := readRecord(p)
	if err != nil || !body.Deleted() && !files.texts[p.number] {
		return t.store.heal(p, nil)
	}
	return body, nil
}

// loseTemplate keeps the secrets of a template of which nothing is left out of the way of the sweep.
func (t *Templates) loseTemplate(p place) {
	if _, err := os.Lstat(p.secretsDir()); err == nil {
		const reason, outcome = "all revisions of their template are damaged", "the template is lost"
		t.store.setAside(p.damage(p.secretsDir(), reason, outcome))
	}
}

// undoCreate removes what a create that was never acknowledged has left. Anything more than that stays for a person.
func (t *Templates) undoCreate(p place, f files) {
	first := p.at(1)
	if len(f.texts) > 1 || len(f.texts) == 1 && !f.texts[1] {
		t.store.report(p.damage(string(p.template()), "it holds texts, but no record", "the template is left out"))
		return
	}
	if f.texts[1] {
		t.store.removeLeftover(first.text())
	}
	// A directory with anything else in it stays.
	if os.Remove(string(p.template())) == nil {
		t.store.log.Info("removed a leftover of an unfinished change", "file", string(p.template()))
	}
}

// files are those of a template: the numbers of its records, ascending, and which of its texts are regular files.
type files struct {
	records []int
	texts   map[int]bool
}

// sort tells the files of a directory apart, and removes the temporary ones.
func (t *Templates) sort(dir string, entries []fs.DirEntry) files {
	f := files{texts: make(map[int]bool)}
	for _, e := range entries {
		if target, ok := atomicfile.TempOf(e.Name()); ok && e.Type().IsRegular() && t.store.writes(target) {
			t.store.removeLeftover(filepath.Join(dir, e.Name()))
			continue
		}
		switch n, suffix, ok := layout.ParseRevision(e.Name()); {
		case ok && suffix == layout.RecordSuffix:
			f.records = append(f.records, n)
		case ok:
			f.texts[n] = e.Type().IsRegular()
		}
	}
	slices.Sort(f.records)
	return f
}

// sweepSecrets removes the secrets of revisions that are not: never acknowledged, pruned, or of a create that was
// undone.
func (t *Templates) sweepSecrets(p place, spans map[string]span) error {
	entries, err := t.list(p, p.user().Secrets())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if p.id = e.Name(); !idShape.MatchString(p.id) {
			continue
		}
		files, err := t.list(p, p.secretsDir())
		if err != nil {
			return err
		}
		t.sweepSecretsOf(p, spans[p.id], t.sort(p.secretsDir(), files).records)
	}
	return nil
}

// sweepSecretsOf removes those of one template, which has records of the revisions of s.
func (t *Templates) sweepSecretsOf(p place, s span, have []int) {
	if s == (span{}) {
		// Without a record there is either the rest of a create, whose directory is gone, or something for a person.
		_, err := os.Lstat(string(p.template()))
		if !errors.Is(err, fs.ErrNotExist) || len(have) > 1 || len(have) == 1 && have[0] != 1 {
			t.store.log.Warn("secrets of no template", "directory", p.secretsDir())
			return
		}
	}
	left := len(have)
	for _, n := range have {
		if n < s.first || n > s.last {
			t.store.removeLeftover(p.at(n).secrets())
			left--
		}
	}
	if left == 0 {
		os.Remove(p.secretsDir()) //nolint:errcheck // it stays if anything is in it
	}
}
