package catalog

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
)

// List returns a page of templates, sorted by name and id; with AllUsers, owner by owner.
func (c *Catalog) List(_ context.Context, caller identity.Caller, q api.ListQuery) (api.TemplateList, error) {
	owners, err := c.owners(caller, q)
	if err != nil {
		return api.TemplateList{}, err
	}
	limit := q.Limit
	if limit <= 0 || limit > api.MaxPage {
		limit = api.MaxPage
	}
	at, err := parseCursor(q.After)
	if err != nil {
		return api.TemplateList{}, err
	}
	page := api.TemplateList{Templates: []api.Template{}}
	for _, uid := range owners {
		if at.id != "" && uid < at.owner {
			continue
		}
		from := cursor{}
		if uid == at.owner {
			from = at
		}
		// One more than asked for tells whether there is a next page.
		want := limit - len(page.Templates) + 1
		for _, r := range c.repo.List(uid, q.Deleted, from.name, from.id, want) {
			if len(page.Templates) == limit {
				last := page.Templates[limit-1]
				page.Next = cursor{owner: last.OwnerUID, name: last.Name, id: last.ID}.String()
				return page, nil
			}
			page.Templates = append(page.Templates, c.describe(r))
		}
	}
	return page, nil
}

// owners lists whose templates q is about, in order.
func (c *Catalog) owners(caller identity.Caller, q api.ListQuery) ([]uint32, error) {
	if !q.AllUsers {
		uid, err := ownerOf(caller, q.Owner)
		return []uint32{uid}, err
	}
	if !caller.Admin {
		return nil, errs.New(errs.Forbidden, "list everybody's templates: only administrators may").
			WithHint("leave out --all-users to see your own")
	}
	owners := c.repo.Owners()
	slices.Sort(owners)
	return owners, nil
}

// cursor is the last entry of a page. It survives changes between two pages: the next one begins behind it.
type cursor struct {
	owner    uint32
	name, id string
}

func (c cursor) String() string {
	plain := strconv.FormatUint(uint64(c.owner), 10) + "\x00" + c.name + "\x00" + c.id
	return base64.RawURLEncoding.EncodeToString([]byte(plain))
}

func parseCursor(s string) (cursor, error) {
	if s == "" {
		return cursor{}, nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(s)
	parts := strings.Split(string(plain), "\x00")
	if err != nil || len(parts) != 3 || parts[2] == "" {
		return cursor{}, errs.New(errs.Invalid, "after=%q is not the 'next' of a page", s)
	}
	owner, err := strconv.ParseUint(parts[0], 10, 32)
	if err != nil {
		return cursor{}, errs.New(errs.Invalid, "after=%q is not the 'next' of a page", s)
	}
	return cursor{owner: uint32(owner), name: parts[1], id: parts[2]}, nil
}

// PurgeExpired removes for good what has been deleted for longer than it is kept. It is called at the start and once in
// a while; a failure of one is logged and hides no other.
func (c *Catalog) PurgeExpired(ctx context.Context) {
	due := c.now().Add(-c.keeping().Deleted)
	for _, uid := range c.repo.Owners() {
		name, id := "", ""
		for ctx.Err() == nil {
			page := c.repo.List(uid, true, name, id, api.MaxPage)
			for _, r := range page {
				name, id = r.Name, r.ID
				c.purgeIfDue(r, due)
			}
			if len(page) < api.MaxPage {
				break
			}
		}
	}
}
