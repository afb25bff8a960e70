package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
)

func (a *app) sesstplCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create [-f FILE]...",
		Short: "Store new templates",
		Long: `Store new templates, from files or from a pipe.

A file holds one template or many, in any of the documented shapes:
session_templates with a list, a list, one template, several YAML documents, or
JSON. Each file is stored as a whole or not at all; with several files, all are
checked before the first is stored. A name that is taken is a conflict: update
or apply change what is there.

Literal passwords are kept apart from the text and are not shown again but to
their owner (get --show-secrets).`,
		Example: `  ctl sesstpl create -f session-template.yaml
  ctl sesstpl create < session-template.yaml

  # Several files, and only the new ids on standard output
  ctl sesstpl create -q -f a.yaml -f b.yaml`,
		Args: argumentNames(),
	}
	onlyDefault(cmd)
	return a.putting(cmd, (*client.Client).Create)
}

// onlyDefault takes the flags for domain and group that scripts for Backend.AI have, as long as they say default.
func onlyDefault(cmd *cobra.Command) {
	domain := cmd.Flags().StringP("domain", "d", "default", "only default: this agent is one machine")
	project := cmd.Flags().StringP("group", "g", "default", "only default: this agent is one machine")
	hide(cmd, "domain", "group")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		for flag, value := range map[string]string{"domain": *domain, "group": *project} {
			if value != "default" {
				return usage(cmd, "--%s %q: this agent is one machine and knows only default", flag, value)
			}
		}
		return nil
	}
}

// putting completes a command that sends documents of any number of templates.
func (a *app) putting(
	cmd *cobra.Command,
	put func(*client.Client, context.Context, *uint32, client.Document) ([]api.Written, error),
) *cobra.Command {
	files, f, o := addFiles(cmd), addWrittenOutput(cmd), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		uid, err := o.uid(cmd)
		if err != nil {
			return err
		}
		docs, err := a.documents(cmd, *files)
		if err != nil {
			return err
		}
		c := a.client()
		if err := checkAll(cmd.Context(), c, docs); err != nil {
			return err
		}
		var done []api.Written
		for _, doc := range docs {
			written, err := put(c, cmd.Context(), uid, doc)
			done = append(done, written...)
			if err != nil {
				return a.finish(f, done, err)
			}
		}
		return a.finish(f, done, nil)
	}
	return cmd
}

// checkAll has agentd check several files before the first of them is stored, and tells the problems of all at once.
// One file needs no check: it is stored as a whole or not at all.
func checkAll(ctx context.Context, c *client.Client, docs []client.Document) error {
	if len(docs) < 2 {
		return nil
	}
	var all []errs.Problem
	for _, doc := range docs {
		_, err := c.Validate(ctx, doc)
		e, ok := errors.AsType[*errs.Error](err)
		switch {
		case err == nil:
		case ok && len(e.Problems) > 0:
			all = append(all, e.Problems...)
		default:
			return err
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &errs.Error{Code: errs.Invalid, Message: "nothing was stored: the documents are not valid", Problems: all}
}
