package checkout

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/config"

	"agentd/internal/errs"
)

// maxNesting bounds submodules in submodules.
const maxNesting = 5

// top is the directory of the whole clone, and its path for go-git.
type top struct {
	dir  *os.Root
	path string
}

// place is where a repository is, beneath the top: its work tree, and its repository.
type place struct {
	work, git string
	depth     int
}

// submodules fetches those of a repository at its exact commits, and theirs. The layout is git's own: the repositories
// lie in .git/modules, the work trees have a file that says so.
func (j *job) submodules(ctx context.Context, t top, p place, parent source, m *made) error {
	if len(m.links) == 0 {
		return nil
	}
	if p.depth >= maxNesting {
		j.warn("submodules of submodules of %s are not fetched beyond %d levels", parent.name, maxNesting)
		return nil
	}
	modules := config.NewModules()
	if err := modules.Unmarshal(m.modules); err != nil {
		return in("read .gitmodules", errs.New(errs.Invalid, "%s", clean(err.Error(), 200)))
	}
	for _, link := range m.links {
		mod := moduleAt(modules, link.path)
		if mod == nil {
			j.warn("no URL in .gitmodules for the submodule %s%s", prefix(p), link.path)
			continue
		}
		if err := j.submodule(ctx, t, p, parent, link, mod); err != nil {
			return err
		}
	}
	return nil
}

func prefix(p place) string {
	if p.work == "." {
		return ""
	}
	return p.work + "/"
}

func moduleAt(modules *config.Modules, at string) *config.Submodule {
	for _, m := range modules.Submodules {
		if path.Clean(m.Path) == at && m.Validate() == nil && filepath.IsLocal(m.Name) {
			return m
		}
	}
	return nil
}

func (j *job) submodule(ctx context.Context, t top, p place, parent source, link gitlink, mod *config.Submodule) error {
	at := place{path.Join(p.work, link.path), path.Join(p.git, "modules", mod.Name), p.depth + 1}
	s, err := j.childSource(parent, mod.URL)
	if err != nil {
		return in("submodule "+clean(at.work, 200), err)
	}
	fail := func(err error) error { return j.explain(ctx, s, "submodule "+clean(at.work, 200), err) }
	// Neither path leads anywhere else: what lies there was made by this code, and is no link.
	if err := t.dir.MkdirAll(at.git, dirMode); err != nil {
		return fail(err)
	}
	for dir := at.git; dir != ".git" && dir != "."; dir = path.Dir(dir) {
		if err := t.dir.Chmod(dir, dirMode); err != nil {
			return fail(err)
		}
	}
	git, err := t.dir.OpenRoot(at.git)
	if err != nil {
		return fail(err)
	}
	defer git.Close() //nolint:errcheck // a directory
	work, err := t.dir.OpenRoot(at.work)
	if err != nil {
		return fail(err)
	}
	defer work.Close() //nolint:errcheck // a directory
	if err := j.pointer(work, at); err != nil {
		return fail(err)
	}
	exact := aim{commit: link.commit.String(), depth: j.req.Checkout.Depth, exact: true}
	m, err := j.buildIn(ctx, work, git, path.Join(t.path, at.git), s, exact)
	if err == nil {
		err = j.register(t, p, at, mod, s)
	}
	if err != nil {
		return fail(err)
	}
	j.mu.Lock()
	j.fetched = append(j.fetched, at.work)
	j.mu.Unlock()
	return j.submodules(ctx, t, at, s, m)
}

// pointer writes the work tree's file .git.
func (j *job) pointer(work *os.Root, at place) error {
	rel, err := filepath.Rel(at.work, at.git)
	if err != nil {
		return err
	}
	return j.writeFile(work, ".git", "gitdir: "+rel+"\n")
}

// register tells both repositories of one another, as `git submodule update --init` does.
func (j *job) register(t top, p, at place, mod *config.Submodule, s source) error {
	rel, err := filepath.Rel(at.git, at.work)
	if err != nil {
		return err
	}
	if err := appendFile(t.dir, at.git+"/config", "[core]\n\tworktree = "+configValue(rel)+"\n"); err != nil {
		return err
	}
	text := fmt.Sprintf("[submodule %s]\n\tactive = true\n\turl = %s\n", configQuote(mod.Name), configValue(s.name))
	return appendFile(t.dir, p.git+"/config", text)
}

func appendFile(in *os.Root, name, text string) (err error) {
	f, err := in.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.WriteString(text)
	return err
}

// childSource resolves a URL of .gitmodules. It comes from outside: the schemes that are allowed hold for it, a path on
// this machine is none of its business, and the parent's login goes along only to the very same scheme, host and port.
func (j *job) childSource(parent source, raw string) (source, error) {
	name := raw
	if strings.HasPrefix(raw, "./") || strings.HasPrefix(raw, "../") {
		var err error
		if name, err = resolveURL(parent.name, raw); err != nil {
			return source{}, err
		}
		if raw, err = resolveURL(parent.url, raw); err != nil {
			return source{}, err
		}
	}
	rewritten := j.instead(raw)
	s, err := j.locate(rewritten, rewritten != raw)
	if err != nil {
		return source{}, err
	}
	if s.endpoint.Protocol == "file" && parent.endpoint.Protocol != "file" {
		return source{}, errs.New(errs.Forbidden, "a submodule from the path %s of this machine", clean(raw, 200)).
			WithHint("the repository's author cannot mean a path here: leave x-agentd.git.submodules out")
	}
	s.name = name
	if parent.login != nil && parent.sameOrigin(s) {
		s.login = parent.login
	}
	return s, nil
}

// instead rewrites the beginning of a URL as the configuration says; the longest beginning counts.
func (j *job) instead(raw string) string {
	best := ""
	for from := range j.req.InsteadOf {
		if strings.HasPrefix(raw, from) && len(from) > len(best) {
			best = from
		}
	}
	if best == "" {
		return raw
	}
	return j.req.InsteadOf[best] + raw[len(best):]
}

// resolveURL resolves ./ and ../ against a repository's URL, of whatever form.
func resolveURL(base, rel string) (string, error) {
	base = strings.TrimSuffix(base, "/")
	if strings.HasPrefix(base, "/") {
		if joined, ok := climb(base, rel); ok {
			return joined, nil
		}
	}
	if u, err := url.Parse(base); err == nil && u.Scheme != "" && (u.Host != "" || u.Scheme == "file") {
		joined, ok := climb(u.Path, rel)
		if !ok {
			return "", errs.New(errs.Invalid, "the submodule's URL %q leads above %s", clean(rel, 200), scrub(base))
		}
		u.Path, u.RawPath = joined, ""
		return u.String(), nil
	}
	host, dir, ok := strings.Cut(base, ":")
	joined, up := climb(dir, rel)
	if !ok || !up {
		return "", errs.New(errs.Invalid, "the submodule's URL %q does not fit %s", clean(rel, 200), scrub(base))
	}
	return host + ":" + joined, nil
}

func climb(dir, rel string) (string, bool) {
	rooted := strings.HasPrefix(dir, "/")
	parts := slices.DeleteFunc(strings.Split(dir, "/"), func(s string) bool { return s == "" })
	for seg := range strings.SplitSeq(rel, "/") {
		switch seg {
		case "", ".":
		case "..":
			if len(parts) == 0 {
				return "", false
			}
			parts = parts[:len(parts)-1]
		default:
			parts = append(parts, seg)
		}
	}
	joined := strings.Join(parts, "/")
	if rooted {
		joined = "/" + joined
	}
	return joined, joined != "" && joined != "/"
}
