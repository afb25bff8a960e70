package cli

import (
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"agentd/internal/client"
)

// sesstpl is the group of commands about session templates.
func (a *app) sesstpl() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "sesstpl",
		Aliases: []string{"template", "session-template"},
		Short:   "Session templates",
		Long: `Session templates: what a session is made of, kept by agentd with all its
revisions.

TEMPLATE is the exact id of a template, its exact name, or the beginning of its
id if no other begins so.`,
		Example: `  # Create a template, from a file or from a pipe
  ctl sesstpl create -f session-template.yaml
  ctl sesstpl create < session-template.yaml

  # Change it in your editor, and take that back
  ctl sesstpl edit template1234
  ctl sesstpl rollback template1234 1`,
	})
	cmd.AddCommand(
		a.sesstplCreate(), a.sesstplUpdate(), a.sesstplApply(), a.sesstplEdit(),
		a.sesstplList(), a.sesstplGet(), a.sesstplHistory(), a.sesstplDiff(),
		a.sesstplDelete(), a.sesstplRestore(), a.sesstplRollback(), a.sesstplCopy(),
		a.sesstplValidate(), a.sesstplSchema(),
	)
	return cmd
}

// owner is the value of the flag --owner.
type owner struct{ text string }

// addOwner gives cmd the flag --owner, for administrators.
func addOwner(cmd *cobra.Command) *owner {
	o := &owner{}
	cmd.Flags().StringVar(&o.text, "owner", "", "`user` (uid or name) whose templates are meant; for administrators")
	return o
}

// uid returns the user that the flag --owner names, nil if it was not given.
func (o *owner) uid(cmd *cobra.Command) (*uint32, error) { return o.flag(cmd, "owner") }

// flag is uid for a flag of another name.
func (o *owner) flag(cmd *cobra.Command, name string) (*uint32, error) {
	if !cmd.Flags().Changed(name) {
		return nil, nil //nolint:nilnil // nobody was named: the caller himself
	}
	text := o.text
	if u, err := user.Lookup(text); err == nil {
		text = u.Uid
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return nil, usage(cmd, "--%s %q: neither a uid nor the name of a user", name, o.text)
	}
	uid := uint32(n)
	return &uid, nil
}

// ref is the template that an argument names.
func (o *owner) ref(cmd *cobra.Command, name string) (client.Ref, error) {
	uid, err := o.uid(cmd)
	return client.Ref{Name: name, Owner: uid}, err
}

// userName is the name of a user as a table shows it; his uid if he has none here.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// revisionNumber reads an argument that is the number of a revision.
func revisionNumber(cmd *cobra.Command, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, usage(cmd, "revision %q is not a number from 1", text)
	}
	return n, nil
}

// positive refuses the value of a flag that was given and is no number from 1.
func positive(cmd *cobra.Command, flag string, value int) error {
	if cmd.Flags().Changed(flag) && value < 1 {
		return usage(cmd, "--%s %d is not a number from 1", flag, value)
	}
	return nil
}
