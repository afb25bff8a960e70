package catalog

import (
	"strings"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/template"
)

// ownerOf says whose templates a request is about: the caller's own unless an administrator names another.
func ownerOf(caller identity.Caller, owner *uint32) (uint32, error) {
	if owner == nil || *owner == caller.UID {
		return caller.UID, nil
	}
	if !caller.Admin {
		return 0, errs.New(errs.Forbidden, "see the templates of uid %d: only administrators may", *owner).
			WithHint("leave out --owner to see your own")
	}
	return *owner, nil
}

// find returns the living template that ref names: an exact id, an exact name, or a unique prefix of an id, in that
// order. An administrator who names no owner reaches any template by its exact id.
func (c *Catalog) find(caller identity.Caller, owner *uint32, ref string) (template.Revision, error) {
	uid, err := ownerOf(caller, owner)
	if err != nil {
		return template.Revision{}, err
	}
	if head, ok := c.repo.Head(uid, ref); ok && !head.Deleted() {
		return head, nil
	}
	if head, ok := c.repo.ByName(uid, ref); ok {
		return head, nil
	}
	if owner == nil && caller.Admin {
		if other, ok := c.repo.Owner(ref); ok {
			if head, ok := c.repo.Head(other, ref); ok && !head.Deleted() {
				return head, nil
			}
		}
	}
	return onlyOne(c.repo.ByPrefix(uid, ref, false), ref, "template")
}

// findDeleted is find among the deleted ones; of several with one name it takes the one deleted last.
func (c *Catalog) findDeleted(caller identity.Caller, owner *uint32, ref string) (template.Revision, error) {
	uid, err := ownerOf(caller, owner)
	if err != nil {
		return template.Revision{}, err
	}
	if head, ok := c.repo.Head(uid, ref); ok && head.Deleted() {
		return head, nil
	}
	if named := c.repo.DeletedByName(uid, ref); len(named) > 0 {
		return named[0], nil
	}
	return onlyOne(c.repo.ByPrefix(uid, ref, true), ref, "deleted template")
}

// onlyOne accepts a unique match of a prefix. The words for none are the same whether there is nothing or it is
// somebody else's.
func onlyOne(found []template.Revision, ref, what string) (template.Revision, error) {
	switch {
	case len(found) == 1 && ref != "":
		return found[0], nil
	case len(found) == 0 || ref == "":
		return template.Revision{}, errs.New(errs.NotFound, "no %s %q", what, ref).
			WithHint("ctl sesstpl list shows what there is")
	}
	names := make([]string, 0, len(found))
	for _, r := range found {
		names = append(names, r.ID+" ("+r.Name+")")
	}
	return template.Revision{}, errs.New(errs.Ambiguous, "%q begins the ids of several templates: %s", ref,
		strings.Join(names, ", ")).WithHint("give more of the id, or the name")
}
