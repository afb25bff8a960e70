package store

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"

	"agentd/internal/template"
)

// revisionBody is the record of a revision: its text is in it, so that either of its two files can be rebuilt from the
// other.
type revisionBody struct {
	template.Revision

	// Text is the text; Binary is, if it is no UTF-8 (YAML may be UTF-16 as well).
	Text   string `json:"text,omitempty"`
	Binary []byte `json:"text_base64,omitempty"`
}

// newBody makes the record of a revision, whose size and checksum it sets.
func newBody(rev template.Revision, text []byte) revisionBody {
	rev.Size, rev.SHA256 = len(text), textSum(text)
	if rev.Deleted() {
		rev.SHA256 = ""
	}
	b := revisionBody{Revision: rev}
	if utf8.Valid(text) {
		b.Text = string(text)
	} else {
		b.Binary = text
	}
	return b
}

// text returns the text that is in the record.
func (b *revisionBody) text() []byte {
	if len(b.Binary) > 0 {
		return b.Binary
	}
	return []byte(b.Text)
}

// check compares the record with the place where it was found, and with itself.
func (b *revisionBody) check(at place) error {
	switch {
	case b.ID != at.id || b.Owner != at.owner || b.Number != at.number:
		return damagedf("it is revision %d of template %s of uid %d", b.Number, oneLine(b.ID), b.Owner)
	case !b.Deleted() && (textSum(b.text()) != b.SHA256 || len(b.text()) != b.Size):
		return damagedf("the text in it does not fit its checksum")
	}
	return nil
}

// decodeRevision decodes the record that was found at a place.
func decodeRevision(data []byte, at place) (revisionBody, error) {
	b, err := decodeRecord[revisionBody](kindRevision, data)
	if err == nil {
		err = b.check(at)
	}
	if err != nil {
		return revisionBody{}, err
	}
	return b, nil
}

// secretsBody is the record of the secrets of a revision.
type secretsBody struct {
	ID      string           `json:"id"`
	Owner   uint32           `json:"owner_uid"`
	Number  int              `json:"revision"`
	Secrets template.Secrets `json:"secrets"`
}

// check compares the record with the place where it was found.
func (b *secretsBody) check(at place) error {
	if b.ID != at.id || b.Owner != at.owner || b.Number != at.number {
		return damagedf("they are those of revision %d of template %s of uid %d", b.Number, oneLine(b.ID), b.Owner)
	}
	return nil
}

// textSum is the checksum of a text, in hex.
func textSum(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
