package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/errs"
)

func (a *app) completion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completion script of a shell",
		Long: `Print the script that makes a shell complete ctl's commands, flags, and the
names of your templates.

The names come from agentd at the moment of the key; without agentd there are
none.`,
		Example: `  # bash: once in this shell, or for good
  source <(ctl completion bash)
  ctl completion bash > ~/.local/share/bash-completion/completions/ctl

  # zsh, with a directory of your $fpath
  ctl completion zsh > "${fpath[1]}/_ctl"

  # fish
  ctl completion fish > ~/.config/fish/completions/ctl.fish`,
		Args:      argumentNames("SHELL"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			switch args[0] {
			case "bash":
				err = cmd.Root().GenBashCompletionV2(a.Out, true)
			case "zsh":
				err = cmd.Root().GenZshCompletion(a.Out)
			case "fish":
				err = cmd.Root().GenFishCompletion(a.Out, true)
			default:
				return usage(cmd, "no completion for %q: want bash, zsh or fish", args[0])
			}
			if err != nil {
				return errs.New(errs.Internal, "write to standard output: %w", err)
			}
			return nil
		},
	}
}
