package checkout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// session is a conversation with the host's git-upload-pack; go-git's HTTP one and ours over a pipe satisfy it.
type session interface {
	AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error)
	UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error)
	Close() error
}

// remote is a repository that answered.
type remote struct {
	session session
	adv     *packp.AdvRefs
}

// connect opens a session and reads what the host advertises.
func (j *job) connect(ctx context.Context, s source, w *watch) (*remote, error) {
	j.progress(Progress{Phase: Connecting, Repository: s.name})
	var (
		open session
		err  error
	)
	switch s.endpoint.Protocol {
	case "http", "https":
		open, err = j.openHTTP(s, w)
	case "ssh":
		open, err = j.openSSH(ctx, s, w)
	case "git":
		open, err = openGit(ctx, s, w)
	case "file":
		open, err = openFile(ctx, s, w)
	default:
		err = fmt.Errorf("unknown scheme %s", s.endpoint.Protocol)
	}
	if err != nil {
		return nil, in("connect", err)
	}
	adv, err := open.AdvertisedReferencesContext(ctx)
	if err != nil {
		open.Close() //nolint:errcheck // the first error is the one to tell
		return nil, in("read the branches", err)
	}
	transport.FilterUnsupportedCapabilities(adv.Capabilities)
	return &remote{open, adv}, nil
}

// head is the branch that the remote's HEAD is on, and its commit; the branch is empty if HEAD is detached.
func (r *remote) head() (branch plumbing.ReferenceName, commit plumbing.Hash, ok bool) {
	for _, s := range r.adv.Capabilities.Get(capability.SymRef) {
		if target, ok := strings.CutPrefix(s, "HEAD:"); ok {
			if h, ok := r.adv.References[target]; ok {
				return plumbing.ReferenceName(target), h, true
			}
		}
	}
	if r.adv.Head == nil {
		return "", plumbing.ZeroHash, false
	}
	// A host older than 2013, or a detached HEAD: the usual names first, then the first branch that is there.
	names := []string{"refs/heads/main", "refs/heads/master"}
	for _, n := range append(names, r.names("refs/heads/")...) {
		if h, ok := r.adv.References[n]; ok && h == *r.adv.Head {
			return plumbing.ReferenceName(n), h, true
		}
	}
	return "", *r.adv.Head, true
}

// names lists the advertised references under prefix, whole and sorted.
func (r *remote) names(prefix string) []string {
	var names []string
	for n := range r.adv.References {
		if strings.HasPrefix(n, prefix) && plumbing.ReferenceName(n).Validate() == nil {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// find resolves what a person calls a branch: a branch, else a tag, else a whole reference.
func (r *remote) find(name string) (plumbing.ReferenceName, plumbing.Hash, bool) {
	for _, full := range []string{"refs/heads/" + name, "refs/tags/" + name, name} {
		if h, ok := r.adv.References[full]; ok && strings.HasPrefix(full, "refs/") {
			if ref := plumbing.ReferenceName(full); ref.Validate() == nil {
				return ref, h, true
			}
		}
	}
	return "", plumbing.ZeroHash, false
}

// tells reports whether the host hands out commits that no reference is at.
func (r *remote) tells() bool {
	return r.adv.Capabilities.Supports(capability.AllowReachableSHA1InWant) ||
		r.adv.Capabilities.Supports(capability.Capability("allow-any-sha1-in-want"))
}

// advertised reports whether a reference is at h, which may then be asked for.
func (r *remote) advertised(h plumbing.Hash) bool {
	for _, v := range r.adv.References {
		if v == h {
			return true
		}
	}
	for _, v := range r.adv.Peeled {
		if v == h {
			return true
		}
	}
	return false
}

// ask requests the wants and returns the pack as it comes, and the commits that the history ends at if it is cut. The
// session is used up then.
func (r *remote) ask(
	ctx context.Context, wants, haves []plumbing.Hash, depth int, w *watch,
) (io.ReadCloser, []plumbing.Hash, error) {
	req := packp.NewUploadPackRequestFromCapabilities(r.adv.Capabilities)
	req.Wants, req.Haves, req.Depth = slices.Clone(wants), slices.Clone(haves), packp.DepthCommits(depth)
	for _, c := range []capability.Capability{capability.IncludeTag, capability.NoProgress} {
		if r.adv.Capabilities.Supports(c) {
			if err := req.Capabilities.Set(c); err != nil {
				return nil, nil, err
			}
		}
	}
	if depth > 0 {
		if !r.adv.Capabilities.Supports(capability.Shallow) {
			return nil, nil, errors.New("the host cannot cut the history short: leave x-agentd.git.depth out")
		}
		if err := req.Capabilities.Set(capability.Shallow); err != nil {
			return nil, nil, err
		}
	}
	answer, err := r.session.UploadPack(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	ends := append(slices.Clone(answer.Shallows), r.adv.Shallows...)
	var data io.Reader = &ticking{answer, w}
	if req.Capabilities.Supports(capability.Sideband64k) || req.Capabilities.Supports(capability.Sideband) {
		data = &sideband{packets: pktline.NewScanner(data)}
	}
	return struct {
		io.Reader
		io.Closer
	}{data, answer}, ends, nil
}

// refused reports whether err is a host's word that it does not hand out a commit by its hash.
func refused(err error) bool {
	return err != nil &&
		(strings.Contains(err.Error(), "not our ref") || strings.Contains(err.Error(), "unadvertised object"))
}

// ticking tells the watch of every byte.
type ticking struct {
	r io.Reader
	w *watch
}

func (t *ticking) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if n > 0 {
		t.w.tick()
	}
	return n, err
}
