package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/template"
)

// Exit statuses of diff, as diff(1) and kubectl have them.
const (
	exitDiffers = 1
	exitTrouble = 2
)

// diffOutput is what diff prints with -o json.
type diffOutput struct {
	SchemaVersion int    `json:"schema_version"`
	From          string `json:"from"`
	To            string `json:"to"`
	Equal         bool   `json:"equal"`
	Diff          string `json:"diff"`
}

// side is one of the two texts that are compared.
type side struct{ label, text string }

func (a *app) sesstplDiff() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff TEMPLATE [REVISION [REVISION]]",
		Short: "Show what changed between two revisions",
		Long: `Show what changed between two revisions of a template: the newest and the one
before it, one and the newest, or any two. With -f, between the newest (or the
one named) and a file. Passwords are in neither: ${agentd:kept} stands in their
place.

Exit status: 0 nothing differs; 1 something differs; 2 or more as for every
command, with 2 where that would be 1.`,
		Example: `  # What did the last update change?
  ctl sesstpl diff template1234

  # What changed since revision 1, or from 1 to 3?
  ctl sesstpl diff template1234 1
  ctl sesstpl diff template1234 1 3

  # What would an update with this file change?
  ctl sesstpl diff template1234 -f session-template.yaml`,
		Args:              argumentNames("TEMPLATE", "REVISION?", "REVISION?"),
		ValidArgsFunction: a.completeRevisions(2),
	}
	file := cmd.Flags().StringP("file", "f", "", "`file` to compare with, or - for standard input")
	f, o := addOutput(cmd, formatText, formatJSON, formatYAML), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref, err := o.ref(cmd, args[0])
		if err != nil {
			return err
		}
		from, to, err := a.sides(cmd, ref, args[1:], *file)
		if err != nil {
			return trouble(err)
		}
		return a.showDiff(f, from, to)
	}
	return cmd
}

// trouble keeps the status 1 for a difference.
func trouble(err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok && api.Lookup(e.Code).Exit == exitDiffers {
		return troubled{error: e}
	}
	return err
}

// troubled is an error of diff whose exit status would mean a difference.
type troubled struct{ error }

func (t troubled) Unwrap() error { return t.error }

// sides fetches what is compared.
func (a *app) sides(cmd *cobra.Command, ref client.Ref, args []string, file string) (from, to side, err error) {
	c, ctx := a.client(), cmd.Context()
	var numbers []int
	for _, arg := range args {
		n, err := revisionNumber(cmd, arg)
		if err != nil {
			return side{}, side{}, err
		}
		numbers = append(numbers, n)
	}
	if file != "" {
		if len(numbers) > 1 {
			return side{}, side{}, usage(cmd, "-f compares with one revision, not two")
		}
		if from, err = stored(ctx, c, ref, append(numbers, 0)[0]); err != nil {
			return side{}, side{}, err
		}
		to, err = a.local(cmd, file)
		return from, to, err
	}
	switch len(numbers) {
	case 0:
		if numbers, err = lastTwo(ctx, c, ref); err != nil {
			return side{}, side{}, err
		}
	case 1:
		numbers = append(numbers, 0)
	}
	if from, err = stored(ctx, c, ref, numbers[0]); err != nil {
		return side{}, side{}, err
	}
	to, err = stored(ctx, c, ref, numbers[1])
	return from, to, err
}

// stored is the text of a revision; 0 is the newest.
func stored(ctx context.Context, c *client.Client, ref client.Ref, revision int) (side, error) {
	text, number, err := c.Text(ctx, ref, revision, false)
	return side{label: fmt.Sprintf("%s revision %d", ref.Name, number), text: string(text)}, err
}

// local is the text of a file as agentd would store it: without its literal passwords.
func (a *app) local(cmd *cobra.Command, file string) (side, error) {
	doc, err := a.document(cmd, file)
	if err != nil {
		return side{}, err
	}
	parsed, err := template.ParseOne(doc.Name, doc.Text)
	if err != nil {
		return side{}, err
	}
	text, _, err := parsed.Redact()
	return side{label: file, text: string(text)}, err
}

// lastTwo are the numbers of the newest text and the one before it; deletions have no text.
func lastTwo(ctx context.Context, c *client.Client, ref client.Ref) ([]int, error) {
	h, err := c.History(ctx, ref)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, r := range h.Revisions {
		if r.Size > 0 && len(numbers) < 2 {
			numbers = append([]int{r.Revision}, numbers...)
		}
	}
	if len(numbers) < 2 {
		return nil, errs.New(errs.Conflict, "template %q has only one revision: there is nothing to compare", ref.Name)
	}
	return numbers, nil
}

func (a *app) showDiff(f *format, from, to side) error {
	text := udiff.Unified(from.label, to.label, from.text, to.text)
	if f.value != formatText {
		v := diffOutput{
			SchemaVersion: api.SchemaVersion, From: from.label, To: to.label, Equal: text == "", Diff: text,
		}
		if err := a.data(f.value, v); err != nil {
			return err
		}
	} else if !a.quiet {
		if a.color() {
			text = painted(text)
		}
		if err := a.print(text); err != nil {
			return err
		}
	}
	if from.text != to.text {
		return exitStatus(exitDiffers)
	}
	return nil
}

// painted gives a unified diff git's colours.
func painted(diff string) string {
	var b strings.Builder
	for line := range strings.Lines(diff) {
		code := ""
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			code = "1"
		case strings.HasPrefix(line, "@@"):
			code = "36"
		case strings.HasPrefix(line, "-"):
			code = "31"
		case strings.HasPrefix(line, "+"):
			code = "32"
		}
		if code == "" {
			b.WriteString(line)
			continue
		}
		body, end := strings.CutSuffix(line, "\n")
		b.WriteString("\x1b[" + code + "m" + body + "\x1b[m")
		if end {
			b.WriteString("\n")
		}
	}
	return b.String()
}
