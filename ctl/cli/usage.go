package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/errs"
)

// usage is an error in how ctl was called.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return errs.New(errs.Usage, format, args...).WithHint("see: %s --help", cmd.CommandPath())
}

// called is the command as a message names it, behind the program's name.
func called(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// flagError is what cobra's complaint about a flag becomes.
func flagError(cmd *cobra.Command, err error) error { return usage(cmd, "%s", err.Error()) }

// group makes a command whose only work is its commands: help without a word, the nearest command for an unknown one.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args[0])
	}
	return cmd
}

// unknownCommand names the commands that word may have meant.
func unknownCommand(cmd *cobra.Command, word string) error {
	message := fmt.Sprintf("unknown command %q for %q", word, cmd.CommandPath())
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		message += ": did you mean " + strings.Join(near, " or ") + "?"
	}
	return usage(cmd, "%s", message)
}

// argumentNames makes a check for exactly these arguments; NAME? may be left out, NAME... may come again.
func argumentNames(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		least, most := 0, len(names)
		for _, name := range names {
			if !strings.HasSuffix(name, "?") {
				least++
			}
			if strings.HasSuffix(name, "...") {
				most = len(args)
			}
		}
		switch {
		case len(args) < least:
			return usage(cmd, "%s needs %s", called(cmd), strings.TrimSuffix(names[len(args)], "..."))
		case len(args) > max(most, least):
			return usage(cmd, "%s: one argument too many: %q", called(cmd), args[most])
		}
		for i, arg := range args {
			if arg == "" {
				return usage(cmd, "%s: argument %d is empty", called(cmd), i+1)
			}
		}
		return nil
	}
}

// apart refuses two flags that exclude each other.
func apart(cmd *cobra.Command, one, other string) error {
	if cmd.Flags().Changed(one) && cmd.Flags().Changed(other) {
		return usage(cmd, "--%s and --%s exclude each other", one, other)
	}
	return nil
}
