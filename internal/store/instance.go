package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"agentd/internal/atomicfile"
	"agentd/internal/errs"
	"agentd/internal/layout"
)

// formatVersion is the version of the layout that this agentd reads and writes.
const formatVersion = 1

// maxSmallFile bounds the files of one line.
const maxSmallFile = 256

// checkFormat refuses a layout from the future, and leaves the version for those to come.
func (s *Store) checkFormat() error {
	path := s.state.Format()
	data, err := atomicfile.Read(path, maxSmallFile)
	version := 0
	if err == nil {
		version, err = strconv.Atoi(strings.TrimSpace(string(data)))
	}
	switch {
	case err == nil && version == formatVersion:
		return nil
	case err == nil && version > formatVersion:
		return errs.New(errs.Unsupported, "the state directory %s has format %d, this agentd knows up to %d",
			s.state, version, formatVersion).
			WithHint("a newer agentd wrote it: run that one, or give this one a state_dir of its own")
	case !errors.Is(err, fs.ErrNotExist):
		// Every record has a version of its own: a damaged line here is no reason to stay down.
		s.setAside(Damage{File: path, Reason: "it does not hold the number of a format"})
	}
	err = atomicfile.Write(path, []byte(strconv.Itoa(formatVersion)+"\n"), layout.ModePrivate)
	return failure(err, "write the format of the state directory")
}

// loadInstanceID reads the id from either of its two files, or makes one: under another id this agentd would not know
// its own containers any more.
func (s *Store) loadInstanceID() error {
	path, twin := s.state.InstanceID(), s.state.InstanceIDCopy()
	id, here := s.readInstanceID(path)
	other, there := s.readInstanceID(twin)
	switch {
	case here:
	case there:
		id = other
	default:
		var b [16]byte
		rand.Read(b[:]) // it never returns an error
		id = hex.EncodeToString(b[:])
	}
	// The copy first: a crash between the two leaves an id that is found again.
	for _, f := range []struct {
		path string
		good bool
	}{{twin, there && other == id}, {path, here}} {
		if f.good {
			continue
		}
		if err := atomicfile.Write(f.path, []byte(id+"\n"), layout.ModePrivate); err != nil {
			return failure(err, "write the instance id")
		}
	}
	s.instanceID = id
	return nil
}

// readInstanceID reads one of the files with the id, and sets it aside if it holds anything else.
func (s *Store) readInstanceID(path string) (id string, ok bool) {
	data, err := atomicfile.Read(path, maxSmallFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	id = strings.TrimSpace(string(data))
	if b, bad := hex.DecodeString(id); err == nil && bad == nil && len(b) == 16 {
		return id, true
	}
	s.setAside(Damage{File: path, Reason: "it does not hold an instance id"})
	return "", false
}
