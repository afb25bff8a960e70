package plan

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"agentd/internal/errs"
	"agentd/internal/template"
)

const fullCommit = 40

// checkout decides what is cloned from where, how much of its history, and where to.
func (r *resolver) checkout() {
	g := r.in.Template.Spec.Kernel.Git
	if g == nil {
		if r.in.Overrides.GitBranch != nil || r.in.Overrides.GitCommit != nil {
			r.wrong("checkout", "no-git", "--git-branch and --git-commit need a spec.kernel.git in the template")
		}
		return
	}
	c := &Checkout{
		Repository: r.filled("git.repository", g.Repository),
		Branch:     pick(r, "checkout.branch", r.in.Overrides.GitBranch, g.Branch),
		Commit:     pick(r, "checkout.commit", r.in.Overrides.GitCommit, g.Commit),
		Submodules: r.in.Template.Extension.Git.Submodules, HasCredential: g.Credential != nil,
	}
	c.Branch, c.Commit = r.filled("git.branch", c.Branch), strings.ToLower(r.filled("git.commit", c.Commit))
	r.checkWritten(c)
	if r.in.Overrides.GitBranch != nil && r.in.Overrides.GitCommit == nil {
		// The commit of the template belongs to the branch of the template.
		c.Commit = ""
	}
	c.URL = insteadOf(c.Repository, r.in.Facts.Policy.InsteadOf)
	r.from("checkout.repository", FromTemplate)
	r.scheme(c)
	r.checkoutTarget(c, g.DestinationDir)
	c.Depth = r.depth(c)
	r.plan.Checkout = c
}

// checkWritten applies the template's rules once more: a parameter or a flag may have brought the value.
func (r *resolver) checkWritten(c *Checkout) {
	_, err := template.CheckRepository(c.Repository)
	r.wrongErr("git.repository", "git-repository", err)
	if c.Branch != "" {
		r.wrongErr("git.branch", "git-branch", template.CheckBranch(c.Branch))
	}
	if c.Commit != "" {
		r.wrongErr("git.commit", "git-commit", template.CheckCommit(c.Commit))
	}
}

// insteadOf replaces the longest prefix that matches, as git's url.BASE.insteadOf does.
func insteadOf(url string, rules map[string]string) string {
	best := ""
	for prefix := range rules {
		if strings.HasPrefix(url, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	if best == "" {
		return url
	}
	return rules[best] + strings.TrimPrefix(url, best)
}

// scheme refuses what the config does not allow. What the config itself rewrote to is allowed by that.
func (r *resolver) scheme(c *Checkout) {
	scheme := Scheme(c.URL)
	if c.URL != c.Repository || slices.Contains(r.in.Facts.Policy.GitSchemes, scheme) {
		return
	}
	r.refuse(errs.New(errs.Forbidden, "clone %s: this agent does not fetch by %s, only by %s",
		c.Repository, scheme, strings.Join(r.in.Facts.Policy.GitSchemes, ", ")).
		WithHint("use another URL, or add %q to git.schemes in the config", scheme))
}

// Scheme is the transport of a repository's URL: that of the URL, ssh for the scp form, file for a path.
func Scheme(url string) string {
	if scheme, _, ok := strings.Cut(url, "://"); ok {
		return strings.ToLower(scheme)
	}
	if strings.HasPrefix(url, "/") {
		return "file"
	}
	return "ssh"
}

func (r *resolver) checkoutTarget(c *Checkout, written string) {
	if written == "" {
		r.from("checkout.target", FromDefault)
		name := strings.TrimSuffix(path.Base(strings.TrimRight(c.Repository, "/")), ".git")
		if i := strings.LastIndexByte(name, ':'); i >= 0 {
			name = name[i+1:]
		}
		written = cmp.Or(name, "repository")
	} else {
		r.from("checkout.target", FromTemplate)
	}
	target, err := template.CheckTarget(written)
	r.wrongErr("checkout.target", "target", err)
	c.Target = target
}

// depth fetches what is asked for and no more: one commit if it is named fully or is the tip of a branch, the branch's
// history if the name must be looked up in it.
func (r *resolver) depth(c *Checkout) int {
	if n := r.in.Template.Extension.Git.Depth; n > 0 {
		r.from("checkout.depth", FromTemplate)
		if c.Commit == "" || len(c.Commit) == fullCommit {
			return n
		}
	}
	r.from("checkout.depth", FromDefault)
	if c.Commit != "" && len(c.Commit) < fullCommit {
		where := "every branch"
		if c.Branch != "" {
			where = fmt.Sprintf("branch %s", c.Branch)
		}
		r.note("commit %s is abbreviated: the history of %s is fetched to find it; the full 40 digits are quicker",
			c.Commit, where)
		return 0
	}
	return 1
}
