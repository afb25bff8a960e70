package store

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"agentd/internal/template"
)

// head is the newest revision of a template, as kept in memory; it never changes once it is in an index.
type head struct {
	rev template.Revision
	// partial is true if the description and labels were too large to keep: they are read when they are asked for.
	partial bool
}

// maxKept bounds the bytes of description and labels that are kept in memory for one template.
const maxKept = 1 << 10

// newHead keeps what fits of a revision, in memory that nobody else holds.
func newHead(rev template.Revision) *head {
	rev.Time, rev.Created = rev.Time.UTC().Round(0), rev.Created.UTC().Round(0)
	size := len(rev.Description)
	for k, v := range rev.Labels {
		size += len(k) + len(v)
	}
	if size > maxKept {
		rev.Description, rev.Labels = "", nil
		return &head{rev: rev, partial: true}
	}
	rev.Labels = maps.Clone(rev.Labels)
	if len(rev.Labels) == 0 {
		rev.Labels = nil
	}
	return &head{rev: rev}
}

// order is a sorted list of heads.
type order struct {
	heads []*head
	less  func(a, b *template.Revision) int
}

// byName sorts by name and id, byID by id.
func byName(a, b *template.Revision) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
}

func byID(a, b *template.Revision) int { return strings.Compare(a.ID, b.ID) }

// search returns the place of the first head that is not before r.
func (o *order) search(r *template.Revision) (at int, found bool) {
	return slices.BinarySearchFunc(o.heads, r, func(h *head, r *template.Revision) int { return o.less(&h.rev, r) })
}

func (o *order) insert(h *head) {
	at, _ := o.search(&h.rev)
	o.heads = slices.Insert(o.heads, at, h)
}

func (o *order) remove(h *head) {
	if at, found := o.search(&h.rev); found {
		o.heads = slices.Delete(o.heads, at, at+1)
	}
}

// from returns what is not before r.
func (o *order) from(r template.Revision) []*head {
	at, _ := o.search(&r)
	return o.heads[at:]
}

// index holds the heads of one owner. Nothing in it grows with the number of revisions.
type index struct {
	heads         map[string]*head
	live, deleted order
	ids           order
}

func newIndex() *index {
	return &index{
		heads: make(map[string]*head),
		live:  order{less: byName}, deleted: order{less: byName}, ids: order{less: byID},
	}
}

// named is the order that a head belongs into beside that of the ids.
func (x *index) named(deleted bool) *order {
	if deleted {
		return &x.deleted
	}
	return &x.live
}

// put replaces the head of a template, or adds it.
func (x *index) put(h *head) {
	x.drop(h.rev.ID)
	x.heads[h.rev.ID] = h
	x.named(h.rev.Deleted()).insert(h)
	x.ids.insert(h)
}

// drop forgets a template.
func (x *index) drop(id string) {
	old, ok := x.heads[id]
	if !ok {
		return
	}
	delete(x.heads, id)
	x.named(old.rev.Deleted()).remove(old)
	x.ids.remove(old)
}

// byName returns the living template of that name. There is one at most, unless damage brought an old name back: then
// the one that was written last has it.
func (x *index) byName(name string) (*head, bool) {
	var found *head
	for _, h := range x.live.from(template.Revision{Name: name}) {
		if h.rev.Name != name {
			break
		}
		if found == nil || h.rev.Time.After(found.rev.Time) {
			found = h
		}
	}
	return found, found != nil
}
