package supervisor

import (
	"cmp"
	"slices"
	"strings"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/session"
)

// index finds sessions by id and, while they live, by name.
type index struct {
	byID   map[string]*live
	byName map[nameKey]*live
	byKey  map[idempotency]*live
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
	return index{byID: map[string]*live{}, byName: map[nameKey]*live{}, byKey: map[idempotency]*live{}}
}

func (x *index) add(l *live, rec session.Record) {
	x.byID[rec.ID] = l
	if !rec.Status.Final() {
		x.byName[nameKey{rec.Owner, rec.Plan.Name}] = l
	}
	if rec.IdempotencyKey != "" {
		x.byKey[idempotency{rec.Submitter, rec.IdempotencyKey}] = l
	}
}

// ended frees the name.
func (x *index) ended(l *live, rec session.Record) {
	k := nameKey{rec.Owner, rec.Plan.Name}
	if x.byName[k] == l {
		delete(x.byName, k)
	}
}

func (x *index) remove(l *live, rec session.Record) {
	x.ended(l, rec)
	delete(x.byID, rec.ID)
	if k := (idempotency{rec.Submitter, rec.IdempotencyKey}); x.byKey[k] == l {
		delete(x.byKey, k)
	}
}

// find returns the session that ref names for the caller: an exact id, the exact name of a living session, the name of
// the newest ended one, or a unique prefix of an id, in that order. Somebody else's is not there.
func (s *Supervisor) find(caller identity.Caller, ref string) (*live, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.index.byID[ref]; ok && visible(caller, l.snapshot()) {
		return l, nil
	}
	if l, ok := s.index.byName[nameKey{caller.UID, ref}]; ok {
		return l, nil
	}
	var named, prefixed []*live
	for id, l := range s.index.byID {
		rec := l.snapshot()
		switch {
		case !visible(caller, rec):
		case rec.Plan.Name == ref && rec.Owner == caller.UID:
			named = append(named, l)
		case ref != "" && strings.HasPrefix(id, ref):
			prefixed = append(prefixed, l)
		}
	}
	if len(named) > 0 {
		return slices.MaxFunc(named, func(a, b *live) int {
			return a.snapshot().Created.Compare(b.snapshot().Created)
		}), nil
	}
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
func visible(caller identity.Caller, rec session.Record) bool {
	return caller.Admin || rec.Owner == caller.UID
}
