package cli

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/errs"
)

func (a *app) sessionLogs() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logs SESSION",
		Short: "Print what a session's steps have printed",
		Long: `Print what the bootstrap and the startup of a session have printed, oldest
first, also after its end. What they wrote to standard error goes to standard
error here. With -f it goes on until the session has ended.

On a terminal, control characters are escaped, but for colours, and a bar in the
margin has the colour of the step: yellow for the bootstrap, red for standard
error. Output that is not text comes through unchanged everywhere else.

--grep takes a regular expression (RE2) and looks at what --tail, --since and
--step leave.`,
		Example: `  ctl session logs template1234
  ctl session logs -f --tail 20 template1234

  # The last ten minutes, with times
  ctl session logs --since 10m --timestamps template1234

  # Epochs and errors only, as they come
  ctl session logs -f --grep 'epoch|(?i)error' template1234`,
		Args:              argumentNames("SESSION"),
		ValidArgsFunction: a.completeSessions(1, true),
	}
	p := logPrinter{app: a}
	var q api.LogQuery
	var tail, pattern string
	flags := cmd.Flags()
	flags.BoolVarP(&q.Follow, "follow", "f", false, "go on until the session has ended")
	flags.StringVarP(&tail, "tail", "n", "all", "`number` of the last lines to begin with, or all")
	flags.StringVar(&q.Since, "since", "",
		"leave out what is older than a `time`: 2026-01-02T15:04:05Z, or 10m for ten minutes ago")
	flags.StringVar(&q.Step, "step", "", "of one `step` only: bootstrap or startup")
	flags.BoolVarP(&p.times, "timestamps", "t", false, "begin each line with its time")
	flags.StringVar(&pattern, "grep", "", "only lines that match a regular `expression`")
	completeFlag(cmd, "step", logSteps())
	f := addOutput(cmd, formatText, formatJSON, formatYAML)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := logFlags(cmd, &q, tail); err != nil {
			return err
		}
		var err error
		if p.grep, err = newGrep(cmd, pattern); err != nil {
			return err
		}
		p.kind = f.value
		return a.logs(cmd.Context(), args[0], q, &p)
	}
	return cmd
}

func logSteps() []string { return []string{"bootstrap", "startup"} }

// logFlags reads the flags that have a form of their own.
func logFlags(cmd *cobra.Command, q *api.LogQuery, tail string) error {
	if q.Step != "" && q.Step != "bootstrap" && q.Step != "startup" {
		return usage(cmd, "--step %q: want bootstrap or startup", q.Step)
	}
	if tail == "all" {
		return nil
	}
	n, err := strconv.Atoi(tail)
	if err != nil || n < 0 {
		return usage(cmd, "--tail %q is neither a number nor all", tail)
	}
	q.Tail = &n
	return nil
}

func (a *app) logs(ctx context.Context, ref string, q api.LogQuery, p *logPrinter) error {
	if q.Follow {
		return a.followLogs(ctx, ref, q, p)
	}
	stream, err := a.client().Logs(ctx, ref, q)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		line, err := stream.Next()
		switch {
		case errors.Is(err, io.EOF):
			return p.finish()
		case err != nil && ctx.Err() != nil:
			// Ctrl-C is how one stops to follow.
			return errors.Join(p.finish(), exitStatus(exitInterrupted))
		case err != nil:
			return errors.Join(p.finish(), err)
		}
		if err := p.line(line); err != nil {
			return err
		}
	}
}

// logPrinter prints lines of output where they belong.
type logPrinter struct {
	*app
	kind  string
	times bool
	// grep is nil if all lines are wanted.
	grep *grep
	// open is the stream whose last line has no end yet.
	open io.Writer
}

// line prints a line if it is wanted.
func (p *logPrinter) line(l api.LogLine) error {
	for _, part := range p.grep.pass(l) {
		if err := p.write(part); err != nil {
			return err
		}
	}
	return nil
}

func (p *logPrinter) write(l api.LogLine) error {
	if p.kind != formatText {
		return p.item(p.kind, l)
	}
	to := p.Out
	if l.Stream == "stderr" || l.Stream == "init" {
		to = p.Err
	}
	var b strings.Builder
	if p.open == nil || p.open != to {
		if p.open != nil {
			if err := writeTo(p.open, "\n"); err != nil {
				return err
			}
		}
		if terminal(to) != nil && p.color() {
			b.WriteString(gutter(l))
		}
		if p.times {
			b.WriteString(l.Time.UTC().Format("2006-01-02T15:04:05.000Z") + " ")
		}
		if l.Stream == "init" {
			b.WriteString("[agentd-init] ")
		}
	}
	b.WriteString(p.text(to, l))
	p.open = to
	if !l.Partial {
		b.WriteString("\n")
		p.open = nil
	}
	return writeTo(to, b.String())
}

// text is a line's text as it may reach w.
func (p *logPrinter) text(w io.Writer, l api.LogLine) string {
	if terminal(w) == nil {
		if l.Raw != nil {
			return string(l.Raw)
		}
		return l.Text
	}
	return colored(strings.TrimSuffix(l.Text, "\r"), p.color())
}

// finish ends a last line that has no end of its own, on a terminal.
func (p *logPrinter) finish() error {
	if p.grep != nil {
		for _, part := range p.grep.judge() {
			if err := p.write(part); err != nil {
				return err
			}
		}
	}
	if p.open == nil || terminal(p.open) == nil {
		return nil
	}
	return writeTo(p.open, "\n")
}

func writeTo(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return errs.New(errs.Internal, "write output: %w", err)
	}
	return nil
}

// colored is printable but for tabs and, if colours are wanted, the sequences that change them (SGR): those harm nobody,
// and are reset at the end.
func colored(s string, colors bool) string {
	var b strings.Builder
	painted := false
	for s != "" {
		n := sgr(s)
		switch {
		case n > 0 && colors:
			b.WriteString(s[:n])
			painted = true
		case n == 0:
			n = strings.IndexByte(s[1:], '\x1b') + 1
			if n == 0 {
				n = len(s)
			}
			for i, part := range strings.Split(s[:n], "\t") {
				if i > 0 {
					b.WriteByte('\t')
				}
				b.WriteString(printable(part))
			}
		}
		s = s[n:]
	}
	if painted {
		b.WriteString("\x1b[m")
	}
	return b.String()
}

// sgr is the length of the sequence for colours that s begins with; 0 if it begins with none.
func sgr(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && c != ':' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}
