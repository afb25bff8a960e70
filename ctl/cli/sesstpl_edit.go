package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
)

func (a *app) sesstplEdit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "edit TEMPLATE",
		Short: "Change a template in your editor",
		Long: `Open the text of a template in $VISUAL or $EDITOR, and store what you save as
its next revision.

If the text is not valid, the editor opens again with the problems on top. If
somebody else changed the template in the meantime, or agentd cannot be
reached, nothing is stored and your text is kept in a file whose name is told.
A text saved unchanged makes no revision. Passwords show as ${agentd:kept}, and
stay as they are when that stays.`,
		Example: `  ctl sesstpl edit template1234
  EDITOR="code --wait" ctl sesstpl edit template1234`,
		Args:              argumentNames("TEMPLATE"),
		ValidArgsFunction: a.completeTemplates(1, false),
	}
	f, o := addWrittenOutput(cmd), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref, err := o.ref(cmd, args[0])
		if err != nil {
			return err
		}
		w, err := a.edit(cmd.Context(), ref)
		if err != nil {
			return err
		}
		return a.written(f, []api.Written{w})
	}
	return cmd
}

// edit lets the person change the newest text until agentd takes it, or he gives up.
func (a *app) edit(ctx context.Context, ref client.Ref) (api.Written, error) {
	c := a.client()
	t, err := c.Template(ctx, ref)
	if err != nil {
		return api.Written{}, err
	}
	// By its id from now on: the edit may change the name.
	ref = client.Ref{Name: t.ID, Owner: &t.OwnerUID}
	text, revision, err := c.Text(ctx, ref, 0, false)
	if err != nil {
		return api.Written{}, err
	}
	draft, err := newDraft(t.ID, text)
	if err != nil {
		return api.Written{}, err
	}
	last := string(text)
	for {
		edited, err := a.editDraft(ctx, draft)
		switch {
		case err != nil:
			return api.Written{}, kept(err, draft, ref.Name, revision)
		case edited == string(text):
			return api.Written{Action: api.ActionUnchanged, Template: t}, draft.remove()
		case strings.TrimSpace(edited) == "":
			return api.Written{}, errors.Join(errs.New(errs.Canceled, "the saved text is empty: nothing was changed"),
				draft.remove())
		}
		w, err := c.Update(ctx, ref, client.Document{Name: draft.name, Text: []byte(edited)}, revision)
		if err == nil {
			return w, draft.remove()
		}
		// Saved again as it was: he has seen the problems, and gives up.
		if !errs.Is(err, errs.Invalid) || edited == last {
			return api.Written{}, kept(err, draft, ref.Name, revision)
		}
		last = edited
		if err := draft.explain(edited, err); err != nil {
			return api.Written{}, err
		}
	}
}

// kept tells, beside what went wrong, where the text is and how to go on.
func kept(err error, d *draft, id string, revision int) error {
	if d.clean() != nil {
		return err
	}
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		e = errs.New(errs.Internal, "%w", err)
	}
	again := fmt.Sprintf("ctl sesstpl update %s --revision %d -f %s", id, revision, d.name)
	switch {
	case e.Code == errs.Stale:
		return e.WithHint("your text is kept in %s: see what changed with ctl sesstpl diff %s %d, "+
			"put it in, then ctl sesstpl update %s -f %s", d.name, id, revision, id, d.name)
	case e.Code == errs.Invalid:
		return e.WithHint("your text is kept: mend it, then %s", again)
	case e.Hint != "":
		return e.WithHint("%s; your text is kept, to go on: %s", e.Hint, again)
	}
	return e.WithHint("your text is kept; to go on: %s", again)
}

// draft is the file that is edited.
type draft struct{ name string }

// explanation begins each line that ctl puts on top of a text that agentd refused.
const explanation = "#ctl: "

// newDraft writes the text to a file that only its owner can read.
func newDraft(id string, text []byte) (*draft, error) {
	f, err := os.CreateTemp("", "ctl-edit-"+id+"-*.yaml")
	if err != nil {
		return nil, fileError(err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fileError(err)
	}
	return &draft{name: f.Name()}, nil
}

func (d *draft) remove() error {
	if err := os.Remove(d.name); err != nil {
		return fileError(err)
	}
	return nil
}

// read returns the text without the explanation.
func (d *draft) read() (string, error) {
	doc, err := readFile(d.name)
	if err != nil {
		return "", err
	}
	text := string(doc.Text)
	for strings.HasPrefix(text, explanation) {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text, nil
}

// clean takes the explanation out of the file.
func (d *draft) clean() error {
	text, err := d.read()
	if err != nil {
		return err
	}
	return d.write(text)
}

func (d *draft) write(text string) error {
	if err := os.WriteFile(d.name, []byte(text), 0o600); err != nil {
		return fileError(err)
	}
	return nil
}

// explain puts the problems on top of the text, with the lines as they are below the explanation.
func (d *draft) explain(text string, cause error) error {
	lines := []string{"not stored: " + sentence(cause)}
	e, ok := errors.AsType[*errs.Error](cause)
	if ok {
		for _, p := range e.Problems {
			p.File = ""
			if p.Line > 0 {
				p.Line += len(e.Problems) + 2
			}
			lines = append(lines, "  line "+strings.TrimSpace(p.String()))
		}
	}
	lines = append(lines, "Mend it and save, or save it as it is to give up. These lines are taken out.")
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(explanation + printable(line) + "\n")
	}
	return d.write(b.String() + text)
}
