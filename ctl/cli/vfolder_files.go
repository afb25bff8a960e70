package cli

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/filecopy"
)

// A vfolder is a directory of this machine, and its owner's: ctl reads and writes it as he himself, with no agentd
// between. The names in it are looked up beneath it, whatever sessions have left there.

// openVFolder opens the directory of a vfolder.
func (a *app) openVFolder(ctx context.Context, name string) (*os.Root, error) {
	v, err := a.client().VFolder(ctx, name)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(v.Path)
	if err != nil {
		return nil, errs.New(errs.Unavailable, "open vfolder %q: %w", name, err)
	}
	return root, nil
}

// inside is a path in a vfolder, relative to it; a slash at its end is kept.
func inside(name string) string {
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if clean == "" {
		return "."
	}
	if strings.HasSuffix(name, "/") {
		clean += "/"
	}
	return clean
}

// fileTrouble is what goes wrong with a file of a vfolder, in words.
func fileTrouble(vfolder string, err error) error {
	code := errs.Invalid
	switch {
	case errors.Is(err, fs.ErrNotExist):
		code = errs.NotFound
	case errors.Is(err, fs.ErrExist):
		code = errs.Conflict
	case errors.Is(err, fs.ErrPermission):
		code = errs.Forbidden
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return errs.New(code, "vfolder %q: %s: %w", vfolder, e.Path, e.Err)
	}
	return errs.New(code, "vfolder %q: %w", vfolder, err)
}

func (a *app) vfolderMkdir() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mkdir VFOLDER PATH...",
		Short: "Make directories in a vfolder",
		Long: `Make directories in a vfolder, PATH as seen from it; with -p also those that
lead there, and one that is there already is no error.`,
		Example: `  ctl vfolder mkdir results plots
  ctl vfolder mkdir -p results runs/2026/07`,
		Args:              argumentNames("VFOLDER", "PATH..."),
		ValidArgsFunction: a.completeVFolders(1),
	}
	parents := cmd.Flags().BoolP("parents", "p", false, "also make those that lead there")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usage(cmd, "%s needs PATH", called(cmd))
		}
		root, err := a.openVFolder(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		defer root.Close() //nolint:errcheck // nothing was written through it
		for _, name := range args[1:] {
			made := root.Mkdir
			if *parents {
				made = root.MkdirAll
			}
			if err := made(strings.TrimSuffix(inside(name), "/"), 0o777); err != nil {
				return fileTrouble(args[0], err)
			}
		}
		return nil
	}
	return cmd
}

func (a *app) vfolderUpload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upload VFOLDER FILE...",
		Short: "Copy files into a vfolder",
		Long: `Copy files and directories into a vfolder, under their own names, or below the
directory --to in it, which is made if it is not there. What is there already
under such a name is replaced. A file appears when all of it is there; one that
broke off goes on with --resume.`,
		Example: `  ctl vfolder upload data train.csv test.csv
  ctl vfolder upload data --to images/raw ./photos`,
		Args:              argumentNames("VFOLDER", "FILE..."),
		ValidArgsFunction: a.completeUpload,
	}
	to := cmd.Flags().String("to", "", "`directory` in the vfolder")
	resume := cmd.Flags().Bool("resume", false, "go on with one that broke off")
	hidden(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usage(cmd, "%s needs FILE", called(cmd))
		}
		root, err := a.openVFolder(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		defer root.Close() //nolint:errcheck // what was written has been closed
		dir := strings.TrimSuffix(inside(*to), "/")
		if err := root.MkdirAll(dir, 0o777); err != nil {
			return fileTrouble(args[0], err)
		}
		for _, file := range args[1:] {
			absolute, err := filepath.Abs(file)
			if err != nil {
				return errs.New(errs.Invalid, "%s: %w", file, err)
			}
			t := transfer{from: filecopy.Anywhere{}, source: absolute, to: root, target: dir + "/", resume: *resume}
			if err := a.transfer(cmd.Context(), t); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// hidden adds the flags that other fingers know, and that change nothing: directories are always copied whole.
func hidden(cmd *cobra.Command) {
	cmd.Flags().BoolP("recursive", "r", false, "directories are always copied whole")
	hide(cmd, "recursive")
}

func (a *app) completeUpload(
	cmd *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.completeVFolders(1)(cmd, args, begun)
}

func (a *app) vfolderDownload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "download VFOLDER PATH...",
		Short: "Copy files out of a vfolder",
		Long: `Copy files and directories out of a vfolder, PATH as seen from it, into the
current directory or the one that --dest names.`,
		Example: `  ctl vfolder download results metrics.json
  ctl vfolder download results plots --dest ~/paper`,
		Args:              argumentNames("VFOLDER", "PATH..."),
		ValidArgsFunction: a.completeVFolders(1),
	}
	dest := cmd.Flags().String("dest", ".", "`directory` of here")
	resume := cmd.Flags().Bool("resume", false, "go on with one that broke off")
	hidden(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usage(cmd, "%s needs PATH", called(cmd))
		}
		root, err := a.openVFolder(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		defer root.Close() //nolint:errcheck // it was only read
		for _, name := range args[1:] {
			t := transfer{from: root, source: inside(name), to: filecopy.Anywhere{}, target: *dest + "/", resume: *resume}
			if err := a.transfer(cmd.Context(), t); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// transfer is one copy from a place of this machine to another.
type transfer struct {
	from, to       filecopy.Place
	source, target string
	resume         bool
}

// transfer copies as between a session and here: both ends are in this process.
func (a *app) transfer(ctx context.Context, t transfer) error {
	tree, err := filecopy.NewTree(t.from, t.source, false)
	if err != nil {
		return err
	}
	near, far, err := connected()
	if err != nil {
		return err
	}
	defer near.Close() //nolint:errcheck // all was said
	m := a.meter()
	m.begin(tree.About(ctx, m.live))
	received := make(chan error, 1)
	go func() {
		defer far.Close() //nolint:errcheck // all was said
		_, err := filecopy.Receive(ctx, far, filecopy.Options{Resume: t.resume},
			filecopy.NewDisk(t.to, t.target, tree.Contents()))
		received <- err
	}()
	end, err := filecopy.Send(ctx, near, filecopy.Options{Resume: t.resume, Progress: m.add}, tree.Each)
	m.stop()
	if other := <-received; err == nil {
		err = other
	}
	for _, p := range end.Problems {
		a.note("ctl: %s: %s", nameOf(p, copyEnd{path: t.source}), p.Text)
	}
	if err != nil {
		return err
	}
	m.result(end)
	if end.Failed {
		return exitStatus(1)
	}
	return nil
}

// connected is two ends of one connection.
func connected() (near, far net.Conn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, errs.New(errs.Internal, "make a connection: %w", err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "copy")
		conn, fail := net.FileConn(f)
		f.Close() //nolint:errcheck // the connection has its own
		ends[i], err = conn, errors.Join(err, fail)
	}
	if err != nil {
		return nil, nil, errs.New(errs.Internal, "make a connection: %w", err)
	}
	return ends[0], ends[1], nil
}

func (a *app) vfolderRename() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rename VFOLDER NAME",
		Aliases: []string{"mv"},
		Short:   "Give a vfolder another name",
		Long: `Give a vfolder another name. Sessions that have it mounted go on with it; a
session that does not run yet, and templates that mount it, know only the old
name.`,
		Example:           `  ctl vfolder rename results results-2026`,
		Args:              argumentNames("VFOLDER", "NAME"),
		ValidArgsFunction: a.completeVFolders(1),
	}
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v, err := a.client().RenameVFolder(cmd.Context(), args[0], args[1])
		if err != nil {
			return err
		}
		return a.vfolders(f, []api.VFolder{v}, func(v api.VFolder) string { return args[0] + " is now " + v.Name })
	}
	return cmd
}
