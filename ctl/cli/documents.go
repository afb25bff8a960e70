package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
)

// stdinName is how standard input is called in -f and in problems.
const stdinName = "-"

// addFiles gives cmd the flag -f/--file.
func addFiles(cmd *cobra.Command) *[]string {
	files := cmd.Flags().StringArrayP("file", "f", nil,
		"`file` with the templates, a directory of such files, or - for standard input; may come several times")
	return files
}

// documents reads what -f names, or standard input if that is a pipe or a file and -f was not given.
func (a *app) documents(cmd *cobra.Command, files []string) ([]client.Document, error) {
	if len(files) == 0 {
		if terminal(a.In) != nil {
			return nil, errs.New(errs.Usage, "%s: no document", called(cmd)).
				WithHint("name a file: %s -f FILE - or pipe one in: %s < FILE", cmd.CommandPath(), cmd.CommandPath())
		}
		files = []string{stdinName}
	}
	var docs []client.Document
	seen := map[string]bool{}
	for _, name := range files {
		if seen[name] {
			return nil, usage(cmd, "-f %s comes twice", name)
		}
		seen[name] = true
		found, err := a.read(name)
		if err != nil {
			return nil, err
		}
		docs = append(docs, found...)
	}
	return docs, nil
}

// document reads the one document of a command that takes one.
func (a *app) document(cmd *cobra.Command, file string) (client.Document, error) {
	var files []string
	if file != "" {
		files = []string{file}
	}
	docs, err := a.documents(cmd, files)
	if err != nil {
		return client.Document{}, err
	}
	if len(docs) != 1 {
		return client.Document{}, usage(cmd, "-f %s is a directory", file)
	}
	return docs[0], nil
}

// read reads a file, the files of a directory, or standard input.
func (a *app) read(name string) ([]client.Document, error) {
	if name == stdinName {
		doc, err := readAll(stdinName, a.In)
		return []client.Document{doc}, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fileError(err)
	}
	if !info.IsDir() {
		doc, err := readFile(name)
		return []client.Document{doc}, err
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, fileError(err)
	}
	var docs []client.Document
	for _, e := range entries {
		if e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) {
			continue
		}
		doc, err := readFile(filepath.Join(name, e.Name()))
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	if len(docs) == 0 {
		return nil, errs.New(errs.Invalid, "%s: no file in it ends in .yaml, .yml or .json", name)
	}
	return docs, nil
}

func readFile(name string) (client.Document, error) {
	f, err := os.Open(name)
	if err != nil {
		return client.Document{}, fileError(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	return readAll(name, f)
}

// readAll reads no more than agentd would take.
func readAll(name string, r io.Reader) (client.Document, error) {
	text, err := io.ReadAll(io.LimitReader(r, api.MaxRequestBytes+1))
	if err != nil {
		return client.Document{}, fileError(err)
	}
	if len(text) > api.MaxRequestBytes {
		return client.Document{}, errs.New(errs.TooLarge, "%s: over %d bytes", name, api.MaxRequestBytes)
	}
	return client.Document{Name: name, Text: text}, nil
}

// fileError is the failure to read a file of the caller's own: it is not about a template, so it is never "not found".
func fileError(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return errs.New(errs.Invalid, "%s %s: %w", e.Op, e.Path, e.Err)
	}
	return errs.New(errs.Invalid, "%w", err)
}
