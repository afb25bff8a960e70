package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"agentd/internal/errs"
)

// Belonging is something outside of the records that was made for a session.
type Belonging struct {
	// Name is unique among those of one kind.
	Name string
	// Session is the id of the session that it says it belongs to; empty if it is no session's.
	Session string
	// Nonce is what it proves that by; empty for what needs no proof, because of where it is.
	Nonce string
	// Ours is true if it is proven that this agentd made it, whether or not there is a record.
	Ours bool
	// Kept is true for what outlives the session's end, as its files do.
	Kept bool
}

// Inventory knows all that this agentd has made of one kind, in every state.
type Inventory interface {
	// Kind is the word for one of it, for the log.
	Kind() string
	// List lists them. An error, the engine's silence too, decides nothing.
	List(ctx context.Context) ([]Belonging, error)
	// Remove removes one; none is no error.
	Remove(ctx context.Context, b Belonging) error
}

// leftovers is what was seen that belongs to no record.
type leftovers struct {
	mu sync.Mutex
	// since is when each was seen first, by kind and name. Only this process's clock counts.
	since map[string]time.Time
	// told are those that were reported and are not removed, as it is not proven that they are ours.
	told map[string]bool
	// refused is why nothing was removed, by kind.
	refused map[string]string
}

func newLeftovers() leftovers {
	return leftovers{since: map[string]time.Time{}, told: map[string]bool{}, refused: map[string]string{}}
}

// tooMany is the least number of unknown ones that makes a reconcile suspicious.
const tooMany = 3

// Trouble says why leftovers are not removed, in the words for a person; empty if nothing is wrong.
func (s *Supervisor) Trouble() string {
	s.leftovers.mu.Lock()
	defer s.leftovers.mu.Unlock()
	var list []string
	for _, why := range s.leftovers.refused {
		list = append(list, why)
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

// Tend does what has to be done beside the sessions until ctx ends: it removes records and files whose time is over, and
// what belongs to no record. It looks for that now, from time to time, and whenever wake says so: when the engine is there
// again, say.
func (s *Supervisor) Tend(ctx context.Context, wake <-chan struct{}) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.retain(ctx) })
	every := min(max(s.o.Grace/4, time.Second), time.Minute)
	tick := time.NewTicker(every)
	defer tick.Stop()
	// Nothing is expected of a loop that has ended.
	defer s.pulse.begin("", 0)
	for {
		s.Reconcile(ctx)
		s.pulse.begin("the next look for leftovers", every)
		select {
		case <-tick.C:
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// Reconcile looks once for what belongs to no record, and removes what has been seen for longer than the grace and is
// proven ours.
func (s *Supervisor) Reconcile(ctx context.Context) {
	for _, inv := range s.o.Inventories {
		if ctx.Err() != nil {
			return
		}
		due, err := s.look(ctx, inv)
		if err != nil {
			s.o.Log.Debug("look for leftovers", "kind", inv.Kind(), "error", err)
			continue
		}
		s.pulse.begin("the removal of leftovers", 0)
		for _, b := range due {
			err := inv.Remove(ctx, b)
			if err != nil && ctx.Err() == nil {
				s.o.Log.Error("remove a "+inv.Kind()+" that belongs to no session", "name", b.Name, "error", err)
			} else if err == nil {
				s.o.Log.Warn("removed a "+inv.Kind()+" that belongs to no session", "name", b.Name, "session", b.Session)
			}
		}
	}
}

// look lists what there is of one kind, and picks those that are to be removed now.
func (s *Supervisor) look(ctx context.Context, inv Inventory) ([]Belonging, error) {
	s.pulse.begin("a look for every "+inv.Kind(), listLimit)
	ctx, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	list, err := inv.List(ctx)
	if err != nil {
		return nil, err
	}
	return s.stray(inv.Kind(), list), nil
}

// stray picks those that are to be removed now.
func (s *Supervisor) stray(kind string, list []Belonging) (due []Belonging) {
	// Only what is proven ours says something about our records.
	unknown, ours := 0, 0
	var stray []Belonging
	for _, b := range list {
		known, belongs := s.belongs(b)
		if known || b.Ours {
			ours++
		}
		if !known && b.Ours {
			unknown++
		}
		if !belongs {
			stray = append(stray, b)
		}
	}
	x := &s.leftovers
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget(kind, stray)
	if unknown >= tooMany && 2*unknown > ours {
		if x.refused[kind] == "" {
			s.o.Log.Error("most of ours belong to no session: none is removed", "kind", kind, "unknown", unknown, "all", ours)
		}
		x.refused[kind] = fmt.Sprintf("%s: %d of %d belong to no session, as if records were lost: nothing is removed",
			kind, unknown, ours)
		return nil
	}
	delete(x.refused, kind)
	now := time.Now()
	for _, b := range stray {
		key := kind + " " + b.Name
		first, seen := x.since[key]
		switch {
		case !seen:
			x.since[key] = now
		case now.Sub(first) < s.o.Grace:
		case !b.Ours:
			if !x.told[key] {
				s.o.Log.Warn("a "+kind+" says that it is ours, and nothing proves it: it is left alone", "name", b.Name)
			}
			x.told[key] = true
		default:
			due = append(due, b)
		}
	}
	return due
}

// forget drops those that are not there any more, or have found their session.
func (x *leftovers) forget(kind string, stray []Belonging) {
	here := map[string]bool{}
	for _, b := range stray {
		here[kind+" "+b.Name] = true
	}
	for key := range x.since {
		if strings.HasPrefix(key, kind+" ") && !here[key] {
			delete(x.since, key)
			delete(x.told, key)
		}
	}
}

// belongs reports whether there is a record for it, and whether it may be there as that record stands.
func (s *Supervisor) belongs(b Belonging) (known, belongs bool) {
	s.mu.Lock()
	l := s.index.byID[b.Session]
	s.mu.Unlock()
	if l == nil {
		// What is no session's (a look into an image) says nothing about lost records.
		return b.Session == "", false
	}
	rec := l.snapshot()
	if b.Nonce != "" && b.Nonce != rec.Nonce {
		return true, false
	}
	return true, b.Kept || !rec.Cleaned
}

// CheckLeftovers is nil if what belongs to no record can be removed.
func (s *Supervisor) CheckLeftovers(context.Context) error {
	if why := s.Trouble(); why != "" {
		return errs.New(errs.Damaged, "%s", why).
			WithHint("was the state directory restored from a backup? docker ps -a --filter label=io.agentd.instance shows them")
	}
	return nil
}
