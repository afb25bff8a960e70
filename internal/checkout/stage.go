package checkout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// staging is the directory, relative to Root, that the work is done in.
func (r Request) staging() string { return path.Base(r.Dir) + ".tmp." + r.Attempt }

// staging is the directory at work, until it is published.
type staging struct {
	req       Request
	root, dir *os.Root
	path      string
	made      []string // parents of Dir that publish made
}

var attemptName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// check refuses what no agentd asks for.
func (r Request) check() error {
	place := filepath.IsAbs(r.Root) && filepath.IsLocal(r.Dir) && filepath.Clean(r.Dir) != "."
	if !place || !attemptName.MatchString(r.Attempt) {
		return errs.New(errs.Invalid, "the directory %q in %q, attempt %q", r.Dir, r.Root, r.Attempt)
	}
	return nil
}

// stage makes the staging directory.
func stage(req Request) (*staging, error) {
	if err := req.check(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(req.Root)
	if err != nil {
		return nil, err
	}
	s := &staging{req: req, root: root, path: filepath.Join(req.Root, req.staging())}
	if err = s.vacant(); err == nil {
		if err = root.Mkdir(req.staging(), 0o755); err == nil {
			s.dir, err = root.OpenRoot(req.staging())
		}
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

// vacant checks early what publish will insist on.
func (s *staging) vacant() error {
	f, err := s.root.Open(s.req.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	if names, err := f.Readdirnames(1); len(names) > 0 || errors.Is(err, unix.ENOTDIR) {
		return occupied(s.req)
	}
	return nil
}

func occupied(req Request) error {
	return errs.New(errs.Conflict, "%s is there already and is not an empty directory", req.Checkout.Target).
		WithHint("give another destination_dir, or begin with an empty directory")
}

// publish moves the complete clone to its place.
func (s *staging) publish() error {
	if err := s.dir.WriteFile(marker, []byte(s.req.Attempt), fileMode); err != nil {
		return err
	}
	dir := filepath.Clean(s.req.Dir)
	for i, c := range dir {
		if c != '/' {
			continue
		}
		switch err := s.root.Mkdir(dir[:i], 0o755); {
		case err == nil:
			s.made = append(s.made, dir[:i])
			// The helper's umask has taken bits away.
			if err := s.root.Chmod(dir[:i], 0o755); err != nil {
				return err
			}
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	err := s.rename(dir)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.ENOTDIR) {
		return occupied(s.req)
	}
	return err
}

// rename is rename(2), which replaces an empty directory; [os.Root.Rename] refuses to.
func (s *staging) rename(dir string) error {
	from, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // a directory
	to, err := s.root.Open(path.Dir(dir))
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // a directory
	return unix.Renameat(int(from.Fd()), s.req.staging(), int(to.Fd()), path.Base(dir))
}

// undo removes all that was made.
func (s *staging) undo(remove func(root, path string) error) error {
	err := s.req.undo(remove)
	for _, dir := range slices.Backward(s.made) {
		err = errors.Join(err, s.root.Remove(dir))
	}
	return err
}

// marker is the file that holds the name of the attempt, from before the clone is published until it is confirmed.
const marker = ".git/agentd-attempt"

// undo removes what the attempt has left in Root: the staging directory, and the clone if it carries the attempt's name.
func (r Request) undo(remove func(root, path string) error) error {
	if err := r.check(); err != nil {
		return err
	}
	err := remove(r.Root, r.staging())
	if r.marked() {
		err = errors.Join(err, remove(r.Root, r.Dir))
	}
	if err != nil {
		return fmt.Errorf("remove what was begun: %w", err)
	}
	return nil
}

func (r Request) marked() bool {
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return false
	}
	defer root.Close() //nolint:errcheck // a directory
	text, err := root.ReadFile(filepath.Join(r.Dir, marker))
	return err == nil && string(text) == r.Attempt
}

// confirm takes the attempt's name off.
func (r Request) confirm() error {
	if err := r.check(); err != nil {
		return err
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // a directory
	return root.Remove(filepath.Join(r.Dir, marker))
}

func (s *staging) close() {
	s.dir.Close()  //nolint:errcheck // a directory
	s.root.Close() //nolint:errcheck // a directory
}
