package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/errs"
)

// Accepts reports why ctl does not take a command line, before any of it is done: an unknown command, an unknown flag, an
// argument too many or too few. The words are those after the program's name.
func Accepts(words []string) error {
	root := (&app{Stdio: Stdio{Getenv: func(string) string { return "" }}}).root()
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err //nolint:wrapcheck // it names the word
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err //nolint:wrapcheck // it names the flag
	}
	if isGroup(cmd) {
		return errs.New(errs.Usage, "unknown command %q", cmd.Flags().Args())
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// isGroup holds for a command whose only work is its commands.
func isGroup(cmd *cobra.Command) bool { return cmd.HasSubCommands() }
