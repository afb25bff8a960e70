package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/errs"
)

// WriteReference writes docs/commands.md: each command with its help, its flags and its examples, made of the commands
// themselves so that both say the same.
func WriteReference(w io.Writer) error {
	root := (&app{}).root()
	root.InitDefaultHelpCmd()
	var b strings.Builder
	b.WriteString("# Commands of ctl\n\nMade from the commands themselves: `go test ./ctl/cli -run Reference -update` " +
		"writes this page anew.\n\n")
	contents(&b, root)
	fmt.Fprintf(&b, "\n## Flags of every command\n\n```text\n%s```\n", flagUsages(root.PersistentFlags().FlagUsages()))
	section(&b, root)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return errs.New(errs.Internal, "write the reference: %w", err)
	}
	return nil
}

// contents lists the commands, each with a link to its section.
func contents(b *strings.Builder, cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		if !listed(sub) {
			continue
		}
		anchor := strings.ReplaceAll(sub.CommandPath(), " ", "-")
		fmt.Fprintf(b, "- [`%s`](#%s): %s\n", sub.CommandPath(), anchor, sub.Short)
		contents(b, sub)
	}
}

// section writes a command and those below it.
func section(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n```text\n%s\n```\n\n%s\n", cmd.CommandPath(), cmd.UseLine(), cmd.Long)
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(b, "\nAlso called: `%s`\n", strings.Join(cmd.Aliases, "`, `"))
	}
	if cmd.HasParent() {
		if flags := cmd.NonInheritedFlags().FlagUsages(); flags != "" {
			fmt.Fprintf(b, "\n```text\n%s```\n", flagUsages(flags))
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", unindented(cmd.Example))
	}
	for _, sub := range cmd.Commands() {
		if listed(sub) {
			section(b, sub)
		}
	}
}

// flagUsages is cobra's table without blanks at the ends of its lines.
func flagUsages(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// unindented takes away the two blanks that examples begin with in the help.
func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}

// listed holds for the commands that the help lists: cobra does not count help itself.
func listed(cmd *cobra.Command) bool { return cmd.IsAvailableCommand() || cmd.Name() == "help" }
