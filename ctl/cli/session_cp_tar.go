package cli

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	"agentd/internal/errs"
	"agentd/internal/filecopy"
)

// tarSink writes what comes as an archive.
type tarSink struct{ w *tar.Writer }

func newTarSink(w io.Writer) *tarSink { return &tarSink{tar.NewWriter(w)} }

// header is an entry's. The names begin with that of the root.
func (t *tarSink) header(e filecopy.Entry, kind byte) *tar.Header {
	name := string(e.Path)
	switch {
	case name == "" && kind == tar.TypeDir:
		name = "."
	case name == "":
		name = string(e.Name)
	}
	if kind == tar.TypeDir {
		name += "/"
	}
	return &tar.Header{
		Typeflag: kind, Name: name, Linkname: string(e.Target), Mode: int64(e.Mode), ModTime: time.Unix(0, e.Time),
		Size: max(e.Size, 0), Format: tar.FormatPAX,
	}
}

// Put writes a directory or a link.
func (t *tarSink) Put(e filecopy.Entry) error {
	kind := byte(tar.TypeDir)
	if e.Kind == filecopy.Link {
		kind = tar.TypeSymlink
	}
	return stopped(t.w.WriteHeader(t.header(e, kind)))
}

// Create begins a file; an archive knows its size beforehand.
func (t *tarSink) Create(e filecopy.Entry, _ bool) (filecopy.Body, int64, error) {
	if e.Size < 0 {
		return nil, 0, errs.New(errs.Invalid, "its size is not known beforehand")
	}
	return &tarBody{w: t.w, left: e.Size}, 0, stopped(t.w.WriteHeader(t.header(e, tar.TypeReg)))
}

// Finish ends the archive.
func (t *tarSink) Finish() error { return t.w.Close() }

// stopped marks an error of the archive, after which it is none any more.
func stopped(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(filecopy.ErrStop, err)
}

// tarBody is a file in an archive. One that grew is cut at the size that was said, one that shrank is filled up.
type tarBody struct {
	w    *tar.Writer
	left int64
}

// Write writes what still belongs to the file.
func (b *tarBody) Write(p []byte) (int, error) {
	n := min(int64(len(p)), b.left)
	b.left -= n
	if _, err := b.w.Write(p[:n]); err != nil {
		return 0, stopped(err)
	}
	return len(p), nil
}

// Hole writes zeros.
func (b *tarBody) Hole(n int64) error {
	return filecopy.Stream{Writer: b}.Hole(n)
}

// Close fills up.
func (b *tarBody) Close(bool) error { return b.Hole(b.left) }

// tarSource yields what is in an archive. Its names are what its maker wrote: those that lead out of it are left out, and
// the receiver checks them again.
func tarSource(r io.Reader) func(filecopy.Yield) error {
	return func(yield filecopy.Yield) error {
		s := &tarWalk{yield: yield}
		if err := yield(filecopy.Entry{Kind: filecopy.Dir, Mode: 0o755, Time: time.Now().UnixNano()}, nil); err != nil {
			return err
		}
		for t := tar.NewReader(r); ; {
			h, err := t.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return errs.New(errs.Invalid, "standard input is no tar archive, or a damaged one: %w", err)
			}
			if err := s.member(h, t); err != nil {
				return err
			}
		}
	}
}

// tarWalk brings members into the order that a copy wants: each behind the directories that it lies in.
type tarWalk struct {
	yield filecopy.Yield
	// open are the directories of the newest member, from the top.
	open []string
}

func (s *tarWalk) member(h *tar.Header, body io.Reader) error {
	at := path.Clean(strings.TrimLeft(h.Name, "/"))
	e := filecopy.Entry{
		Path: []byte(at), Mode: uint32(h.Mode & 0o777), //nolint:gosec // nine bits
		Time: h.ModTime.UnixNano(), Size: h.Size, Target: []byte(h.Linkname),
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		e.Kind = filecopy.File
	case tar.TypeDir:
		e.Kind, e.Size = filecopy.Dir, 0
	case tar.TypeSymlink:
		e.Kind = filecopy.Link
	case tar.TypeXGlobalHeader:
		return nil
	default:
		e.Kind, e.Text, e.Skipped = filecopy.Problem, "left out: neither a file nor a directory nor a symbolic link", true
	}
	if at == ".." || strings.HasPrefix(at, "../") {
		e.Kind, e.Text, e.Skipped = filecopy.Problem, "left out: the name leads out of the archive", false
	}
	if e.Kind == filecopy.Problem {
		return s.yield(e, nil)
	}
	if at == "." {
		return nil
	}
	if err := s.enter(path.Dir(at)); err != nil {
		return err
	}
	if e.Kind == filecopy.Dir {
		s.open = append(s.open, at)
	}
	return s.yield(e, body)
}

// enter opens the directories down to dir that are not open.
func (s *tarWalk) enter(dir string) error {
	for len(s.open) > 0 && dir != s.open[len(s.open)-1] && !strings.HasPrefix(dir, s.open[len(s.open)-1]+"/") {
		s.open = s.open[:len(s.open)-1]
	}
	have := "."
	if len(s.open) > 0 {
		have = s.open[len(s.open)-1]
	}
	if dir == have {
		return nil
	}
	rest := dir
	if have != "." {
		rest = strings.TrimPrefix(dir, have+"/")
	}
	for name := range strings.SplitSeq(rest, "/") {
		have = path.Join(have, name)
		s.open = append(s.open, have)
		e := filecopy.Entry{Kind: filecopy.Dir, Path: []byte(have), Mode: 0o755, Time: time.Now().UnixNano()}
		if err := s.yield(e, nil); err != nil {
			return err
		}
	}
	return nil
}
