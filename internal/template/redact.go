package template

import (
	"maps"

	"agentd/internal/errs"
)

// pathPassword is the one field that may hold a literal secret, as [Secrets] name it.
const pathPassword = "spec.kernel.git.credential.password"

// Kept returns the paths of the secrets that the document holds as [Marker]: their literals are kept apart.
func (d Document) Kept() []string {
	if g := d.Template.Spec.Kernel.Git; g == nil || g.Credential == nil || g.Credential.Password != Marker {
		return nil
	}
	return []string{pathPassword}
}

// Redact returns the text with [Marker] in the place of every literal secret, and those literals as they were written,
// quotes included. Nothing else of the text changes, be it the same word elsewhere.
func (d Document) Redact() (text []byte, secrets Secrets, err error) {
	g := d.Template.Spec.Kernel.Git
	if g == nil || g.Credential == nil || len(d.Kept()) > 0 {
		return d.Text, nil, nil
	}
	if _, isReference, err := ParseReference(g.Credential.Password); isReference || err != nil {
		return d.Text, nil, err
	}
	e, err := edit(d.Text)
	if err != nil {
		return nil, nil, err
	}
	n := e.find(pathPassword)
	if n == nil {
		return nil, nil, errs.New(errs.Internal, "redact %s: not found in the text again", pathPassword)
	}
	text, literal, ok := e.replace(n, Marker, e.quoted(n, Marker)...)
	if !ok {
		return nil, nil, e.notInPlace(n, pathPassword, "a literal password is kept apart from the text, so it must stand on "+
			"one line: without an anchor, an alias, a tag or a block; or write ${env:NAME} or ${file:PATH}")
	}
	return text, Secrets{pathPassword: literal}, nil
}

// notInPlace is the problem with a value that cannot be changed where it stands.
func (e *edited) notInPlace(n *node, path, message string) error {
	e.problem(n.off, path, "not-on-one-line", "%s", message)
	return e.err()
}

// Reveal is the inverse of Redact: the text, byte for byte, as it was. Secrets whose marker the text does not have are left
// out, and so are markers for which there is no secret.
func Reveal(text []byte, secrets Secrets) ([]byte, error) {
	if len(secrets) == 0 {
		return text, nil
	}
	for path := range maps.Keys(secrets) {
		var err error
		if text, err = reveal(text, path, secrets[path]); err != nil {
			return nil, err
		}
	}
	return text, nil
}

func reveal(text []byte, path, literal string) ([]byte, error) {
	e, err := edit(text)
	if err != nil {
		return nil, err
	}
	n := e.find(path)
	if n == nil || n.kind != scalar || n.text != Marker {
		return text, nil
	}
	value, ok := unquoted(literal)
	if !ok {
		return nil, errs.New(errs.Damaged, "the secret kept for %s cannot be read", path)
	}
	// The author may have written the marker into another style of text than the literal came from.
	revealed, _, ok := e.replace(n, value, literal, doubleQuoted(value))
	if !ok {
		return nil, e.notInPlace(n, path, "the marker of a kept secret must stand on one line")
	}
	return revealed, nil
}
