package store

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/atomicfile"
	"agentd/internal/layout"
)

// Damage is one file that was not what it must be. It is the content of the .reason file beside a quarantined one.
type Damage struct {
	// File is the path where it was found, and Quarantined where it is now; empty if it could not be moved.
	File        string `json:"file"`
	Quarantined string `json:"quarantined,omitempty"`
	// Owner, ID and Revision say what it belonged to; ID is empty if that is unknown.
	Owner    uint32 `json:"owner_uid"`
	ID       string `json:"id,omitempty"`
	Revision int    `json:"revision,omitempty"`
	// Reason says what was wrong with it, Outcome what is served now.
	Reason  string    `json:"reason"`
	Outcome string    `json:"outcome,omitempty"`
	Time    time.Time `json:"time"`
}

// String is the damage in one sentence.
func (d Damage) String() string {
	s := d.File + ": " + d.Reason
	if d.Outcome != "" {
		s += "; " + d.Outcome
	}
	return s
}

// damageOf returns what is wrong with a file by the error of reading it, and false if the error says nothing about the
// file itself: out of descriptors or memory, say.
func damageOf(err error) (reason string, ok bool) {
	var d *damagedError
	switch {
	case errors.As(err, &d):
		return d.reason, true
	case errors.Is(err, atomicfile.ErrNotRegular), errors.Is(err, atomicfile.ErrTooLarge),
		errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EIO), errors.Is(err, unix.EUCLEAN),
		errors.Is(err, unix.EBADMSG):
		return err.Error(), true
	}
	return "", false
}

// damage returns the Damage of a file of that revision.
func (p place) damage(file, reason, outcome string) Damage {
	return Damage{File: file, Owner: p.owner, ID: p.id, Revision: p.number, Reason: reason, Outcome: outcome}
}

// quarantineName is unique, and tells where the file comes from.
func (d Damage) quarantineName() string {
	name := d.Time.Format("20060102T150405") + "-" + rand.Text()[:6]
	if d.ID != "" {
		name += fmt.Sprintf("-%d-%s", d.Owner, d.ID)
	}
	return name + "-" + filepath.Base(d.File)
}

// setAside moves a damaged file into the quarantine. If that fails, the file stays where it is, and is listed all the
// same.
func (s *Store) setAside(d Damage) {
	d.Time = time.Now().UTC()
	name := d.quarantineName()
	err := os.Rename(d.File, s.state.Quarantined(name))
	s.setAsideDone(d, name, err)
}

// replace puts good content in the place of a damaged file, which goes into the quarantine. The two change places in
// one step, so that there is no moment without either: a record that is missing would be taken for one never written.
func (s *Store) replace(d Damage, good []byte) error {
	d.Time = time.Now().UTC()
	name := d.quarantineName()
	aside := s.state.Quarantined(name)
	if err := atomicfile.Write(aside, good, layout.ModePrivate); err != nil {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, d.File, unix.RENAME_EXCHANGE); err != nil {
		return errors.Join(&os.LinkError{Op: "exchange", Old: aside, New: d.File, Err: err}, os.Remove(aside))
	}
	s.setAsideDone(d, name, nil)
	return atomicfile.SyncDir(filepath.Dir(d.File))
}

// setAsideDone makes a move into the quarantine durable, writes the reason beside the file, and tells.
func (s *Store) setAsideDone(d Damage, name string, err error) {
	if err == nil {
		d.Quarantined = s.state.Quarantined(name)
		err = errors.Join(s.writeReason(d, name), atomicfile.SyncDir(filepath.Dir(d.File)))
	}
	if err != nil {
		s.log.Error("set a damaged file aside", "file", d.File, "error", err)
	}
	s.report(d)
}

// report logs a damage and lists it, once for every file and reason.
func (s *Store) report(d Damage) {
	if !s.damage.add(d) {
		return
	}
	s.log.Error("damaged file", "file", d.File, "owner", d.Owner, "template", d.ID, "revision", d.Revision,
		"reason", d.Reason, "outcome", d.Outcome, "quarantined", d.Quarantined)
}

// writeReason writes the .reason file; its rename makes the quarantine's directory durable too.
func (s *Store) writeReason(d Damage, name string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return err
	}
	return atomicfile.Write(s.state.QuarantineReason(name), b.Bytes(), layout.ModePrivate)
}

// maxDamage bounds the list of damages.
const maxDamage = 1000

// damageList is what was found damaged.
type damageList struct {
	mu   sync.Mutex
	seen []Damage
}

// add reports whether the damage is new.
func (l *damageList) add(d Damage) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, old := range l.seen {
		if d.Quarantined == "" && old.Quarantined == "" && old.File == d.File && old.Reason == d.Reason {
			return false
		}
	}
	if len(l.seen) < maxDamage {
		l.seen = append(l.seen, d)
	}
	return true
}

func (l *damageList) list() []Damage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Damage(nil), l.seen...)
}

// restore lists what lies in the quarantine from earlier runs, until somebody empties it.
func (l *damageList) restore(state layout.State) {
	entries, err := os.ReadDir(state.Quarantine())
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), layout.ReasonSuffix) {
			continue
		}
		data, err := atomicfile.Read(state.Quarantined(e.Name()), maxRecord)
		var d Damage
		if err == nil && json.Unmarshal(data, &d) == nil {
			d.Quarantined = state.Quarantined(strings.TrimSuffix(e.Name(), layout.ReasonSuffix))
			l.add(d)
		}
	}
}
