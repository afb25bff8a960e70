package template

import (
	"bytes"
	_ "embed"
)

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of every document shape that [Parse] accepts. It never refuses what Parse
// accepts; some rules of Parse are beyond it.
func Schema() []byte { return bytes.Clone(schema) }
