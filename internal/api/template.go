package api

import (
	"time"

	"agentd/internal/errs"
)

// Template is what a list shows of a template; its text is fetched on its own.
type Template struct {
	ID           string            `json:"id" doc:"short, random, stable"`
	Name         string            `json:"name" doc:"unique among the owner's templates"`
	Tag          string            `json:"tag,omitempty" doc:"becomes the session's tag"`
	OwnerUID     uint32            `json:"owner_uid" doc:"uid of the owner"`
	Revision     int               `json:"revision" doc:"number of the newest revision"`
	CreatedAt    time.Time         `json:"created_at" doc:"time of the first revision"`
	UpdatedAt    time.Time         `json:"updated_at" doc:"time of the newest revision"`
	DeletedAt    *time.Time        `json:"deleted_at,omitempty" doc:"set if it is deleted and can be restored"`
	PurgeAt      *time.Time        `json:"purge_at,omitempty" doc:"when a deleted one is gone for good"`
	Type         string            `json:"type" doc:"interactive or batch"`
	Image        string            `json:"image" doc:"the image as written"`
	Architecture string            `json:"architecture" doc:"the architecture as written"`
	Description  string            `json:"description,omitempty" doc:"x-agentd.description"`
	Labels       map[string]string `json:"labels,omitempty" doc:"x-agentd.labels"`
	HasSecrets   bool              `json:"has_secrets,omitempty" doc:"literal secrets are kept apart from the text"`
}

// TemplateList is a page of templates, sorted by name, then by id.
type TemplateList struct {
	Templates []Template `json:"templates" doc:"sorted by name, then by id"`
	// Next continues the list; empty on the last page.
	Next string `json:"next,omitempty" doc:"pass as 'after' for the next page; absent on the last"`
}

// Actions of [Written].
const (
	ActionCreated    = "created"
	ActionUpdated    = "updated"
	ActionUnchanged  = "unchanged"
	ActionRolledBack = "rolled_back"
	ActionRestored   = "restored"
	ActionDeleted    = "deleted"
	ActionPurged     = "purged"
)

// Written says what a create, update, apply, copy, rollback or restore did with one template.
type Written struct {
	Action   string   `json:"action" enum:"created,updated,unchanged,rolled_back,restored,deleted,purged" doc:"what was done"`
	Template Template `json:"template"`
	// Warnings do not stop anything.
	Warnings []errs.Problem `json:"warnings,omitempty" doc:"what is accepted but looks wrong"`
}

// WrittenList is what a request with documents did, in the order of the documents.
type WrittenList struct {
	Written []Written `json:"written" doc:"in the order of the documents"`
}

// Validation is the answer to a valid document; an invalid one is a [Problem] with code invalid.
type Validation struct {
	Templates []Validated `json:"templates" doc:"in the order of the documents"`
}

// Validated is one template of a valid document.
type Validated struct {
	Name     string         `json:"name"`
	Line     int            `json:"line" doc:"where it begins"`
	Warnings []errs.Problem `json:"warnings,omitempty" doc:"what is accepted but looks wrong"`
}

// Revision is one row of a template's history.
type Revision struct {
	Revision  int       `json:"revision" doc:"from 1"`
	Cause     string    `json:"cause" doc:"create, update, rollback to N, restore, delete, copy of NAME"`
	Time      time.Time `json:"time"`
	AuthorUID uint32    `json:"author_uid" doc:"uid of who made it"`
	Name      string    `json:"name"`
	Size      int       `json:"size" doc:"bytes of the text; 0 for a deletion"`
	SHA256    string    `json:"sha256,omitempty" doc:"of the text as stored, in hex"`
}

// History is a template's revisions, newest first.
type History struct {
	ID        string     `json:"id"`
	Revisions []Revision `json:"revisions" doc:"newest first"`
}

// RollbackRequest asks for an old revision's text as the newest.
type RollbackRequest struct {
	Revision int `json:"revision" minimum:"1" doc:"revision whose text becomes the newest"`
}

// RestoreRequest undoes a deletion.
type RestoreRequest struct {
	Name string `json:"name,omitempty" doc:"another name, if the old one has been taken since"`
}

// CopyRequest makes a new template from the text of another.
type CopyRequest struct {
	Name string `json:"name" doc:"name of the copy"`
}

// ListQuery selects the templates of a list.
type ListQuery struct {
	// Owner is whose templates; nil means the caller's own. Others' need an administrator.
	Owner *uint32
	// AllUsers asks for everybody's; only for administrators.
	AllUsers bool
	// Deleted asks for the deleted ones, which can be restored, instead of the living.
	Deleted bool
	// After is the Next of the page before; empty for the first page.
	After string
	// Limit is the size of a page, at most MaxPage; 0 means MaxPage.
	Limit int
}

// MaxPage is the largest number of things on one page of a list.
const MaxPage = 500
