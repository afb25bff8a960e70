package cli

import (
	"context"
	"os/exec"

	"agentd/internal/errs"
)

// editDraft runs the person's editor on the draft and returns what was saved, without ctl's own lines.
func (a *app) editDraft(ctx context.Context, d *draft) (string, error) {
	editor := a.Getenv("VISUAL")
	if editor == "" {
		editor = a.Getenv("EDITOR")
	}
	if editor == "" {
		editor = "vi"
	}
	// As git does it: the variable is a piece of shell, with arguments and quotes if need be. The context does not end
	// it: an interrupt is the editor's own business.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", editor+` "$@"`, editor, d.name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.Out, a.Err
	if err := cmd.Run(); err != nil {
		return "", errs.New(errs.Canceled, "run the editor %q: %w", editor, err)
	}
	return d.read()
}
