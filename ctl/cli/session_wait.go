package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/resource"
	"agentd/internal/session"
)

func (a *app) sessionWait() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "wait SESSION...",
		Aliases: []string{"watch"},
		Short:   "Wait until sessions have ended, or reached a status",
		Long: `Wait until the sessions have ended or, with --for, have reached a status or one
that comes after it. It outlasts a restart of agentd. The name or id of an array
stands for all its sessions.

Exit status: for one session without --for the job's own, and 125 for all else:
the session never ran, its end was not seen, the time is over. For an array: 0
if all ended well, else 1. For several, or with --for: 0, and 1 if one ended
without ever being in that status, 6 if the time is over.`,
		Example: `  # The exit status of a batch job
  ctl session wait train-1; echo $?

  ctl session wait --for RUNNING --timeout 5m template1234
  ctl session wait train-1 train-2 train-3`,
		Args:              argumentNames("SESSION..."),
		ValidArgsFunction: a.completeSessions(-1, false),
	}
	var status, limit string
	cmd.Flags().StringVar(&status, "for", "", "`status` to wait for, such as RUNNING; the end by default")
	cmd.Flags().StringVar(&limit, "timeout", "", "wait for at most this long, such as `10m`")
	completeFlag(cmd, "for", each(session.Statuses(), func(s session.Status) string { return string(s) }))
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, cancel, err := limited(cmd, limit)
		if err != nil {
			return err
		}
		defer cancel()
		wanted := finished
		if status != "" {
			if wanted, err = reached(cmd, status); err != nil {
				return err
			}
		}
		refs, array, err := a.members(ctx, a.client(), args)
		if err != nil {
			return err
		}
		done, err := a.waitAll(ctx, refs, wanted, status)
		if printErr := a.sessions(f, done, ending); printErr != nil && err == nil {
			err = printErr
		}
		switch {
		case array && err == nil && status == "":
			return allWell(done)
		case status != "" || len(refs) != 1 || len(args) > 1:
			return err
		case err != nil:
			return ofOurs{err}
		}
		return jobExit(done[0])
	}
	return cmd
}

// limited bounds a command by its flag --timeout.
func limited(cmd *cobra.Command, limit string) (context.Context, context.CancelFunc, error) {
	if limit == "" {
		return cmd.Context(), func() {}, nil
	}
	d, err := resource.ParseDuration(limit)
	if err != nil {
		return nil, nil, usage(cmd, "--timeout: %s", err.Error())
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), d)
	return ctx, cancel, nil
}

// reached makes the condition that a status, or one that comes after it in a life, was entered.
func reached(cmd *cobra.Command, name string) (func(session.Status) bool, error) {
	want, err := session.ParseStatus(strings.ToUpper(name))
	if err != nil {
		return nil, usage(cmd, "--for: %s", err.Error())
	}
	order := session.Statuses()
	return func(s session.Status) bool {
		return s == want || !s.Final() && slices.Index(order, s) > slices.Index(order, want)
	}, nil
}

// waitAll waits for each session in turn; the order makes no difference to when the last is there.
func (a *app) waitAll(
	ctx context.Context, refs []string, wanted func(session.Status) bool, status string,
) ([]api.Session, error) {
	var done []api.Session
	var missed error
	c := a.client()
	for _, ref := range refs {
		info, err := a.until(ctx, c, ref, wanted)
		if err != nil {
			return done, err
		}
		done = append(done, info.Session)
		was := slices.ContainsFunc(info.History, func(t session.Transition) bool { return wanted(t.Status) })
		if !was && missed == nil {
			missed = errs.New(errs.Invalid, "session %s is %s, and never was %s",
				subject(info.Session), info.Status, strings.ToUpper(status)).
				WithHint("ctl session info %s says why", info.ID)
		}
	}
	return done, missed
}

// ending says in words how a session stands.
func ending(s api.Session) string {
	text := subject(s) + " is " + string(s.Status)
	if how := outcome(s); how != "" {
		text += ": " + how
	}
	return text
}
