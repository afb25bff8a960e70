package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// whyOutput is what why prints with -o json.
type whyOutput struct {
	SchemaVersion int            `json:"schema_version"`
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	Status        session.Status `json:"status"`
	// Why is one sentence; Fix is what to do, if there is something.
	Why string `json:"why"`
	Fix string `json:"fix,omitempty"`
}

func (a *app) sessionWhy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "why SESSION",
		Short: "Say what a session waits for, or why it ended, and what to do",
		Long: `Say in one sentence what a session waits for, or why it failed or ended as it
did; below it, what to do about it, if there is something.`,
		Example: `  ctl session why template1234

  # For a message of your own
  ctl session why train-1 -o json | jq -r .why`,
		Args:              argumentNames("SESSION"),
		ValidArgsFunction: a.completeSessions(1, true),
	}
	f := addOutput(cmd, formatText, formatJSON, formatYAML)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		info, err := a.client().Session(cmd.Context(), args[0])
		switch {
		case err != nil:
			return err
		case a.quiet:
			return a.println("%s", info.ID)
		}
		text, fix := why(info)
		if f.value != formatText {
			return a.data(f.value, whyOutput{
				SchemaVersion: api.SchemaVersion, ID: info.ID, Name: info.Name, Status: info.Status, Why: text, Fix: fix,
			})
		}
		lines := []string{subject(info.Session) + " " + text}
		if fix != "" {
			lines = append(lines, "fix: "+fix)
		}
		return a.lines(lines)
	}
	return cmd
}

// why is one sentence, without its subject, on how a session stands; fix is what to do, empty if there is nothing.
func why(s api.SessionInfo) (text, fix string) {
	switch s.Status {
	case session.Pending:
		if s.Waiting != "" {
			return "waits: " + oneLine(s.Waiting) + place(s.Session), ""
		}
		return "is accepted, and about to be prepared", ""
	case session.Preparing:
		return "is being prepared: " + preparing(s.Plan), "to watch it: ctl session events -f " + s.ID
	case session.Pulling:
		return "waits for its image " + s.Image, "to watch it: ctl session events -f " + s.ID
	case session.Prepared:
		fix = "ctl session ls shows what holds it; ctl system info, how much there is"
		return "waits for room: " + cmp.Or(oneLine(s.Waiting), "its turn comes next") + place(s.Session), fix
	case session.Creating:
		if s.Plan.Steps.Bootstrap != "" {
			return "waits for its bootstrap to end", "to watch it: ctl session logs -f " + s.ID
		}
		return "waits for its container to start", ""
	case session.Running:
		return "runs; it waits for nothing", ""
	case session.Terminating:
		return fmt.Sprintf("is ending (%s); what runs in it has %s to go", cmp.Or(s.Reason, "asked"),
			s.Plan.Steps.StopGrace), "at once: ctl session terminate --force " + s.ID
	case session.Cancelled:
		if s.Reason == session.ReasonDependency {
			return "was cancelled: it " + lastMessage(s), "again, once that is mended: ctl session relaunch " + s.ID
		}
		return "was cancelled before it ran", "again: ctl session relaunch " + s.ID
	case session.Error:
		return whyFailed(s)
	case session.Terminated:
		return whyEnded(s)
	}
	return "is " + string(s.Status), ""
}

// place says how many are before a session in the queue.
func place(s api.Session) string {
	if s.Position <= 1 {
		return ""
	}
	return fmt.Sprintf(" (%d are before it in the queue)", s.Position-1)
}

// preparing names what is made ready before the image is there.
func preparing(p plan.Plan) string {
	parts := []string{"image " + p.Image.Reference}
	if p.Checkout != nil {
		parts = append(parts, "clone of "+p.Checkout.Repository)
	}
	return strings.Join(parts, ", ")
}

// whyFailed is about a session that never ran.
func whyFailed(s api.SessionInfo) (text, fix string) {
	if s.Failure == nil {
		return "failed before it ran: " + cmp.Or(lastMessage(s), s.Reason, "nobody noted why"), "ctl session events " + s.ID
	}
	text = "failed"
	if s.Failure.Step != "" {
		text += " in step " + s.Failure.Step
	}
	return text + ": " + oneLine(s.Failure.Message), cmp.Or(s.Failure.Hint, "ctl session logs "+s.ID)
}

// whyEnded is about a session that ran.
func whyEnded(s api.SessionInfo) (text, fix string) {
	again := "again: ctl session relaunch " + s.ID
	switch s.Reason {
	case session.ReasonUser:
		return "was ended by its user", again
	case session.ReasonOOM:
		limit := plan.FormatAmount("mem", s.Plan.Limits.MemoryBytes)
		return "ran out of its memory of " + limit, "give it more: ctl session relaunch " + s.ID + " -r mem=SIZE"
	case session.ReasonTimeout:
		return "ran longer than its " + s.Plan.Steps.Timeout.String(),
			"give it more: ctl session relaunch " + s.ID + " --timeout TIME"
	case session.ReasonLost:
		return "lost its container, and nobody saw how that ended", "does somebody else clean up on this engine? " + again
	case session.ReasonHostRestart:
		return "ended with a restart of the machine", again
	case session.ReasonEngine:
		return "ended with a restart of the Docker Engine", `"live-restore": true in /etc/docker/daemon.json keeps sessions`
	}
	if s.Result == session.Success {
		return "ended well", ""
	}
	if s.ExitCode != nil {
		return fmt.Sprintf("ended with exit code %d", *s.ExitCode), "its last words: ctl session logs --tail 20 " + s.ID
	}
	return "ended: " + cmp.Or(lastMessage(s), s.Reason, "nobody saw how"), again
}

// lastMessage is what the newest line of the history says.
func lastMessage(s api.SessionInfo) string {
	if len(s.History) == 0 {
		return ""
	}
	return oneLine(s.History[len(s.History)-1].Message)
}
