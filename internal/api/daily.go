package api

// Paths of what is done with sessions from day to day.
const (
	PathSessionRename  = "/v1/sessions/{ref}/rename"
	PathSessionRestart = "/v1/sessions/{ref}/restart"
	PathSystemDisk     = "/v1/system/disk"
	PathVFolderRename  = "/v1/vfolders/{name}/rename"
)

// RenameRequest gives a living session, or a vfolder, another name.
type RenameRequest struct {
	Name string `json:"name" maxLength:"256"`
}

// DiskUse is what of this agent's takes room on the disk.
type DiskUse struct {
	SchemaVersion int `json:"schema_version" doc:"version of this JSON"`
	// Sessions and VFolders are the caller's own.
	Sessions []SessionDisk `json:"sessions" doc:"the caller's, newest first"`
	VFolders []VFolderDisk `json:"vfolders" doc:"the caller's, sorted by name; external ones are not counted"`
	// Images are those that templates' sessions ran and the engine has; they are shared by all users.
	Images []ImageDisk `json:"images" doc:"those that the caller's sessions ran and the engine still has"`
	// Repositories is what the cache of the caller's repositories takes.
	Repositories RepositoriesDisk `json:"repositories" doc:"what was fetched from Git hosts for the caller and is kept"`
	// FreeBytes is what is free where the state directory lies.
	FreeBytes int64 `json:"free_bytes" doc:"free where the state directory lies"`
}

// RepositoriesDisk is what the cache of repositories takes; it goes by itself when it is over git.cache_max.
type RepositoriesDisk struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
}

// SessionDisk is what one session takes.
type SessionDisk struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Ended is true if rm or prune would free it.
	Ended        bool  `json:"ended"`
	RecordBytes  int64 `json:"record_bytes" doc:"record and logs"`
	ScratchBytes int64 `json:"scratch_bytes" doc:"its /home/work"`
}

// VFolderDisk is what one vfolder takes.
type VFolderDisk struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// ImageDisk is what one image takes, layers that it shares with others included.
type ImageDisk struct {
	ID        string `json:"id"`
	Reference string `json:"reference"`
	Bytes     int64  `json:"bytes"`
}

// PathSessionTemplate makes a template of what a session is.
const PathSessionTemplate = "/v1/sessions/{ref}/template"

// SaveTemplateRequest asks for a template that makes such a session again.
type SaveTemplateRequest struct {
	Name string `json:"name" maxLength:"256" doc:"name of the template"`
	// Pin writes down the commit and the image's digest that the session has.
	Pin bool `json:"pin,omitempty" doc:"write down the commit and the image's digest that it has"`
	// TextOnly stores nothing.
	TextOnly bool `json:"text_only,omitempty" doc:"store nothing"`
}

// SavedTemplate is a template made of a session.
type SavedTemplate struct {
	// Text is the document, with a marker in the place of a literal secret.
	Text string `json:"text"`
	// Written is absent if nothing was stored.
	Written *Written `json:"written,omitempty"`
	Notes   []string `json:"notes,omitempty" doc:"what the template could not take over"`
}
