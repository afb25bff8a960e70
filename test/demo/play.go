package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// step is one command of the story.
type step struct {
	// why is told before it.
	why string
	// command is what a user would type into a shell.
	command string
	// want are texts that the output must have; none means that any will do.
	want []string
	// settles says that what is wanted may take a moment to be there: the command is tried before it is shown.
	settles bool
	// exit is the exit status that the command must have.
	exit int
	// daemon is instead of running the command, for starting and ending agentd.
	daemon func() error
	// check looks at what the command has done, elsewhere than in its output.
	check func() error
}

func (s *stage) playAll(ctx context.Context, steps []step) error {
	for _, step := range steps {
		if err := s.play(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// play tells, shows and runs one step, and compares.
func (s *stage) play(ctx context.Context, step step) error {
	if step.why != "" {
		fmt.Printf("\n%s\n", s.style("1", step.why))
	}
	prompt := "$ "
	if step.daemon != nil && os.Geteuid() == 0 {
		prompt = "# "
	}
	fmt.Printf("\n%s\n", s.style("36", prompt+step.command))
	if err := s.pause(ctx); err != nil {
		return err
	}
	if step.daemon != nil {
		if err := step.daemon(); err != nil {
			return err
		}
	} else if err := s.runStep(ctx, step); err != nil {
		return err
	}
	if step.check == nil {
		return nil
	}
	if err := step.check(); err != nil {
		return fmt.Errorf("that did not do what it should: %w", err)
	}
	return nil
}

func (s *stage) runStep(ctx context.Context, step step) error {
	if step.settles {
		if err := s.settle(ctx, step); err != nil {
			return err
		}
	}
	out, exit, err := s.shell(ctx, step.command, true)
	if err != nil {
		return err
	}
	if exit != step.exit {
		return fmt.Errorf("that ended with %d, not %d", exit, step.exit)
	}
	for _, want := range step.want {
		if !strings.Contains(out, want) {
			return fmt.Errorf("that did not say %q", want)
		}
	}
	return nil
}

// settle tries the command until it says what is wanted; after twenty seconds what it then says is shown and judged.
func (s *stage) settle(ctx context.Context, step step) error {
	limit := time.After(20 * time.Second)
	for {
		out, _, err := s.shell(ctx, step.command, false)
		missing := func(want string) bool { return !strings.Contains(out, want) }
		if err != nil || !slices.ContainsFunc(step.want, missing) {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-limit:
			return nil
		}
	}
}

// style is for a reader who is watching.
func (s *stage) style(code, text string) string {
	if !s.watched || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[m"
}

// pause gives a reader the time to read.
func (s *stage) pause(ctx context.Context) error {
	var wait time.Duration
	if s.watched {
		wait = 700 * time.Millisecond
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}
