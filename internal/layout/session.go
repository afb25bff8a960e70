package layout

import (
	"path/filepath"
	"strconv"
	"strings"
)

// containerPrefix begins the names of the sessions' containers.
const containerPrefix = "agentd-"

// ContainerName is the engine's name for a session's container: known before it is made, and found again by it.
func ContainerName(session string) string { return containerPrefix + session }

// ParseContainer returns the session that a name made by [ContainerName] belongs to, if it is one.
func ParseContainer(name string) (session string, ok bool) {
	return strings.CutPrefix(name, containerPrefix)
}

// Sessions is the directory of an owner's sessions, one directory an id.
func (u User) Sessions() string { return filepath.Join(string(u), "sessions") }

// Session is the directory of the session with that id; nobody but agentd enters it.
func (u User) Session(id string) Session { return Session(filepath.Join(u.Sessions(), id)) }

// RemovedSession is the name that a session's directory gets when all of the session is to be removed.
func (u User) RemovedSession(id string) string {
	return filepath.Join(u.Sessions(), removedPrefix+id)
}

// ParseRemovedSession returns the id of the session that a name in [User.Sessions] belonged to, if it is one of
// [User.RemovedSession].
func ParseRemovedSession(name string) (id string, ok bool) {
	return strings.CutPrefix(name, removedPrefix)
}

// ParseScratch returns the id of the session that a name in [User.Scratches] belongs to.
func ParseScratch(name string) string { return strings.TrimSuffix(name, checkoutSuffix) }

const (
	removedPrefix  = ".removed-"
	checkoutSuffix = ".checkout"
)

// Scratches is the directory of all his sessions' files.
func (u User) Scratches() string { return filepath.Join(string(u), "scratch") }

// Scratch is the /home/work of the session with that id; it is the owner's.
func (u User) Scratch(id string) string { return filepath.Join(u.Scratches(), id) }

// Checkout is the clone of a session whose destination lies outside of its /home/work; it is the owner's.
func (u User) Checkout(id string) string { return filepath.Join(u.Scratches(), id+checkoutSuffix) }

// GitCaches is the directory of what was fetched from Git hosts for an owner.
func (u User) GitCaches() string { return filepath.Join(string(u), "git") }

// GitCache is that of what was fetched as the user with the uid as, whose it is: usually the owner himself.
func (u User) GitCache(as uint32) string {
	return filepath.Join(u.GitCaches(), strconv.FormatUint(uint64(as), 10))
}

// VFolders is the directory of an owner's vfolders; it is the owner's.
func (u User) VFolders() string { return filepath.Join(string(u), "vfolders") }

// VFolderIndex is the directory of the records of his vfolders.
func (u User) VFolderIndex() string { return filepath.Join(string(u), "vfolder-index") }

// VFolderRecord is the record of one vfolder.
func (u User) VFolderRecord(name string) string {
	return filepath.Join(u.VFolderIndex(), name+RecordSuffix)
}

// VFolder is the directory of one vfolder.
func (u User) VFolder(name string) string { return filepath.Join(u.VFolders(), name) }

// Session is one session's directory.
type Session string

// Record is the file of the session's record.
func (s Session) Record() string { return filepath.Join(string(s), "record"+RecordSuffix) }

// PreviousRecord is the record as it was before its last change, for when the newest is damaged.
func (s Session) PreviousRecord() string { return filepath.Join(string(s), "record.prev"+RecordSuffix) }

// Run is what is bound into the container for agentd-init; it is the session user's.
func (s Session) Run() string { return filepath.Join(string(s), "run") }

// RunFile is a file in [Session.Run], by its name in package job.
func (s Session) RunFile(name string) string { return filepath.Join(s.Run(), name) }

// Etc holds the session's passwd and group.
func (s Session) Etc() string { return filepath.Join(string(s), "etc") }

// Passwd is bound as /etc/passwd.
func (s Session) Passwd() string { return filepath.Join(s.Etc(), "passwd") }

// Group is bound as /etc/group.
func (s Session) Group() string { return filepath.Join(s.Etc(), "group") }

// Mounts is the directory of the sources that are staged for engines: nothing here is ever removed recursively.
func (r Runtime) Mounts() string { return filepath.Join(string(r), "mnt") }
