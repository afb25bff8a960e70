package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
)

// completionTimeout bounds the wait of a person who pressed Tab.
const completionTimeout = 300 * time.Millisecond

type completer = func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective)

// completeTemplates offers the names of templates for the first most arguments, for all of them if most is negative.
// Without agentd it offers nothing, and says nothing.
func (a *app) completeTemplates(most int, deleted bool) completer {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		templates, err := a.client().Templates(ctx, api.ListQuery{Deleted: deleted})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []cobra.Completion
		for _, t := range templates {
			about := t.Description
			if about == "" {
				about = t.Image
			}
			// A word with a blank or a control character in it would fall apart in the shell: its id does as well.
			word := t.Name
			if strings.ContainsAny(word, " :\t") || printable(word) != word {
				word = t.ID
			}
			if strings.HasPrefix(word, begun) && !slices.Contains(args, word) {
				words = append(words, cobra.CompletionWithDesc(word, printable(about)))
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeRevisions offers templates for the first argument and their revisions for most arguments after it.
func (a *app) completeRevisions(most int) completer {
	templates := a.completeTemplates(1, false)
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return templates(cmd, args, begun)
		}
		if len(args) > most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		h, err := a.client().History(ctx, client.Ref{Name: args[0]})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []cobra.Completion
		for _, r := range h.Revisions {
			word := strconv.Itoa(r.Revision)
			if strings.HasPrefix(word, begun) {
				words = append(words, cobra.CompletionWithDesc(word, printable(r.Cause+" "+when(r.Time, a.now()))))
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}
