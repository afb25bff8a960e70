package cli

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
)

func (a *app) sesstplDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete TEMPLATE...",
		Aliases: []string{"rm"},
		Short:   "Delete templates, which can be restored",
		Long: `Delete templates. They can be restored for a while, with all their revisions;
list --deleted shows until when.

With --purge they are gone at once and for good, the ones deleted before too:
this is asked on a terminal, and needs --yes without one. Sessions that were
made from a template go on.`,
		Example: `  ctl sesstpl delete template1234
  ctl sesstpl restore template1234

  # For good, from a script
  ctl sesstpl delete --purge --yes template1234`,
		Args:              argumentNames("TEMPLATE..."),
		ValidArgsFunction: a.completeTemplates(-1, false),
	}
	purge := cmd.Flags().Bool("purge", false, "delete for good")
	var yes, force bool
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "the same as --yes")
	f, o := addWrittenOutput(cmd), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		uid, err := o.uid(cmd)
		if err != nil {
			return err
		}
		if *purge && !yes && !force {
			if err := a.confirm(cmd, "Delete "+strings.Join(args, ", ")+" for good?"); err != nil {
				return err
			}
		}
		var done []api.Written
		c := a.client()
		for _, name := range args {
			w, err := c.Delete(cmd.Context(), client.Ref{Name: name, Owner: uid}, *purge)
			if err != nil {
				return a.finish(f, done, err)
			}
			done = append(done, w)
		}
		return a.finish(f, done, nil)
	}
	return cmd
}

// confirm asks on a terminal; only yes is yes. Without a terminal it refuses: a script has to say --yes.
func (a *app) confirm(cmd *cobra.Command, question string) error {
	if terminal(a.In) == nil || terminal(a.Err) == nil {
		return usage(cmd, "%s --purge without a terminal needs --yes", called(cmd))
	}
	return a.ask(question)
}

// confirmRemoval is confirm for what is always for good.
func (a *app) confirmRemoval(cmd *cobra.Command, names []string) error {
	if terminal(a.In) == nil || terminal(a.Err) == nil {
		return usage(cmd, "%s without a terminal needs --yes", called(cmd))
	}
	return a.ask("Remove " + strings.Join(names, ", ") + " and all files in it?")
}

func (a *app) ask(question string) error {
	fmt.Fprintf(a.Err, "%s [y/N] ", printable(question)) //nolint:errcheck // without an answer nothing is done
	answer, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && err != io.EOF {
		return errs.New(errs.Canceled, "read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errs.New(errs.Canceled, "nothing was deleted")
}
