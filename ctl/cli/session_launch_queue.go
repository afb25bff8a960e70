package cli

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/resource"
	"agentd/internal/session"
)

// queueFlags are those of create-from-template that are about the queue.
type queueFlags struct {
	priority, retry             int
	startsAt, array             string
	depends, dependsAny, causes []string
}

func (q *queueFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&q.priority, "priority", session.DefaultPriority, "`number` from 0 to 100; higher ones start first")
	f.StringVar(&q.startsAt, "starts-at", "",
		"do not start before this `time`: 2026-05-04T14:05, 14:05, or from now on, such as 30m or 1d2h")
	f.StringArrayVar(&q.depends, "depends", nil,
		"start after this `session`, or array, has ended well; cancelled if it does not; may come several times")
	f.StringArrayVar(&q.dependsAny, "depends-any", nil,
		"start after this `session`, or array, has ended, however; may come several times")
	f.IntVar(&q.retry, "retry", 0, "try a batch job again up to this `number` of times if it fails")
	f.StringArrayVar(&q.causes, "retry-on", nil,
		"`cause` to try again after: oom, lost, timeout, failure or an exit code; may come several times")
	f.StringVar(&q.array, "array", "",
		"several sessions, `FIRST-LAST[%N]`, N at a time: their number is in BACKENDAI_ARRAY_INDEX")
	completeFlag(cmd, "retry-on", []string{"failure", "lost", "oom", "timeout"})
}

// request puts them into a request.
func (q *queueFlags) request(cmd *cobra.Command, now time.Time, req *api.LaunchRequest) error {
	changed := cmd.Flags().Changed
	switch {
	case q.priority < 0 || q.priority > session.MaxPriority:
		return usage(cmd, "--priority %d: want 0 to %d", q.priority, session.MaxPriority)
	case q.retry < 0 || q.retry > 100:
		return usage(cmd, "--retry %d: want 0 to 100 further tries", q.retry)
	case len(q.causes) > 0 && !changed("retry"):
		return usage(cmd, "--retry-on needs --retry: how often?")
	}
	if changed("priority") {
		req.Priority = &q.priority
	}
	if q.startsAt != "" {
		at, err := startTime(q.startsAt, now)
		if err != nil {
			return usage(cmd, "--starts-at: %s", err.Error())
		}
		req.StartsAt = &at
	}
	if changed("retry") {
		req.Overrides.Retry = &plan.Retry{Max: q.retry, On: separated(q.causes)}
	}
	req.Depends, req.DependsAny = separated(q.depends), separated(q.dependsAny)
	if q.array != "" {
		r, err := arrayRange(q.array)
		if err != nil {
			return usage(cmd, "--array: %s", err.Error())
		}
		req.Array = &r
	}
	return nil
}

// separated also takes several in one, with commas.
func separated(list []string) []string {
	var words []string
	for _, text := range list {
		for word := range strings.SplitSeq(text, ",") {
			if word = strings.TrimSpace(word); word != "" {
				words = append(words, word)
			}
		}
	}
	return words
}

// arrayRange reads FIRST-LAST, and how many at a time behind a percent sign.
func arrayRange(text string) (api.ArrayRange, error) {
	m := regexp.MustCompile(`^([0-9]{1,6})-([0-9]{1,6})(?:%([1-9][0-9]{0,5}))?$`).FindStringSubmatch(text)
	if m == nil {
		return api.ArrayRange{}, errs.New(errs.Usage, "%q: want FIRST-LAST or FIRST-LAST%%N, such as 1-20%%4", text)
	}
	var r api.ArrayRange
	for i, to := range []*int{&r.First, &r.Last, &r.Parallel} {
		*to, _ = strconv.Atoi(m[i+1]) //nolint:errcheck // digits only; none mean 0
	}
	if r.Last < r.First {
		return r, errs.New(errs.Usage, "%q: %d is before %d", text, r.Last, r.First)
	}
	return r, nil
}

// startTime reads a time, a time of day (the next such), or a span from now on as Backend.AI writes it.
func startTime(text string, now time.Time) (time.Time, error) {
	for _, form := range []string{
		time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04",
	} {
		if at, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return at, nil
		}
	}
	for _, form := range []string{"15:04", time.TimeOnly} {
		if at, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			y, m, d := now.Date()
			at = time.Date(y, m, d, at.Hour(), at.Minute(), at.Second(), 0, now.Location())
			if at.Before(now) {
				at = at.AddDate(0, 0, 1)
			}
			return at, nil
		}
	}
	short := strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(text), " ", ""), "+")
	for _, unit := range []struct{ long, letter string }{
		{`weeks?`, "w"}, {`days?`, "d"}, {`hours?|hrs?`, "h"}, {`minutes?|mins?`, "m"}, {`seconds?|secs?`, "s"},
	} {
		short = regexp.MustCompile(`([0-9])(?:`+unit.long+`)`).ReplaceAllString(short, "${1}"+unit.letter)
	}
	d, err := resource.ParseDuration(short)
	if err != nil {
		return time.Time{}, errs.New(errs.Usage, "%q: want a time such as 2026-05-04T14:05 or 14:05, or 30min from now on", text)
	}
	return now.Add(d), nil
}

// launchArray says which sessions there are now, and waits for all of them if that is wished.
func (a *app) launchArray(ctx context.Context, c *client.Client, f *format, list []api.Session, l launchFlags) error {
	if !l.wait {
		return a.sessions(f, list, func(s api.Session) string { return "session " + subject(s) + " is accepted" })
	}
	refs := make([]string, 0, len(list))
	for _, s := range list {
		refs = append(refs, s.ID)
	}
	done, err := a.waitAll(ctx, refs, finished, "")
	if printErr := a.sessions(f, done, ending); printErr != nil && err == nil {
		err = printErr
	}
	if err == nil {
		if bad := allWell(done); bad != nil {
			a.note("ctl: %s", bad.Error())
			err = exitStatus(1)
		}
	}
	if l.remove {
		for _, s := range done {
			if _, removeErr := c.RemoveSession(ctx, s.ID); removeErr != nil && err == nil {
				err = removeErr
			}
		}
	}
	return err
}

// allWell is an error that counts those of an array which did not end well.
func allWell(list []api.Session) error {
	failed := 0
	for _, s := range list {
		if s.Result != session.Success {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%d of %d did not end well", failed, len(list))
}

// members stands for each array by its sessions, in their order: an array has a name and an id of its own. Other
// references stay as they are.
func (a *app) members(ctx context.Context, c *client.Client, refs []string) (list []string, arrays bool, err error) {
	for _, ref := range refs {
		_, err := c.Session(ctx, ref)
		if !errs.Is(err, errs.NotFound) {
			list = append(list, ref)
			continue
		}
		all, listErr := c.Sessions(ctx, api.SessionQuery{Ended: true})
		if listErr != nil {
			return nil, false, listErr
		}
		found := arrayMembers(all, ref)
		if len(found) == 0 {
			// It is asked for once more, and answered as any that is not there.
			list = append(list, ref)
			continue
		}
		arrays = true
		list = append(list, found...)
	}
	return list, arrays, nil
}

// arrayMembers are the ids of the newest array of that name or id. Lists have the newest session first.
func arrayMembers(all []api.Session, ref string) []string {
	id := ""
	var members []api.Session
	for _, s := range all {
		x := s.Queue.Array
		if x == nil || x.ID != ref && x.Name != ref || id != "" && x.ID != id {
			continue
		}
		id = x.ID
		members = append(members, s)
	}
	slices.SortFunc(members, func(a, b api.Session) int { return a.Queue.Array.Index - b.Queue.Array.Index })
	return each(members, func(s api.Session) string { return s.ID })
}
