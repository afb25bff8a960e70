package cli

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
)

// grepParts bounds a line that comes in parts: beyond it what there is decides.
const grepParts = 64

// grep lets lines through that match; the parts of a long line are one line.
type grep struct {
	re   *regexp.Regexp
	held []api.LogLine
}

// newGrep is nil for an empty pattern.
func newGrep(cmd *cobra.Command, pattern string) (*grep, error) {
	if pattern == "" {
		return nil, nil //nolint:nilnil // nothing is looked for
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, usage(cmd, "--grep: %s", err.Error())
	}
	return &grep{re: re}, nil
}

// pass returns what is to be printed now that l has come.
func (g *grep) pass(l api.LogLine) []api.LogLine {
	if g == nil {
		return []api.LogLine{l}
	}
	if len(g.held) > 0 && (g.held[0].Stream != l.Stream || g.held[0].Step != l.Step) {
		// Another stream's line came between: the parts so far are judged by themselves.
		done := g.judge()
		return append(done, g.pass(l)...)
	}
	g.held = append(g.held, l)
	if l.Partial && len(g.held) < grepParts {
		return nil
	}
	return g.judge()
}

// judge lets through what is held, or drops it.
func (g *grep) judge() []api.LogLine {
	if g == nil {
		return nil
	}
	var text strings.Builder
	for _, part := range g.held {
		text.WriteString(part.Text)
	}
	held := g.held
	g.held = nil
	if len(held) == 0 || !g.re.MatchString(strings.TrimSuffix(text.String(), "\r")) {
		return nil
	}
	return held
}

// gutter marks on a terminal with colours which step a line is of, and whether it is an error's.
func gutter(l api.LogLine) string {
	color := "36" // the startup
	switch {
	case l.Stream == "stderr":
		color = "31"
	case l.Stream == "init":
		color = "35"
	case l.Step == "bootstrap":
		color = "33"
	}
	return "\x1b[" + color + "m│\x1b[m "
}
