package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
)

// vfolder is the group of commands about vfolders.
func (a *app) vfolder() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "vfolder",
		Short: "Directories that outlive sessions",
		Long: `Directories that outlive sessions, mounted by their names (spec.mounts of a
template, or -v).

A vfolder is a directory that agentd keeps for you, or one of your own elsewhere
that has got a name.`,
		Example: `  ctl vfolder create results
  ctl session create-from-template train -v results
  ls $(ctl vfolder path results)`,
	})
	cmd.AddCommand(a.vfolderCreate(), a.vfolderList(), a.vfolderInfo(), a.vfolderPath(), a.vfolderRename(), a.vfolderRemove(),
		a.vfolderMkdir(), a.vfolderUpload(), a.vfolderDownload())
	return cmd
}

// vfoldersOutput is what the commands about vfolders print with -o json.
type vfoldersOutput struct {
	SchemaVersion int           `json:"schema_version"`
	VFolders      []api.VFolder `json:"vfolders"`
}

// vfolders prints vfolders; told makes the line for a person.
func (a *app) vfolders(f *format, list []api.VFolder, told func(api.VFolder) string) error {
	switch {
	case a.quiet || f.value == formatName:
		return a.lines(each(list, func(v api.VFolder) string { return v.Name }))
	case f.value == formatText:
		return a.lines(each(list, told))
	case f.value != formatTable:
		if list == nil {
			list = []api.VFolder{}
		}
		return a.data(f.value, vfoldersOutput{SchemaVersion: api.SchemaVersion, VFolders: list})
	}
	t := &table{header: []column{
		{title: "NAME"}, {title: "KIND"}, {title: "CREATED"}, {title: "PATH", shrinks: true},
	}}
	for _, v := range list {
		t.add(v.Name, vfolderKind(v), when(v.CreatedAt, a.now()), v.Path)
	}
	return a.table(t)
}

func vfolderKind(v api.VFolder) string {
	if v.External {
		return "external"
	}
	return "own"
}

func (a *app) vfolderCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a vfolder",
		Long: `Make a vfolder: an empty directory that agentd keeps, or with --path a name for
a directory of yours that is there already and stays yours.`,
		Example: `  ctl vfolder create results
  ctl vfolder create data --path ~/datasets`,
		Args: argumentNames("NAME"),
	}
	path := cmd.Flags().String("path", "", "`directory` of yours that the vfolder stands for")
	cmd.Flags().StringVar(path, "unmanaged-path", "", "the same as --path")
	hide(cmd, "unmanaged-path")
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("path") || cmd.Flags().Changed("unmanaged-path") {
			absolute, err := filepath.Abs(*path)
			if err != nil || *path == "" {
				return usage(cmd, "--path %q is not a directory", *path)
			}
			*path = absolute
		}
		v, err := a.client().CreateVFolder(cmd.Context(), api.VFolderRequest{Name: args[0], Path: *path})
		if err != nil {
			return err
		}
		return a.vfolders(f, []api.VFolder{v}, func(v api.VFolder) string { return "created " + v.Name + " at " + v.Path })
	}
	return cmd
}

// completeVFolders offers the names of vfolders.
func (a *app) completeVFolders(most int) completer {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		list, err := a.client().VFolders(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []cobra.Completion
		for _, v := range list {
			if strings.HasPrefix(v.Name, begun) && !slices.Contains(args, v.Name) {
				words = append(words, cobra.CompletionWithDesc(v.Name, printable(v.Path)))
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}
