package supervisor

import (
	"context"
	"encoding/hex"
	"io"
	"reflect"
	"strconv"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/launch"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// Request asks for a session.
type Request struct {
	// Template is an id, a name or an id prefix; Revision 0 means the newest.
	Template  string
	Revision  int
	Overrides plan.Overrides
	// Again is a session to launch as it was, from its plan instead of a template; nil for none.
	Again *session.Record
	// NoReuse refuses to give back the living session of the same name and plan.
	NoReuse bool
	// Queue says when it starts, after what, and how often; see [Queueing].
	Queue Queueing
	// Key makes a launch that is sent twice one launch; optional.
	Key     string
	Secrets launch.Secrets
}

// Accepted is the answer to a request: the session, and whether it is new.
type Accepted struct {
	Record  session.Record
	Created bool
	// Array are all sessions of an array, in their order; Record is the first of them.
	Array []session.Record
	// Sequence is the number of the last event before this session's first.
	Sequence int64
}

// Launch accepts a request durably and begins to work on it. It returns as soon as the session has a record: what comes
// then is told as events.
func (s *Supervisor) Launch(ctx context.Context, caller identity.Caller, req Request) (Accepted, error) {
	after, err := s.dependencies(caller, req.Queue)
	if err != nil {
		return Accepted{}, err
	}
	if err := req.Queue.check(); err != nil {
		return Accepted{}, err
	}
	resolved, secrets, err := s.o.Resolver.Resolve(ctx, caller, req)
	if err != nil {
		return Accepted{}, err
	}
	rec, err := s.newRecord(caller, req, resolved)
	if err != nil {
		return Accepted{}, err
	}
	rec.Queue.After = after
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.hub.last()
	if l, ok := s.index.byKey[idempotency{caller.UID, req.Key}]; ok && req.Key != "" {
		return s.acceptedLocked(l.snapshot()), nil
	}
	if err := s.withinQuota(rec.Owner, rec.Plan.Limits, req.Queue.Array.len()); err != nil {
		return Accepted{}, err
	}
	if req.Queue.Array != nil {
		return s.launchArrayLocked(req, rec, secrets, before) //nolint:contextcheck // the sessions outlive the request
	}
	if l, ok := s.index.byName[nameKey{rec.Owner, rec.Plan.Name}]; ok {
		if req.Overrides.Name != "" {
			return reuse(l.snapshot(), rec.Plan, req.NoReuse)
		}
		rec.Plan.Name = s.freeNameLocked(rec.Owner, rec.Plan.Name)
	}
	rec.Queue.Sequence = s.admission.next()
	if err := s.o.Records.Save(rec); err != nil {
		return Accepted{}, err
	}
	s.beginLocked(rec, secrets) //nolint:contextcheck // the session outlives the request
	return Accepted{Record: rec, Created: true, Sequence: before}, nil
}

// beginLocked lets a session live whose record is on disk.
func (s *Supervisor) beginLocked(rec session.Record, secrets launch.Secrets) {
	l := s.newLive(rec)
	l.attempt.Secrets = secrets
	s.index.add(l, rec)
	s.hub.status(rec, "")
	s.admission.enter(rec, false)
	for _, dep := range rec.Queue.After {
		s.meet(dep.ID)
	}
	s.wg.Go(func() { s.drive(l) })
}

// idBytes is how many random bytes an id has.
const idBytes = 5

// newRecord is a session that is accepted but for its record on disk.
func (s *Supervisor) newRecord(caller identity.Caller, req Request, r plan.Resolved) (session.Record, error) {
	id, err := s.randomHex(idBytes)
	if err != nil {
		return session.Record{}, err
	}
	// A hostname may not begin with a digit everywhere: the s is for that, and for the reader.
	id = "s" + id
	nonce, err := s.nonce(id)
	if err != nil {
		return session.Record{}, err
	}
	rec := session.Record{
		ID: id, Nonce: nonce, Owner: caller.UID, Submitter: caller.UID, OwnerName: r.OwnerName, Home: r.Home,
		IdempotencyKey: req.Key, Plan: r.Plan, Provenance: r.Provenance, Created: s.o.Now().UTC(), Sequence: 1,
		Result: session.Undefined, Queue: req.Queue.of(r.Plan),
	}
	return rec, rec.Enter(session.Pending, s.o.Now(), "", "")
}

// nonce is what proves that something of the engine's is this session's.
func (s *Supervisor) nonce(id string) (string, error) {
	if s.o.Nonce != nil {
		return s.o.Nonce(id), nil
	}
	return s.randomHex(16)
}

func (s *Supervisor) randomHex(bytes int) (string, error) {
	b := make([]byte, bytes)
	if _, err := io.ReadFull(s.o.Random, b); err != nil {
		return "", errs.New(errs.Internal, "make an id: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// reuse gives back the living session of that name if it is what was asked for.
func reuse(have session.Record, want plan.Plan, noReuse bool) (Accepted, error) {
	if noReuse {
		return Accepted{}, errs.New(errs.Conflict, "session name %q is taken by %s", have.Plan.Name, have.ID).
			WithHint("give another --name, or end it: ctl session terminate %s", have.ID)
	}
	if diff := difference(have.Plan, want); diff != "" {
		return Accepted{}, errs.New(errs.Conflict, "session name %q is taken by %s, which differs in %s",
			have.Plan.Name, have.ID, diff).
			WithHint("give another --name, or end it: ctl session terminate %s", have.ID)
	}
	return Accepted{Record: have}, nil
}

// difference names the first part of two plans that is not the same.
func difference(a, b plan.Plan) string {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if !reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			return va.Type().Field(i).Tag.Get("json")
		}
	}
	return ""
}

// freeNameLocked adds the smallest number that makes a generated name unique among the owner's living sessions.
func (s *Supervisor) freeNameLocked(owner uint32, name string) string {
	for n := 2; ; n++ {
		free := name + "-" + strconv.Itoa(n)
		if _, taken := s.index.byName[nameKey{owner, free}]; !taken {
			return free
		}
	}
}

// newLive gives a record what it needs to live in this process.
func (s *Supervisor) newLive(rec session.Record) *live {
	a := launch.NewAttempt(rec, s.o.Ports, s.o.Places(rec.Owner, rec.ID))
	l := &live{
		id: rec.ID, owner: rec.Owner, created: rec.Created, attempt: a,
		stop: make(chan struct{}, 1), ended: make(chan struct{}), done: make(chan struct{}),
	}
	if rec.Status.Final() {
		close(l.ended)
	}
	a.InitPath, a.BootID, a.Clock, a.Save = s.o.InitPath, s.o.BootID, s.o.Now, s.o.Records.Save
	a.Tell = func(told any) {
		if p, ok := told.(launch.Progress); ok && p.Step == launch.StepImage {
			s.pulling(l)
		}
		s.hub.fromLaunch(l.snapshot(), told)
	}
	return l
}

// pulling enters PULLING when the first byte of an image comes: one that is here already is not pulled.
func (s *Supervisor) pulling(l *live) {
	l.mu.Lock()
	first := !l.pulling
	l.pulling = true
	l.mu.Unlock()
	if !first || l.snapshot().Status != session.Preparing {
		return
	}
	if err := s.enter(l, session.Pulling, "", ""); err != nil {
		s.o.Log.Error("record that an image is pulled", "session", l.id, "error", err)
	}
}
