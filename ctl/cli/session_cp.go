package cli

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/errs"
	"agentd/internal/filecopy"
	"agentd/internal/frame"
)

// copying is a call of cp.
type copying struct {
	tar    bool
	resume bool
}

// copyEnd is one end of a copy: a path here, or one in a session.
type copyEnd struct {
	session string
	path    string
}

// parseEnd reads SESSION:PATH, or a path of here, which may have a colon behind a slash.
func parseEnd(text string) copyEnd {
	session, path, remote := strings.Cut(text, ":")
	if !remote || session == "" || strings.Contains(session, "/") {
		return copyEnd{path: text}
	}
	return copyEnd{session: session, path: path}
}

func (a *app) sessionCopy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cp SOURCE... DESTINATION",
		Short: "Copy files into a session, or out of one",
		Long: `Copy files and directories into a session, or out of one: one side is
SESSION:PATH, the other a path of here, or - for standard input or output.
A PATH that is not absolute is below /home/work. After the end of a session its
/home/work is still there to copy from and to, until the session is removed.

A destination that is a directory gets the source in it; any other is the name
of the copy. A source that ends in /. means what is in the directory. Modes,
times, links and holes are kept; a link in a tree is copied as a link, and never
followed. A file appears under its name when all of it is there.

With - the content of a file comes or goes as it is, with --tar a whole tree as
a tar archive. A copy that broke off goes on with --resume: what is there
already, by size and time, is left alone, and a large file goes on where it
stopped.`,
		Example: `  ctl session cp data.csv template1234:
  ctl session cp template1234:results ./results
  ctl session cp template1234:/etc/os-release -

  # What is in a directory, as a pipe; and on from where it broke off
  ctl session cp --tar template1234:results - | tar tv
  ctl session cp --resume template1234:model.bin .`,
		Args:              argumentNames("SOURCE...", "DESTINATION"),
		ValidArgsFunction: a.completeCopy,
	}
	var x copying
	flags := cmd.Flags()
	flags.BoolVar(&x.tar, "tar", false, "with -: a tar archive instead of a file's content")
	flags.BoolVar(&x.resume, "resume", false, "go on with a copy that broke off")
	for _, habit := range []string{"recursive", "archive"} {
		flags.BoolP(habit, habit[:1], false, "directories are always copied whole")
		flags.Lookup(habit).Hidden = true
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usage(cmd, "cp needs SOURCE and DESTINATION")
		}
		sources, to := args[:len(args)-1], parseEnd(args[len(args)-1])
		for _, source := range sources {
			from := parseEnd(source)
			if (from.session == "") == (to.session == "") {
				return usage(cmd, "one of %q and %q has to be SESSION:PATH, and only one", source, args[len(args)-1])
			}
			if x.tar && (to.session == "" && to.path != "-" || to.session != "" && from.path != "-") {
				return usage(cmd, "--tar is for -")
			}
		}
		if len(sources) > 1 && to.path != "-" && !strings.HasSuffix(to.path, "/") && to.path != "" {
			to.path += "/"
		}
		for _, source := range sources {
			if err := a.copyOne(cmd.Context(), parseEnd(source), to, x); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// completeCopy offers sessions, with the colon that makes one of them a path, and files.
func (a *app) completeCopy(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if strings.ContainsAny(begun, ":/.") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	words, _ := a.completeSessions(-1, true)(cmd, args, begun)
	for i, word := range words {
		name, about, _ := strings.Cut(word, "\t")
		words[i] = cobra.CompletionWithDesc(name+":", about)
	}
	return words, cobra.ShellCompDirectiveNoSpace
}

// copyOne copies one source.
func (a *app) copyOne(ctx context.Context, from, to copyEnd, x copying) error {
	meter := a.meter()
	var end filecopy.End
	var err error
	if to.session != "" {
		end, err = a.copyIn(ctx, from.path, to, x, meter)
	} else {
		end, err = a.copyOut(ctx, from, to.path, x, meter)
	}
	meter.stop()
	for _, p := range end.Problems {
		a.note("ctl: %s: %s", nameOf(p, from), p.Text)
	}
	if end.More > 0 {
		a.note("ctl: and %d more", end.More)
	}
	if err != nil {
		return goOn(err, x, meter.moved() > 0 && from.path != "-" && to.path != "-")
	}
	meter.result(end)
	if end.Failed {
		return exitStatus(1)
	}
	return nil
}

func nameOf(p filecopy.Entry, from copyEnd) string {
	name := from.path
	if len(p.Path) > 0 {
		name = strings.TrimSuffix(strings.TrimSuffix(name, "/."), "/") + "/" + string(p.Path)
	}
	if from.session != "" {
		return from.session + ":" + name
	}
	return name
}

// goOn says how to go on with a copy that broke off.
func goOn(err error, x copying, begun bool) error {
	if !begun || x.tar || !errs.Is(err, errs.Unavailable) && !errs.Is(err, errs.Canceled) && !errs.Is(err, errs.NoSpace) {
		return err
	}
	return errs.New(errs.CodeOf(err), "%w", err).WithHint("the same command with --resume goes on from there")
}

// copyOut copies out of a session.
func (a *app) copyOut(ctx context.Context, from copyEnd, dst string, x copying, m *meter) (filecopy.End, error) {
	contents := strings.HasSuffix(from.path, "/.")
	conn, about, err := a.client().CopyOut(ctx, from.session, frame.Copy{
		Path: from.path, Contents: contents, Resume: x.resume, Count: m.live,
	})
	if err != nil {
		return filecopy.End{}, err
	}
	defer conn.Close() //nolint:errcheck // all was said
	var sink filecopy.Sink
	switch {
	case dst != "-":
		sink = filecopy.NewDisk(filecopy.Anywhere{}, dst, contents)
	case x.tar:
		sink = newTarSink(a.Out)
	case about.Kind == filecopy.Dir:
		return filecopy.End{}, errs.New(errs.Invalid, "%s:%s is a directory", from.session, from.path).
			WithHint("--tar writes it as an archive")
	default:
		sink = streamSink{a.Out}
	}
	m.begin(about)
	return filecopy.Receive(ctx, conn, filecopy.Options{Resume: x.resume, Progress: m.add}, sink)
}

// copyIn copies into a session.
func (a *app) copyIn(ctx context.Context, src string, to copyEnd, x copying, m *meter) (filecopy.End, error) {
	var each func(filecopy.Yield) error
	about := filecopy.Source{Kind: filecopy.File}
	contents := false
	switch {
	case src == "-" && x.tar:
		each, contents = tarSource(a.In), true
	case src == "-":
		each = func(yield filecopy.Yield) error {
			return yield(filecopy.Entry{Kind: filecopy.File, Mode: 0o644, Size: -1}, a.In)
		}
	default:
		// A source such as . has a name of its own only when it is absolute.
		path, err := filepath.Abs(src)
		if err != nil {
			return filecopy.End{}, errs.New(errs.Invalid, "%s: %w", src, err)
		}
		for _, end := range []string{"/.", "/"} {
			if strings.HasSuffix(src, end) {
				path += end
				break
			}
		}
		tree, err := filecopy.NewTree(filecopy.Anywhere{}, path, false)
		if err != nil {
			return filecopy.End{}, err
		}
		each, contents, about = tree.Each, tree.Contents(), tree.About(ctx, m.live)
	}
	conn, err := a.client().CopyIn(ctx, to.session, frame.Copy{Path: to.path, Contents: contents, Resume: x.resume})
	if err != nil {
		return filecopy.End{}, err
	}
	defer conn.Close() //nolint:errcheck // all was said
	return a.sendAll(ctx, conn, x, about, each, m)
}

func (a *app) sendAll(
	ctx context.Context, conn net.Conn, x copying, about filecopy.Source, each func(filecopy.Yield) error, m *meter,
) (filecopy.End, error) {
	m.begin(about)
	return filecopy.Send(ctx, conn, filecopy.Options{Resume: x.resume, Progress: m.add}, each)
}

// streamSink writes the content of one file.
type streamSink struct{ w io.Writer }

// Put refuses: a directory was refused before, and there is nothing else.
func (streamSink) Put(filecopy.Entry) error { return filecopy.ErrStop }

// Create gives the stream.
func (s streamSink) Create(filecopy.Entry, bool) (filecopy.Body, int64, error) {
	return filecopy.Stream{Writer: s.w}, 0, nil
}

// Finish has nothing to do.
func (streamSink) Finish() error { return nil }
