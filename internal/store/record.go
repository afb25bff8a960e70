package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"agentd/internal/errs"
)

// schemaVersion is the version of the bodies of records that this agentd writes. The envelope itself never changes.
const schemaVersion = 1

// maxRecord bounds a record: a text of 128 KiB in which JSON escapes every byte fits six times over.
const maxRecord = 2 << 20

// Kinds of records.
const (
	kindRevision = "template-revision"
	kindSecrets  = "template-secrets"
)

// envelope is what every record looks like from outside.
type envelope struct {
	Schema int    `json:"schema"`
	Kind   string `json:"kind"`
	// SHA256 is over the schema, the kind and the body's bytes as they stand, see [checksum].
	SHA256 string          `json:"sha256"`
	Body   json.RawMessage `json:"body"`
}

// NewerSchemaError says that a record is sound, and from a newer agentd.
type NewerSchemaError struct {
	Kind   string
	Schema int
}

// Error says which versions meet.
func (e *NewerSchemaError) Error() string {
	return fmt.Sprintf("a %s of schema %d: this agentd knows up to %d", e.Kind, e.Schema, schemaVersion)
}

// damagedError is what is wrong with a file; any other error says that it could not be judged.
type damagedError struct{ reason string }

func (e *damagedError) Error() string { return e.reason }

func damagedf(format string, args ...any) error {
	return &damagedError{reason: fmt.Sprintf(format, args...)}
}

// checksum covers the schema and the kind too: a flipped bit in them must not make a record look newer than it is.
func checksum(schema int, kind string, body []byte) string {
	h := sha256.New()
	h.Write(fmt.Appendf(nil, "%d %s\n", schema, kind))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// encodeRecord returns the file of a record: JSON, indented for people.
func encodeRecord[T any](kind string, body T) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("  ", "  ")
	if err := enc.Encode(body); err != nil {
		return nil, errs.New(errs.Internal, "encode a %s: %w", kind, err)
	}
	raw := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	var out bytes.Buffer
	out.Grow(len(raw) + 256)
	fmt.Fprintf(&out, "{\n  \"schema\": %d,\n  \"kind\": %q,\n  \"sha256\": %q,\n  \"body\": ",
		schemaVersion, kind, checksum(schemaVersion, kind, raw))
	out.Write(raw)
	out.WriteString("\n}\n")
	if out.Len() > maxRecord {
		return nil, errs.New(errs.TooLarge, "a %s of %d bytes: the limit is %d", kind, out.Len(), maxRecord)
	}
	return out.Bytes(), nil
}

// decodeRecord is the inverse of encodeRecord. The error is a damagedError or a [NewerSchemaError]; it never panics,
// whatever data is.
func decodeRecord[T any](kind string, data []byte) (body T, err error) {
	var env envelope
	switch {
	case len(data) == 0:
		return body, damagedf("it is empty")
	case len(data) > maxRecord:
		return body, damagedf("it is larger than any record")
	}
	if err := json.Unmarshal(data, &env); err != nil {
		return body, damagedf("it is not a record: %v", err)
	}
	switch {
	case env.SHA256 != checksum(env.Schema, env.Kind, env.Body):
		return body, damagedf("its checksum does not fit its content")
	case env.Kind != kind:
		return body, damagedf("it is a %s in the place of a %s", oneLine(env.Kind), kind)
	case env.Schema > schemaVersion:
		return body, &NewerSchemaError{Kind: kind, Schema: env.Schema}
	case env.Schema < 1:
		return body, damagedf("it has the schema %d", env.Schema)
	}
	if err := json.Unmarshal(env.Body, &body); err != nil {
		var none T
		return none, damagedf("its content is not that of a %s: %v", kind, err)
	}
	return body, nil
}

// oneLine makes foreign text fit for a log: short, and without control characters.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 64)]
}
