package cli

import (
	"context"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
)

func (a *app) sessionRelaunch() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "relaunch SESSION",
		Short: "Start a session once more as it was, or with changes",
		Long: `Start a new session that is what another one is or was: the same revision of its
template with the same flags, the same image, found by its digest, and the same
commit; flags replace what it had, as for create-from-template. It gets an id
and a /home/work of its own; its name is that of the other one, with a number
behind it while that lives.

What the agent's configuration decides is decided anew. A deleted template is no
hindrance, but for a git credential in it.`,
		Example: `  ctl session relaunch train-1

  # It ran out of memory
  ctl session relaunch train-1 -r mem=8g --wait

  # Today's image and the tip of a branch, all else the same
  ctl session relaunch train-1 -i python:3.9 --git-branch main`,
		Args:              argumentNames("SESSION"),
		ValidArgsFunction: a.completeSessions(1, true),
		Annotations:       map[string]string{jobStatus: "wait"},
	}
	var l launchFlags
	l.add(cmd)
	hide(cmd, "revision", "param")
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, flag := range []string{"revision", "param"} {
			if cmd.Flags().Changed(flag) {
				return usage(cmd, "--%s is for templates: a session has its values", flag)
			}
		}
		c, ctx := a.client(), cmd.Context()
		info, err := c.Session(ctx, args[0])
		if err != nil {
			return err
		}
		req, err := l.request(cmd, a, info.Template.ID)
		if err != nil {
			return err
		}
		if err := a.secretsAgain(ctx, c, &req, info); err != nil {
			return err
		}
		if l.dry {
			return a.dryRun(ctx, c, f, req)
		}
		return a.launch(ctx, c, f, req, l)
	}
	return cmd
}

// secretsAgain completes a request for a session once more with what only the caller has, as its template refers to it.
func (a *app) secretsAgain(ctx context.Context, c *client.Client, req *api.LaunchRequest, info api.SessionInfo) error {
	req.Session, req.Revision = info.ID, info.Template.Revision
	image := req.Overrides.Image
	if image == "" {
		image = info.Image
	}
	named := *req
	named.Overrides.Image = image
	err := a.secrets(ctx, c, &named)
	req.Git, req.Registry = named.Git, named.Registry
	if errs.Is(err, errs.NotFound) {
		// The template is gone; agentd says so if it is needed.
		req.Git = &api.GitAccess{SSHAuthSock: a.Getenv("SSH_AUTH_SOCK")}
		req.Registry = a.registryLogin(ctx, registryOf(image))
		return nil
	}
	return err
}
