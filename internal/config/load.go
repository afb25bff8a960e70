package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"agentd/internal/errs"
)

// maxFile bounds the file, in bytes.
const maxFile = 1 << 20

// Load reads the file at path over the defaults. A file that is not there is no error unless it was asked for by name.
func Load(path string, named bool, def Config) (Config, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return Parse(path, nil, def)
	}
	if err != nil {
		return Config{}, errs.New(errs.Invalid, "read the configuration: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written to it
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Config{}, errs.New(errs.Invalid, "read the configuration %s: %w", path, err)
	}
	if len(text) > maxFile {
		return Config{}, errs.New(errs.TooLarge, "the configuration %s has more than %d bytes", path, maxFile)
	}
	return Parse(path, text, def)
}

// Parse reads text over the defaults. The error is invalid, with everything that is wrong in the order of the file.
func Parse(file string, text []byte, def Config) (Config, error) {
	d := decoder{file: file, set: map[string]bool{}}
	c := def.clone()
	d.document(text, &c)
	c.derive(d.set, def)
	d.places(c)
	if len(d.problems) == 0 {
		return c, nil
	}
	slices.SortStableFunc(d.problems, func(a, b errs.Problem) int { return a.Line - b.Line })
	return Config{}, &errs.Error{
		Code: errs.Invalid, Message: "the configuration is not valid", Problems: d.problems,
		Hint: "configs/agentd.yaml of the sources describes every key",
	}
}
