package cli

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/session"
)

// exitInterrupted is the exit status after ctrl-C, as shells have it: 128 and the signal's number.
const exitInterrupted = 130

// launchOutput is what create-from-template prints with -o json.
type launchOutput struct {
	SchemaVersion int `json:"schema_version"`
	// Created is false if a living session was given back.
	Created bool        `json:"created"`
	Session api.Session `json:"session"`
}

// sessionLaunch is the command under the path that it has: it stands in two places.
func (a *app) sessionLaunch(path string, aliases ...string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create-from-template TEMPLATE",
		Aliases: aliases,
		Short:   "Start a session from a template",
		Long: `Start a session from a template, and wait until it runs: the image is pulled,
the repository cloned, the mounts prepared; then the container is started and
the bootstrap runs. Flags replace what the template says; those that come
several times are merged with it, key by key.

A living session of the same --name and the same plan is given back instead of
a second one. Secrets that the template refers to (${env:NAME}, ${file:PATH},
${credential:NAME} of a systemd unit's), your SSH agent and your docker login
for the registry are used as yours, for this launch only, and stored nowhere.

Ctrl-C ends the waiting, not the session: it says how to go on or cancel.

Exit status: 0 it runs; 1 it failed; 6 --max-wait is over; 130 interrupted. With
--wait the job's own, and 125 if the session never ran or for any failure of
ours; for an array 0 if all ended well, else 1.`,
		Example: strings.ReplaceAll(`  PATH template1234
  PATH template1234 --name try-1 \
      -r mem=8g -e LEVEL=debug -v results:/home/work/results

  # A batch job, and its exit status
  PATH train --type batch -c 'make test' --wait --rm

  # Twenty of them, four at a time, after another one has ended well
  PATH train --array 1-20%4 --depends prepare

  # What would be done, and where each value comes from
  PATH template1234 --dry-run`, "PATH", path),
		Args:              argumentNames("TEMPLATE"),
		ValidArgsFunction: a.completeTemplates(1, false),
		Annotations:       map[string]string{jobStatus: "wait"},
	}
	var l launchFlags
	l.add(cmd)
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req, err := l.request(cmd, a, args[0])
		if err != nil {
			return err
		}
		c := a.client()
		if err := a.secrets(cmd.Context(), c, &req); err != nil {
			return err
		}
		if l.dry {
			return a.dryRun(cmd.Context(), c, f, req)
		}
		return a.launch(cmd.Context(), c, f, req, l)
	}
	return cmd
}

// launch brings the session up, waits for its end if that is wished, and says what became of it.
func (a *app) launch(ctx context.Context, c *client.Client, f *format, req api.LaunchRequest, l launchFlags) error {
	show := a.progress()
	b := bringing{app: a, c: c, req: req, key: rand.Text(), show: show}
	s, err := b.up(ctx)
	show.done()
	if err == nil && req.Array != nil {
		return a.launchArray(ctx, c, f, b.array, l)
	}
	if err == nil && l.wait && !s.Status.Final() {
		var info api.SessionInfo
		if info, err = a.until(ctx, c, s.ID, finished); err == nil {
			s = info.Session
		}
	}
	if ctx.Err() != nil {
		return a.interrupted(b.id)
	}
	if err != nil {
		return err
	}
	if err := a.launched(f, s, b.created, l); err != nil {
		return err
	}
	failure := a.launchFailure(ctx, c, s, req)
	if l.remove && s.Status.Final() {
		if _, err := c.RemoveSession(ctx, s.ID); err != nil && failure == nil {
			failure = err
		}
	}
	if failure != nil || !l.wait {
		return failure
	}
	return jobExit(s)
}

// interrupted says how to go on after ctrl-C, or how to cancel.
func (a *app) interrupted(id string) error {
	if id == "" {
		a.note("ctl: interrupted; ctl session ls shows whether the session was accepted")
		return exitStatus(exitInterrupted)
	}
	a.note("ctl: interrupted; session %s goes on", id)
	a.note("hint: to watch it: ctl session events -f %s - to cancel it: ctl session terminate %s", id, id)
	return exitStatus(exitInterrupted)
}

// launched prints the session.
func (a *app) launched(f *format, s api.Session, created bool, l launchFlags) error {
	if f.value == formatJSON || f.value == formatYAML {
		return a.data(f.value, launchOutput{SchemaVersion: api.SchemaVersion, Created: created, Session: s})
	}
	if f.value == formatText && !a.quiet && (s.Status == session.Error || s.Status == session.Cancelled) {
		return nil // the error says it
	}
	return a.sessions(f, []api.Session{s}, func(s api.Session) string {
		text := "session " + subject(s)
		switch {
		case s.Status == session.Running && !created && !l.wait:
			return text + " is running already"
		case s.Status == session.Running:
			return text + " is running"
		case s.Status.Final():
			return text + " has ended: " + outcome(s)
		case l.enqueue:
			return text + " is accepted"
		}
		return text + " is " + string(s.Status)
	})
}

// launchFailure is why the session does not run; nil if it does, did, or nobody wanted to wait for it.
func (a *app) launchFailure(ctx context.Context, c *client.Client, s api.Session, req api.LaunchRequest) error {
	switch {
	case s.Status == session.Cancelled:
		return errs.New(errs.Canceled, "session %s was cancelled before it ran", subject(s))
	case s.Status == session.Error:
		return a.failedStep(ctx, c, s)
	case req.EnqueueOnly || s.Status == session.Running || s.Status == session.Terminating || s.Status.Final():
		return nil
	}
	text := "session " + subject(s) + " is still " + string(s.Status) + " after --max-wait"
	if s.Waiting != "" {
		text += ": " + s.Waiting
	}
	return errs.New(errs.Timeout, "%s", text).WithHint("it goes on: ctl session wait --for RUNNING %s", s.ID)
}

// failedStep tells the end of the output of the step that failed, and returns why it failed.
func (a *app) failedStep(ctx context.Context, c *client.Client, s api.Session) error {
	text := "session " + subject(s) + " failed"
	info, err := c.Session(ctx, s.ID)
	if err != nil || info.Failure == nil {
		return errs.New(errs.Unavailable, "%s", text).WithHint("ctl session info %s", s.ID)
	}
	for line := range strings.Lines(strings.TrimRight(info.Failure.Tail, "\n")) {
		a.note("%s | %s", info.Failure.Step, strings.TrimRight(line, "\r\n"))
	}
	if info.Failure.Step != "" {
		text += " in step " + info.Failure.Step
	}
	e := errs.New(errs.Unavailable, "%s: %s", text, info.Failure.Message)
	if info.Failure.Hint != "" {
		e = e.WithHint("%s", info.Failure.Hint)
	}
	return e
}
