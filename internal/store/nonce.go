package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"

	"agentd/internal/atomicfile"
	"agentd/internal/layout"
)

// nonceKeyBytes is the length of the key of the nonces.
const nonceKeyBytes = 32

// loadNonceKey reads the key of the nonces, or makes one. Without the old one, containers whose records are lost cannot be
// proven ours any more: they are left alone.
func (s *Store) loadNonceKey() error {
	path := s.state.NonceKey()
	data, err := atomicfile.Read(path, maxSmallFile)
	if err == nil {
		key, bad := hex.DecodeString(strings.TrimSpace(string(data)))
		if bad == nil && len(key) == nonceKeyBytes {
			s.nonceKey = key
			return nil
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		s.setAside(Damage{File: path, Reason: "it does not hold a key", Outcome: "a new key was made"})
	}
	key := make([]byte, nonceKeyBytes)
	rand.Read(key) //nolint:errcheck // it never returns an error
	if err := atomicfile.Write(path, []byte(hex.EncodeToString(key)+"\n"), layout.ModePrivate); err != nil {
		return failure(err, "write the key of the nonces")
	}
	s.nonceKey = key
	return nil
}

// Nonce is what proves that something was made by this agentd for the session id: nobody else can tell it beforehand, and
// it can be told again when the record is lost.
func (s *Store) Nonce(id string) string {
	mac := hmac.New(sha256.New, s.nonceKey)
	mac.Write([]byte(id)) //nolint:errcheck // it never returns an error
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
