// Package layout holds the name of every file and directory that agentd keeps, as functions; nobody else joins such names.
package layout

import (
	"path/filepath"
	"strconv"
)

// Modes of what lies in the state and runtime directories. Directories that others must pass through are 0711: they can
// be entered, not listed.
const (
	ModePassDir    = 0o711
	ModePrivateDir = 0o700
	ModePrivate    = 0o600
)

// State is the state directory: /var/lib/agentd, or $XDG_STATE_HOME/agentd for an ordinary user's agentd.
//
//	lock                                  held by the running agentd (flock)
//	format                                version of this layout, a decimal number
//	instance-id                           names this agentd on objects of the engine
//	quarantine/                           damaged files, each with a .reason beside it
//	users/UID/templates/ID/NNNNNN.json    one revision: the record, checksummed, text included
//	users/UID/templates/ID/NNNNNN.yaml    the same text as a plain file, to read and grep
//	users/UID/secrets/ID/NNNNNN.json      literal secrets of that revision
type State string

// Lock is the file whose flock says that an agentd runs on this state.
func (s State) Lock() string { return filepath.Join(string(s), "lock") }

// Format is the file with the version of the layout.
func (s State) Format() string { return filepath.Join(string(s), "format") }

// InstanceID is the file with the random id of this agentd.
func (s State) InstanceID() string { return filepath.Join(string(s), "instance-id") }

// Quarantine is where damaged files are set aside.
func (s State) Quarantine() string { return filepath.Join(string(s), "quarantine") }

// Users is the directory of all owners.
func (s State) Users() string { return filepath.Join(string(s), "users") }

// User is the directory of all that the owner uid has stored.
func (s State) User(uid uint32) User {
	return User(filepath.Join(s.Users(), strconv.FormatUint(uint64(uid), 10)))
}

// User is one owner's part of the state directory.
type User string

// Templates is the directory of his templates, one directory an id.
func (u User) Templates() string { return filepath.Join(string(u), "templates") }

// Template is the directory of the template with that id.
func (u User) Template(id string) Template { return Template(filepath.Join(u.Templates(), id)) }

// Secrets is the directory of the secrets of all his templates.
func (u User) Secrets() string { return filepath.Join(string(u), "secrets") }

// TemplateSecrets is the directory of the secrets of the template with that id.
func (u User) TemplateSecrets(id string) Secrets { return Secrets(filepath.Join(u.Secrets(), id)) }

// Template is one template's directory.
type Template string

// Record is the file of the record of a revision.
func (t Template) Record(revision int) string {
	return filepath.Join(string(t), revisionName(revision)+RecordSuffix)
}

// Text is the file of the plain text of a revision.
func (t Template) Text(revision int) string {
	return filepath.Join(string(t), revisionName(revision)+TextSuffix)
}

// Secrets is one template's directory of secrets.
type Secrets string

// Record is the file of the secrets of a revision.
func (s Secrets) Record(revision int) string {
	return filepath.Join(string(s), revisionName(revision)+RecordSuffix)
}

// Suffixes of the files of a revision.
const (
	RecordSuffix = ".json"
	TextSuffix   = ".yaml"
)

// ParseRevision returns the revision that a file name in a [Template] or [Secrets] directory belongs to, and its suffix.
func ParseRevision(name string) (revision int, suffix string, ok bool) {
	suffix = filepath.Ext(name)
	if suffix != RecordSuffix && suffix != TextSuffix {
		return 0, "", false
	}
	n, err := strconv.Atoi(name[:len(name)-len(suffix)])
	if err != nil || n < 1 || revisionName(n)+suffix != name {
		return 0, "", false
	}
	return n, suffix, true
}

// revisionName has six digits so that a listing is in order; it grows beyond them.
func revisionName(n int) string {
	s := strconv.Itoa(n)
	for len(s) < 6 {
		s = "0" + s
	}
	return s
}
