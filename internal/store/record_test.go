package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/errs"
)

func TestRecord_IsReadable(t *testing.T) {
	t.Parallel()
	data, err := encodeRecord(kindSecrets, secretsBody{ID: "abc", Owner: 1000, Number: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "schema": 1,
  "kind": "template-secrets",
  "sha256": "` + checksum(1, kindSecrets, []byte(`{
    "id": "abc",
    "owner_uid": 1000,
    "revision": 2,
    "secrets": null
  }`)) + `",
  "body": {
    "id": "abc",
    "owner_uid": 1000,
    "revision": 2,
    "secrets": null
  }
}
`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
}

func TestRecord_EveryFlippedBitIsFoundOrHarmless(t *testing.T) {
	t.Parallel()
	at := place{owner: 1000, id: "abc", number: 3}
	want := newBody(revisionOf(1000, "abc", "one", 3), textOf("one", 3))
	data, err := encodeRecord(kindRevision, want)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(data) * 8 {
		flipped := bytes.Clone(data)
		flipped[i/8] ^= 1 << (i % 8)
		got, err := decodeRevision(flipped, at)
		if newer, ok := errors.AsType[*NewerSchemaError](err); ok {
			t.Errorf("bit %d of %q: taken for newer: %v", i%8, data[i/8], newer)
		}
		if diff := cmp.Diff(want, got); err == nil && diff != "" {
			t.Errorf("bit %d of byte %d: decoded as something else: %s", i%8, i/8, diff)
		}
	}
}

func TestRecord_NewerSchemaIsNoDamage(t *testing.T) {
	t.Parallel()
	body := []byte(`{"something":"else"}`)
	data, err := json.Marshal(envelope{Schema: 2, Kind: kindRevision, SHA256: checksum(2, kindRevision, body), Body: body})
	if err != nil {
		t.Fatal(err)
	}
	_, err = decodeRevision(data, place{})
	if newer, ok := errors.AsType[*NewerSchemaError](err); !ok || newer.Schema != 2 {
		t.Fatalf("got %v, want a NewerSchemaError", err)
	}
	if _, damaged := damageOf(err); damaged {
		t.Error("it is taken for damaged")
	}
}

func TestRecord_TooLargeIsNeverWritten(t *testing.T) {
	t.Parallel()
	_, err := encodeRecord(kindSecrets, secretsBody{ID: strings.Repeat("x", maxRecord)})
	if !errs.Is(err, errs.TooLarge) {
		t.Errorf("got %v", err)
	}
}

func FuzzRecord(f *testing.F) {
	good, err := encodeRecord(kindRevision, newBody(revisionOf(1000, "abc", "one", 3), textOf("one", 3)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, s := range []string{
		"", "{", "null", "[]", `{"body":null}`, `{"schema":1,"kind":"template-revision","sha256":"","body":{}}`,
		strings.Repeat("[", 20000), `{"body":` + strings.Repeat(`{"a":`, 20000), "\x00\xff",
	} {
		f.Add([]byte(s))
	}
	// Bodies under a right checksum: what lies behind it is fuzzed too.
	for _, s := range []string{`{"revision":"x"}`, `{"time":"x"}`, `{"text":"\ud800","size":-1}`, `{"labels":{"a":1}}`, "{}"} {
		f.Add(sealed([]byte(s)))
	}
	at := place{owner: 1000, id: "abc", number: 3}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, sealed(data)} {
			body, err := decodeRecord[revisionBody](kindRevision, data)
			if err != nil {
				if _, damaged := damageOf(err); !damaged {
					t.Fatalf("an error of no kind: %v", err)
				}
				continue
			}
			body.check(at) // it must not panic
			remains(data, at)
			once, err := encodeRecord(kindRevision, body)
			if err != nil {
				continue
			}
			again, err := decodeRecord[revisionBody](kindRevision, once)
			if err != nil {
				t.Fatalf("what was encoded cannot be decoded: %v", err)
			}
			twice, err := encodeRecord(kindRevision, again)
			if err != nil || !bytes.Equal(once, twice) {
				t.Fatalf("not stable: %v\n%s\n%s", err, once, twice)
			}
		}
	})
}

// sealed puts a body into an envelope with the right checksum.
func sealed(body []byte) []byte {
	data := []byte(`{"schema":1,"kind":"` + kindRevision + `","sha256":"` + checksum(1, kindRevision, body) + `","body":`)
	return append(append(data, body...), '}')
}
