// Package layout holds the name of every file and directory that agentd keeps, as functions; nobody else joins such
// names.
package layout

import (
	"path/filepath"
	"strconv"
	"strings"
)

// Modes of what lies in the state and runtime directories. Directories that others must pass through are 0711: they
// can be entered, not listed.
const (
	ModePassDir    = 0o711
	ModePrivateDir = 0o700
	ModePrivate    = 0o600
)

// State is the state directory: /var/lib/agentd, or $XDG_STATE_HOME/agentd for an ordinary user's agentd.
//
//	lock                                  held by the running agentd (flock)
//	format                                version of this layout, a decimal number
//	instance-id, instance-id.copy         names this agentd on objects of the engine; either heals the other
//	nonce-key                             what proves a container ours, should its record be lost
//	probe                                 written and read back by the health check
//	ballast/                              space that is released for deletions when the disk is full
//	quarantine/                           damaged files, each with a .reason beside it
//	audit/UID.jsonl, UID.old.jsonl        who did what: a line for each event, by who did it
//	users/UID/templates/ID/NNNNNN.json    one revision: the record, checksummed, text included
//	users/UID/templates/ID/NNNNNN.yaml    the same text as a plain file, to read and grep
//	users/UID/templates/.purged-ID/       a template on its way out; finished at the next start
//	users/UID/secrets/ID/NNNNNN.json      literal secrets of that revision
//	users/UID/images.json                 the images that registries have given him
//	users/UID/git/AS/                     what was fetched from Git hosts for him as uid AS, whose it is
//	users/UID/vfolders/NAME/              a vfolder, the owner's
//	users/UID/vfolder-index/NAME.json     the record of a vfolder
//	users/UID/scratch/ID/                 a session's /home/work, the owner's
//	users/UID/scratch/ID.checkout/        its clone, if that goes elsewhere in the session; the owner's
//	users/UID/sessions/ID/record.json     a session's record; record.prev.json is the one before
//	users/UID/sessions/.removed-ID/       a session on its way out; finished at the next start
//	users/UID/sessions/ID/etc/            passwd and group of the session
//	users/UID/sessions/ID/run/            job, socket, results and log of the session: agentd-init's, the owner's
type State string

// Lock is the file whose flock says that an agentd runs on this state.
func (s State) Lock() string { return filepath.Join(string(s), "lock") }

// Format is the file with the version of the layout.
func (s State) Format() string { return filepath.Join(string(s), "format") }

// InstanceID is the file with the random id of this agentd.
func (s State) InstanceID() string { return filepath.Join(string(s), "instance-id") }

// InstanceIDCopy is the second copy of the file with the random id.
func (s State) InstanceIDCopy() string { return filepath.Join(string(s), "instance-id.copy") }

// NonceKey is the file with the secret that the sessions' nonces are made with.
func (s State) NonceKey() string { return filepath.Join(string(s), "nonce-key") }

// Probe is the file that the health check writes and reads back.
func (s State) Probe() string { return filepath.Join(string(s), "probe") }

// Ballast is the directory of the files that are given up, one by one, for deletions on a full disk.
func (s State) Ballast() string { return filepath.Join(string(s), "ballast") }

// BallastFile is the nth of those files.
func (s State) BallastFile(n int) string {
	return filepath.Join(s.Ballast(), "ballast-"+strconv.Itoa(n)+".bin")
}

// Quarantined is the place of a damaged file that was set aside under that name, and QuarantineReason that of its
// reason.
func (s State) Quarantined(name string) string { return filepath.Join(s.Quarantine(), name) }

// QuarantineReason is the file that says why the file of that name was set aside.
func (s State) QuarantineReason(name string) string {
	return filepath.Join(s.Quarantine(), name+ReasonSuffix)
}

// Quarantine is where damaged files are set aside.
func (s State) Quarantine() string { return filepath.Join(string(s), "quarantine") }

// Users is the directory of all owners.
func (s State) Users() string { return filepath.Join(string(s), "users") }

// User is the directory of all that the owner uid has stored.
func (s State) User(uid uint32) User {
	return User(filepath.Join(s.Users(), strconv.FormatUint(uint64(uid), 10)))
}

// ParseUser returns the uid that a name in [State.Users] stands for.
func ParseUser(name string) (uid uint32, ok bool) {
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != name {
		return 0, false
	}
	return uint32(n), true
}

// User is one owner's part of the state directory.
type User string

// Templates is the directory of his templates, one directory an id.
func (u User) Templates() string { return filepath.Join(string(u), "templates") }

// Template is the directory of the template with that id.
func (u User) Template(id string) Template { return Template(filepath.Join(u.Templates(), id)) }

// Purged is the name that a template's directory gets when it is to be removed for good.
func (u User) Purged(id string) string { return filepath.Join(u.Templates(), purgedPrefix+id) }

// ParsePurged returns the id of the template that a name in [User.Templates] belonged to, if it is one of
// [User.Purged].
func ParsePurged(name string) (id string, ok bool) { return strings.CutPrefix(name, purgedPrefix) }

// Images is the record of the images that registries have given him.
func (u User) Images() string { return filepath.Join(string(u), "images"+RecordSuffix) }

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

// Suffixes of the files of a revision, and of their reasons in the quarantine.
const (
	RecordSuffix = ".json"
	TextSuffix   = ".yaml"
	// ReasonSuffix is that of the file beside a quarantined one.
	ReasonSuffix = ".reason"

	purgedPrefix = ".purged-"
)

// ParseRevision returns the revision that a file name in a [Template] or [Secrets] directory belongs to, and its
// suffix.
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
