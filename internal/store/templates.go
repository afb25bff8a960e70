package store

import (
	"slices"
	"strings"
	"sync"

	"agentd/internal/errs"
	"agentd/internal/template"
)

// Templates keeps the templates of all owners. It is safe for concurrent use. The revisions that it returns share
// their labels with the index: they are for reading only.
type Templates struct {
	store *Store

	// mu guards what follows; it is never held while a file is written.
	mu     sync.RWMutex
	owners map[uint32]*owner
	// byID says whose an id is.
	byID map[string]uint32
	// doubtful are the templates whose last change may or may not survive a power loss: they take no change before a
	// restart shows which.
	doubtful map[string]error
}

// owner is what is kept for one uid; an entry stays when his last template is gone.
type owner struct {
	// changing makes all changes of one owner's files one after another; take it before Templates.mu.
	changing sync.Mutex
	// durable is true once this process has synced the directories above his templates; changing guards it.
	durable bool
	// index is guarded by Templates.mu.
	index *index
}

func newTemplates(s *Store) *Templates {
	return &Templates{
		store: s, owners: make(map[uint32]*owner), byID: make(map[string]uint32), doubtful: make(map[string]error),
	}
}

// maxPrefix bounds the answers of ByPrefix: nobody reads more before he types more.
const maxPrefix = 10

// Head returns the newest revision of the template with that id, deleted or not.
func (t *Templates) Head(uid uint32, id string) (template.Revision, bool) {
	return t.one(uid, func(x *index) (*head, bool) {
		h, ok := x.heads[id]
		return h, ok
	})
}

// ByName returns the newest revision of the living template with that name.
func (t *Templates) ByName(uid uint32, name string) (template.Revision, bool) {
	return t.one(uid, func(x *index) (*head, bool) { return x.byName(name) })
}

// ByPrefix returns those whose id begins so, ten at most: the living, or the deleted.
func (t *Templates) ByPrefix(uid uint32, prefix string, deleted bool) []template.Revision {
	return t.some(uid, func(x *index) (found []*head) {
		for _, h := range x.ids.from(template.Revision{ID: prefix}) {
			if !strings.HasPrefix(h.rev.ID, prefix) || len(found) == maxPrefix {
				break
			}
			if h.rev.Deleted() == deleted {
				found = append(found, h)
			}
		}
		return found
	})
}

// DeletedByName returns the deleted templates that had that name, the newest deletion first.
func (t *Templates) DeletedByName(uid uint32, name string) []template.Revision {
	return t.some(uid, func(x *index) (found []*head) {
		for _, h := range x.deleted.from(template.Revision{Name: name}) {
			if h.rev.Name != name {
				break
			}
			found = append(found, h)
		}
		slices.SortStableFunc(found, func(a, b *head) int { return b.rev.Time.Compare(a.rev.Time) })
		return found
	})
}

// List returns at most limit templates, sorted by name and id, of those that come after (afterName, afterID): the
// living, or the deleted. Two empty strings are before all.
func (t *Templates) List(uid uint32, deleted bool, afterName, afterID string, limit int) []template.Revision {
	after := template.Revision{Name: afterName, ID: afterID}
	return t.some(uid, func(x *index) []*head {
		rest := x.named(deleted).from(after)
		if len(rest) > 0 && byName(&rest[0].rev, &after) == 0 {
			rest = rest[1:]
		}
		return slices.Clone(rest[:min(len(rest), max(limit, 0))])
	})
}

// Owners returns who has templates, living or deleted, in order.
func (t *Templates) Owners() []uint32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var uids []uint32
	for uid, o := range t.owners {
		if len(o.index.heads) > 0 {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	return uids
}

// Count returns how many living templates all owners have.
func (t *Templates) Count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := 0
	for _, o := range t.owners {
		n += len(o.index.live.heads)
	}
	return n
}

// Owner returns whose template that exact id is.
func (t *Templates) Owner(id string) (uint32, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	uid, ok := t.byID[id]
	return uid, ok
}

// one looks one template up.
func (t *Templates) one(uid uint32, find func(*index) (*head, bool)) (template.Revision, bool) {
	found := t.some(uid, func(x *index) []*head {
		if h, ok := find(x); ok {
			return []*head{h}
		}
		return nil
	})
	if len(found) == 0 {
		return template.Revision{}, false
	}
	return found[0], true
}

// some looks several up, and reads what is not in memory of them once the index is free again.
func (t *Templates) some(uid uint32, find func(*index) []*head) []template.Revision {
	t.mu.RLock()
	var found []*head
	if o, ok := t.owners[uid]; ok {
		found = find(o.index)
	}
	t.mu.RUnlock()
	revs := make([]template.Revision, 0, len(found))
	for _, h := range found {
		revs = append(revs, t.whole(h))
	}
	return revs
}

// whole is a head with all that it has. One that cannot be read in this moment lacks its labels: the list that it
// stands in is worth more.
func (t *Templates) whole(h *head) template.Revision {
	if !h.partial {
		return h.rev
	}
	p := place{t.store.state, h.rev.Owner, h.rev.ID, h.rev.Number}
	body, err := t.revision(p)
	if err != nil {
		return h.rev
	}
	return body.Revision
}

// owner returns what is kept for a uid, and makes it if need be.
func (t *Templates) owner(uid uint32) *owner {
	t.mu.Lock()
	defer t.mu.Unlock()
	o, ok := t.owners[uid]
	if !ok {
		o = &owner{index: newIndex()}
		t.owners[uid] = o
	}
	return o
}

// head returns the head of a template as it is in memory.
func (t *Templates) head(uid uint32, id string) (*head, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o, ok := t.owners[uid]
	if !ok {
		return nil, false
	}
	h, ok := o.index.heads[id]
	return h, ok
}

// put makes a revision the head of its template.
func (t *Templates) put(rev template.Revision) {
	o, h := t.owner(rev.Owner), newHead(rev)
	t.mu.Lock()
	defer t.mu.Unlock()
	o.index.put(h)
	if _, taken := t.byID[rev.ID]; !taken {
		t.byID[rev.ID] = rev.Owner
	}
}

// drop forgets a template.
func (t *Templates) drop(uid uint32, id string) {
	o := t.owner(uid)
	t.mu.Lock()
	defer t.mu.Unlock()
	o.index.drop(id)
	if t.byID[id] == uid {
		delete(t.byID, id)
	}
}

// settle forgets that a template was in doubt.
func (t *Templates) settle(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.doubtful, id)
}

// doubt says which template waits for a restart, nil if none does.
func (t *Templates) doubt() error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for id, err := range t.doubtful {
		return doubtError(id, err)
	}
	return nil
}

// doubtError refuses a change of a template whose last one may not survive.
func doubtError(id string, err error) error {
	return errs.New(errs.Unavailable,
		"template %s takes no changes: its last one could not be made durable: %w", id, err).
		WithHint("see dmesg for the fault of the disk, then restart agentd")
}
