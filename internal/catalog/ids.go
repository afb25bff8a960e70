package catalog

import (
	"io"
	"sync"

	"agentd/internal/errs"
)

// alphabet leaves out vowels, so that an id is never a word, and what is easily misread. An id begins with a letter: YAML
// and flags never take it for a number.
const (
	letters  = "bcdfghjkmnpqrstvwxz"
	alphabet = letters + "23456789"
	idLength = 8
)

// newID returns an id that no template of any owner has.
func (c *Catalog) newID() (string, error) {
	for {
		id, err := randomID(c.random)
		if err != nil {
			return "", errs.New(errs.Internal, "make an id: %w", err)
		}
		if _, taken := c.repo.Owner(id); !taken {
			return id, nil
		}
	}
}

// randomID draws without bias: bytes beyond the largest multiple of the alphabet's length are drawn again.
func randomID(random io.Reader) (string, error) {
	id := make([]byte, 0, idLength)
	var b [1]byte
	for len(id) < idLength {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", err
		}
		from := alphabet
		if len(id) == 0 {
			from = letters
		}
		if n := byte(len(from)); b[0] < 255/n*n {
			id = append(id, from[b[0]%n])
		}
	}
	return string(id), nil
}

// lockTable has one mutex an owner. An entry stays: there are as many as owners.
type lockTable struct {
	mu    sync.Mutex
	locks map[uint32]*sync.Mutex
}

// lock waits for the owner's mutex and returns the function that lets go of it.
func (t *lockTable) lock(owner uint32) func() {
	t.mu.Lock()
	if t.locks == nil {
		t.locks = make(map[uint32]*sync.Mutex)
	}
	l := t.locks[owner]
	if l == nil {
		l = &sync.Mutex{}
		t.locks[owner] = l
	}
	t.mu.Unlock()
	l.Lock()
	return l.Unlock
}
