package supervisor

import (
	"context"
	"slices"

	"agentd/internal/session"
)

// Restore takes up every session of the last life where its record says it was: running ones are watched again, launches
// go on, or are found to have come to a running container, ended ones are cleaned up. It returns the number of sessions
// that live; what is done about them is done beside.
func (s *Supervisor) Restore(context.Context) (int, error) {
	recs, err := s.o.Records.Load()
	if err != nil {
		return 0, err
	}
	slices.SortFunc(recs, func(a, b session.Record) int { return newest(b, a) })
	living := 0
	s.admission.pause()
	defer s.admission.resume()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.meetLocked()
	for _, rec := range recs {
		l := s.newLive(rec)
		l.restored = true
		s.index.add(l, rec)
		if rec.Status.Final() && rec.Cleaned {
			close(l.done)
			s.retention.add(rec)
			continue
		}
		switch {
		case rec.HoldsSlots():
			s.admission.hold(rec)
		case !rec.Status.Final():
			s.admission.enter(rec, rec.Status == session.Prepared)
		}
		if rec.Stop != nil {
			l.ask(rec.Stop.Forced, errStopped)
		}
		if !rec.Status.Final() {
			living++
		}
		s.wg.Go(func() { s.drive(l) }) //nolint:contextcheck // the session outlives the start
	}
	return living, nil
}
