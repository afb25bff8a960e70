package template

import (
	"fmt"
	"time"
)

// Revision is one stored state of a template. Revisions are never changed; the newest one is what the template is.
type Revision struct {
	// ID, Owner and Created are the same in every revision of a template.
	ID      string    `json:"id"`
	Owner   uint32    `json:"owner_uid"`
	Created time.Time `json:"created_at"`

	// Number counts from 1 without gaps.
	Number int       `json:"revision"`
	Cause  Cause     `json:"cause"`
	Time   time.Time `json:"time"`
	// Author is the uid of who made it: the owner, or an administrator.
	Author uint32 `json:"author_uid"`

	// What follows is taken from the text when it is accepted, so that a list reads no text.
	Name         string            `json:"name"`
	Tag          string            `json:"tag,omitempty"`
	Type         SessionType       `json:"type"`
	Image        string            `json:"image"`
	Architecture string            `json:"architecture"`
	Description  string            `json:"description,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`

	// Size in bytes and SHA256 in hex are those of the text as stored, with markers in the place of literal secrets.
	Size   int    `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
	// HasSecrets is true if literal secrets are kept apart from the text.
	HasSecrets bool `json:"has_secrets,omitempty"`
}

// Deleted reports whether this revision is a deletion: it has no text, and its template is found only to be restored.
func (r Revision) Deleted() bool { return r.Cause == CauseDelete }

// Cause says why a revision was made.
type Cause string

// The causes without a parameter.
const (
	CauseCreate  Cause = "create"
	CauseUpdate  Cause = "update"
	CauseDelete  Cause = "delete"
	CauseRestore Cause = "restore"
)

// CauseRollback is the cause of a revision that took back the text of an older one.
func CauseRollback(to int) Cause { return Cause(fmt.Sprintf("rollback to %d", to)) }

// CauseCopy is the cause of the first revision of a copy.
func CauseCopy(of string) Cause { return Cause("copy of " + of) }

// Secrets are the literals that a text had in the place of its markers, by the path of the field.
type Secrets map[string]string
