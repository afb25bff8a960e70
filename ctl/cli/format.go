package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/errs"
)

// Formats of output.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatName  = "name"
	formatText  = "text"
)

// format is the value of a flag -o: one of a few words.
type format struct {
	value   string
	allowed []string
}

// addOutput gives cmd the flag -o/--output; the first of the formats is the default.
func addOutput(cmd *cobra.Command, formats ...string) *format {
	f := &format{value: formats[0], allowed: formats}
	cmd.Flags().VarP(f, "output", "o", "how to print: "+strings.Join(formats, ", "))
	completeFlag(cmd, "output", formats)
	return f
}

// completeFlag offers words as the values of a flag that cmd has.
func completeFlag(cmd *cobra.Command, flag string, words []string) {
	// It fails only for a flag that cmd lacks, and a test asks for the completion.
	_ = cmd.RegisterFlagCompletionFunc(
		flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// String is the value, for the help.
func (f *format) String() string { return f.value }

// Type is what the help calls the value.
func (f *format) Type() string { return "format" }

// Set takes one of the allowed words.
func (f *format) Set(value string) error {
	if !slices.Contains(f.allowed, value) {
		return errs.New(errs.Usage, "want one of %s", strings.Join(f.allowed, ", "))
	}
	f.value = value
	return nil
}

// check refuses -q beside -o: each says what to print.
func (a *app) check(cmd *cobra.Command) error {
	if a.quiet && cmd.Flags().Changed("output") {
		return usage(cmd, "-q and -o exclude each other")
	}
	return nil
}
