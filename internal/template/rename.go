package template

import "agentd/internal/errs"

// Rename returns the text of one template with another metadata.name; every other byte stays.
func Rename(text []byte, name string) ([]byte, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	e, err := edit(text)
	if err != nil {
		return nil, err
	}
	const path = "metadata.name"
	n := e.find(path)
	if n == nil {
		return nil, errs.New(errs.Internal, "rename: %s not found in the text again", path)
	}
	renamed, _, ok := e.replace(n, name, e.quoted(n, name)...)
	if !ok {
		return nil, e.notInPlace(n, path,
			"a name that is to be changed must stand on one line: without an anchor, an alias, a tag or a block")
	}
	return renamed, nil
}
