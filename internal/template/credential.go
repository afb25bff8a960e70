package template

import (
	"strings"

	"agentd/internal/errs"
)

// Marker stands in a stored text in the place of a literal secret, which is kept apart.
const Marker = "${agentd:kept}"

// Where the value of a [Reference] is.
const (
	// FromEnv is an environment variable of the caller.
	FromEnv = "env"
	// FromFile is a file of the caller: an absolute path, or one that begins with ~/.
	FromFile = "file"
	// FromCredential is a credential of systemd's, by its name: a file in $CREDENTIALS_DIRECTORY (systemd.exec(5)).
	FromCredential = "credential"
)

// Reference says where a part of a credential is; it is looked up at submission, as the caller.
type Reference struct {
	// Source is [FromEnv], [FromFile] or [FromCredential].
	Source string
	// Name is that of the variable, or the path.
	Name string
}

// ParseReference reads ${env:NAME}, ${file:PATH} and ${credential:NAME}. ok is false for a literal, [Marker] included.
func ParseReference(s string) (ref Reference, ok bool, err error) {
	inner, begins := strings.CutPrefix(s, "${")
	inner, ends := strings.CutSuffix(inner, "}")
	if !begins || !ends || s == Marker {
		return Reference{}, false, nil
	}
	source, name, _ := strings.Cut(inner, ":")
	switch {
	case source == FromEnv && isWord(name):
	case source == FromFile && !strings.ContainsFunc(name, isControl) &&
		(strings.HasPrefix(name, "/") || strings.HasPrefix(name, "~/")):
	case source == FromCredential && isCredentialName(name):
	default:
		return Reference{}, false, errs.New(errs.Invalid,
			"%s is neither a literal nor a reference: wants ${env:NAME}, ${credential:NAME}, "+
				"or ${file:PATH} with a path from / or ~/", short(s))
	}
	return Reference{Source: source, Name: name}, true, nil
}

// isCredentialName reports whether systemd takes it as a credential's name: that of a file, without a path.
func isCredentialName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 255 && !strings.ContainsAny(s, "/:") &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (o *object) credential() *Credential {
	if o == nil {
		return nil
	}
	c := &Credential{}
	var m member
	if m, c.Username = o.required("username", "a user name, or ${env:NAME}, ${file:PATH}"); c.Username != "" {
		_, _, err := ParseReference(c.Username)
		if c.Username == Marker {
			err = invalid("%s stands for a password only", Marker)
		}
		o.refuse(m.value.off, m.path, "credential-reference", err)
	}
	if m, c.Password = o.required("password", "a password or token, or ${env:NAME}, ${file:PATH}"); c.Password != "" {
		if _, _, err := ParseReference(c.Password); err != nil {
			// The text could be a secret: it is not repeated.
			err = invalid("wants a literal, ${env:NAME}, ${credential:NAME}, or ${file:PATH} with a path from / or ~/; " +
				"it is another ${...}")
			o.refuse(m.value.off, m.path, "credential-reference", err)
		}
	}
	return c
}
