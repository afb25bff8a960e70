package supervisor

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/session"
)

// index finds sessions by id, by owner and by name. No question that is asked all day (a launch, a list of the living, a
// name) costs more because many have ended.
type index struct {
	byID   map[string]*live
	byName map[nameKey]*live
	byKey  map[idempotency]*live
	owners map[uint32]*owned
	// prefixes are the sessions by the first characters of their ids.
	prefixes map[string]map[string]*live
}

// owned are one owner's sessions.
type owned struct {
	living, ended map[string]*live
	// named are the ended ones by name, the newest last.
	named map[string][]*live
}

type nameKey struct {
	owner uint32
	name  string
}

type idempotency struct {
	submitter uint32
	key       string
}

func newIndex() index {
	return index{
		byID: map[string]*live{}, byName: map[nameKey]*live{}, byKey: map[idempotency]*live{},
		owners: map[uint32]*owned{}, prefixes: map[string]map[string]*live{},
	}
}

// bucket is as much of an id as one part of the index is for: 4096 parts.
func bucket(id string) string { return id[:min(len(id), 4)] }

func (x *index) add(l *live, rec session.Record) {
	x.byID[rec.ID] = l
	b := bucket(rec.ID)
	if x.prefixes[b] == nil {
		x.prefixes[b] = map[string]*live{}
	}
	x.prefixes[b][rec.ID] = l
	o := x.owners[rec.Owner]
	if o == nil {
		o = &owned{living: map[string]*live{}, ended: map[string]*live{}, named: map[string][]*live{}}
		x.owners[rec.Owner] = o
	}
	o.living[rec.ID] = l
	x.byName[nameKey{rec.Owner, rec.Plan.Name}] = l
	if rec.IdempotencyKey != "" {
		x.byKey[idempotency{rec.Submitter, rec.IdempotencyKey}] = l
	}
	if rec.Status.Final() {
		x.ended(l, rec)
	}
}

// ended frees the name.
func (x *index) ended(l *live, rec session.Record) {
	k := nameKey{rec.Owner, rec.Plan.Name}
	if x.byName[k] == l {
		delete(x.byName, k)
	}
	o := x.owners[rec.Owner]
	if o == nil || o.living[rec.ID] == nil {
		return
	}
	delete(o.living, rec.ID)
	o.ended[rec.ID] = l
	list := o.named[k.name]
	at, _ := slices.BinarySearchFunc(list, l, older)
	o.named[k.name] = slices.Insert(list, at, l)
}

// older orders sessions by their creation.
func older(a, b *live) int { return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.id, b.id)) }

func (x *index) remove(l *live, rec session.Record) {
	x.ended(l, rec)
	delete(x.byID, rec.ID)
	if b := bucket(rec.ID); len(x.prefixes[b]) > 1 {
		delete(x.prefixes[b], rec.ID)
	} else {
		delete(x.prefixes, b)
	}
	if k := (idempotency{rec.Submitter, rec.IdempotencyKey}); x.byKey[k] == l {
		delete(x.byKey, k)
	}
	o := x.owners[rec.Owner]
	if o == nil {
		return
	}
	delete(o.ended, rec.ID)
	list := o.named[rec.Plan.Name]
	if at, found := slices.BinarySearchFunc(list, l, older); found {
		o.named[rec.Plan.Name] = slices.Delete(list, at, at+1)
	}
	if len(o.named[rec.Plan.Name]) == 0 {
		delete(o.named, rec.Plan.Name)
	}
	if len(o.living)+len(o.ended) == 0 {
		delete(x.owners, rec.Owner)
	}
}

// of lists the sessions of an owner, or of everybody, in no order.
func (x *index) of(owner uint32, all, ended bool) []*live {
	var list []*live
	take := func(o *owned) {
		list = slices.AppendSeq(list, maps.Values(o.living))
		if ended {
			list = slices.AppendSeq(list, maps.Values(o.ended))
		}
	}
	if all {
		for _, o := range x.owners {
			take(o)
		}
	} else if o := x.owners[owner]; o != nil {
		take(o)
	}
	return list
}

// beginning lists the sessions whose ids begin with prefix.
func (x *index) beginning(prefix string) []*live {
	var found []*live
	take := func(part map[string]*live) {
		for id, l := range part {
			if strings.HasPrefix(id, prefix) {
				found = append(found, l)
			}
		}
	}
	if b := bucket(prefix); len(b) == len(bucket("sxxxx")) {
		take(x.prefixes[b])
		return found
	}
	for b, part := range x.prefixes {
		if strings.HasPrefix(b, prefix) {
			take(part)
		}
	}
	return found
}

// find returns the session that ref names for the caller: an exact id, the exact name of a living session, the name of
// the newest ended one, or a unique prefix of an id, in that order. Somebody else's is not there.
func (s *Supervisor) find(caller identity.Caller, ref string) (*live, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.index.byID[ref]; ok && visible(caller, l) {
		return l, nil
	}
	if l, ok := s.index.byName[nameKey{caller.UID, ref}]; ok {
		return l, nil
	}
	if o := s.index.owners[caller.UID]; o != nil {
		if named := o.named[ref]; len(named) > 0 {
			return named[len(named)-1], nil
		}
	}
	if ref == "" {
		return unique(nil, ref)
	}
	prefixed := slices.DeleteFunc(s.index.beginning(ref), func(l *live) bool { return !visible(caller, l) })
	return unique(prefixed, ref)
}

func unique(found []*live, ref string) (*live, error) {
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, errs.New(errs.NotFound, "no session %q", ref).WithHint("ctl session ls --all shows what there is")
	}
	slices.SortFunc(found, func(a, b *live) int { return cmp.Compare(a.id, b.id) })
	ids := make([]string, 0, len(found))
	for _, l := range found {
		ids = append(ids, l.id)
	}
	return nil, errs.New(errs.Ambiguous, "%q begins the ids of several sessions: %s", ref, strings.Join(ids, ", ")).
		WithHint("give more of the id, or the name")
}

// visible reports whether the caller may know of the session at all.
func visible(caller identity.Caller, l *live) bool {
	return caller.Admin || l.owner == caller.UID
}

// newest orders records for a list.
func newest(a, b session.Record) int {
	return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
}

// aWhile bounds the waits for what should be over soon.
const aWhile = 10 * time.Second
