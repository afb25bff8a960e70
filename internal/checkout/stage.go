package checkout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// Staging is the directory, relative to Root, that the work is done in. Where Run was killed it is to be removed.
func (r Request) Staging() string { return path.Base(r.Dir) + ".tmp." + r.Attempt }

// staging is the directory at work, until it is published.
type staging struct {
	req       Request
	root, dir *os.Root
	path      string
	made      []string // parents of Dir that publish made
}

var attemptName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// stage makes the staging directory.
func stage(req Request) (*staging, error) {
	if !filepath.IsAbs(req.Root) || !filepath.IsLocal(req.Dir) || filepath.Clean(req.Dir) == "." || !attemptName.MatchString(req.Attempt) {
		return nil, errs.New(errs.Invalid, "the directory %q in %q, attempt %q", req.Dir, req.Root, req.Attempt)
	}
	root, err := os.OpenRoot(req.Root)
	if err != nil {
		return nil, err
	}
	s := &staging{req: req, root: root, path: filepath.Join(req.Root, req.Staging())}
	if err = s.vacant(); err == nil {
		if err = root.Mkdir(req.Staging(), 0o755); err == nil {
			s.dir, err = root.OpenRoot(req.Staging())
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
	return unix.Renameat(int(from.Fd()), s.req.Staging(), int(to.Fd()), path.Base(dir))
}

// undo removes all that was made.
func (s *staging) undo(remove func(root, path string) error) error {
	err := remove(s.req.Root, s.req.Staging())
	for i := len(s.made) - 1; i >= 0; i-- {
		err = errors.Join(err, s.root.Remove(s.made[i]))
	}
	if err != nil {
		return fmt.Errorf("remove what was begun: %w", err)
	}
	return nil
}

func (s *staging) close() {
	s.dir.Close()  //nolint:errcheck // a directory
	s.root.Close() //nolint:errcheck // a directory
}
