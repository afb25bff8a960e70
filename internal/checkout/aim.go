package checkout

import (
	"regexp"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"agentd/internal/errs"
	"agentd/internal/nearword"
	"agentd/internal/plan"
)

// aim is the state of a repository that a checkout is to be made of.
type aim struct {
	branch, commit string
	depth          int
	// exact is for submodules: nothing but the commit counts, and no branch is made.
	exact bool
}

func aimOf(c plan.Checkout) aim {
	return aim{branch: c.Branch, commit: strings.ToLower(c.Commit), depth: c.Depth}
}

// attempt is one request to the host that may bring what is aimed at.
type attempt struct {
	wants []plumbing.Hash
	depth int
}

// way is how to get there: the reference that was named, or the remote's HEAD, and what to try in order.
type way struct {
	ref      plumbing.ReferenceName // empty for a detached remote HEAD
	tip      plumbing.Hash          // what ref is at; zero only with aim.exact
	attempts []attempt
}

var hexadecimal = regexp.MustCompile(`^[0-9a-f]{4,40}$`)

// fullHash is the length of a whole commit hash.
const fullHash = 40

// plan decides what to ask for, from what the host advertises.
func (a aim) plan(r *remote) (way, error) {
	w, err := a.start(r)
	if err != nil {
		return way{}, err
	}
	if a.commit == "" {
		w.attempts = []attempt{{[]plumbing.Hash{w.tip}, a.depth}}
		return w, nil
	}
	if !hexadecimal.MatchString(a.commit) {
		return way{}, errs.New(errs.Invalid, "%q is no commit: 4 to 40 hexadecimal digits are wanted", a.commit).
			WithHint("give the name of a branch or tag as branch")
	}
	var tip []plumbing.Hash
	if !w.tip.IsZero() {
		tip = []plumbing.Hash{w.tip}
	}
	if len(a.commit) == fullHash {
		commit := plumbing.NewHash(a.commit)
		if r.tells() || r.advertised(commit) {
			first := attempt{[]plumbing.Hash{commit}, a.depth}
			if a.depth == 0 && !a.exact {
				// The whole history is wanted anyway: then the branch's as well, in the same answer.
				first.wants = unique(append(first.wants, tip...))
			}
			w.attempts = append(w.attempts, first)
		}
	}
	// Without the host's leave to name a commit, its whole history has to come: the branch's first, then all.
	if len(tip) > 0 && (a.branch != "" || len(a.commit) == fullHash) {
		w.attempts = append(w.attempts, attempt{tip, 0})
	}
	var all []plumbing.Hash
	for _, name := range append(r.names("refs/heads/"), r.names("refs/tags/")...) {
		all = append(all, r.adv.References[name])
	}
	if all = unique(all); len(all) > 0 {
		w.attempts = append(w.attempts, attempt{all, 0})
	}
	return w, nil
}

// start finds the branch, or the remote's HEAD.
func (a aim) start(r *remote) (way, error) {
	if a.exact {
		return way{}, nil
	}
	if a.branch != "" {
		ref, tip, ok := r.find(a.branch)
		if !ok {
			return way{}, r.noBranch(a.branch)
		}
		return way{ref: ref, tip: tip}, nil
	}
	ref, tip, ok := r.head()
	if !ok && a.commit == "" {
		return way{}, errs.New(errs.NotFound, "the host does not say which branch is the main one").
			WithHint("%s", near("", r.short()))
	}
	return way{ref: ref, tip: tip}, nil
}

func (r *remote) noBranch(name string) error {
	e := errs.New(errs.NotFound, "no branch or tag %q", name)
	if hexadecimal.MatchString(name) {
		return e.WithHint("it looks like a commit: give it as commit")
	}
	return e.WithHint("%s", near(name, r.short()))
}

// short lists the names of branches and tags as people write them.
func (r *remote) short() []string {
	var names []string
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		for _, n := range r.names(prefix) {
			names = append(names, strings.TrimPrefix(n, prefix))
		}
	}
	return names
}

func unique(hashes []plumbing.Hash) []plumbing.Hash {
	seen := make(map[plumbing.Hash]bool, len(hashes))
	return slices.DeleteFunc(hashes, func(h plumbing.Hash) bool {
		defer func() { seen[h] = true }()
		return seen[h]
	})
}

// maxNear is how many names an error proposes.
const maxNear = 5

// near proposes those of names that come closest to the wanted one.
func near(wanted string, names []string) string {
	if len(names) == 0 {
		return "there are none"
	}
	slices.SortStableFunc(names, func(a, b string) int { return nearword.Distance(wanted, a) - nearword.Distance(wanted, b) })
	more := ""
	if len(names) > maxNear {
		names, more = names[:maxNear], ", ..."
	}
	for i, n := range names {
		names[i] = clean(n, 80)
	}
	return "there are: " + strings.Join(names, ", ") + more
}
