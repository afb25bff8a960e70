package layout

import (
	"path/filepath"
	"strconv"
	"strings"
)

// Audit is the directory of the record of who did what; nobody but agentd enters it.
type Audit string

// Audit is the directory of the record of who did what.
func (s State) Audit() Audit { return Audit(filepath.Join(string(s), "audit")) }

// Current is the file that a user's newest entries are in, and Previous the one before.
func (a Audit) Current(uid uint32) string {
	return a.File(strconv.FormatUint(uint64(uid), 10) + auditSuffix)
}

// Previous is the file with a user's older entries.
func (a Audit) Previous(uid uint32) string {
	return a.File(strconv.FormatUint(uint64(uid), 10) + previousSuffix + auditSuffix)
}

// File is the file of that name.
func (a Audit) File(name string) string { return filepath.Join(string(a), name) }

// ParseAudit returns the user that a name in [Audit] belongs to.
func ParseAudit(name string) (uid uint32, ok bool) {
	name, ok = strings.CutSuffix(name, auditSuffix)
	if !ok {
		return 0, false
	}
	return ParseUser(strings.TrimSuffix(name, previousSuffix))
}

const (
	auditSuffix    = ".jsonl"
	previousSuffix = ".old"
)
