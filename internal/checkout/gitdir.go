package checkout

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// skeleton makes the directories that git looks for to call something a repository.
func (j *job) skeleton(git *os.Root) error {
	for _, dir := range []string{
		"objects", "objects/pack", "objects/info", "refs", "refs/heads", "refs/tags", "info", "hooks",
	} {
		if err := mkdir(git, dir); err != nil {
			return err
		}
	}
	if err := git.Chmod(".", dirMode); err != nil {
		return err
	}
	return j.writeFile(git, "description", "Unnamed repository; edit this file 'description' to name the repository.\n")
}

// Modes as `git clone` makes them under the usual umask. They are set whatever the umask of this process is.
const (
	dirMode        = 0o755
	fileMode       = 0o644
	executableMode = 0o755
)

// mkdir makes one directory that is not there yet.
func mkdir(in *os.Root, name string) error {
	if err := in.Mkdir(name, dirMode); err != nil {
		return err
	}
	return in.Chmod(name, dirMode)
}

// writeFile writes a new file of the repository, and the directories that lead to it.
func (j *job) writeFile(git *os.Root, name, text string) (err error) {
	if err := j.takeBytes(int64(len(text))); err != nil {
		return err
	}
	if dir := path.Dir(name); dir != "." {
		if err := git.MkdirAll(dir, dirMode); err != nil {
			return err
		}
		for ; dir != "."; dir = path.Dir(dir) {
			if err := git.Chmod(dir, dirMode); err != nil {
				return err
			}
		}
	}
	f, err := git.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(fileMode); err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return err
}

// packedRef is a line of .git/packed-refs.
type packedRef struct {
	name   string
	hash   plumbing.Hash
	peeled plumbing.Hash // what an annotated tag is of; zero for others
}

// writePacked writes references in one file, as git clone does: a repository can have a hundred thousand.
func (j *job) writePacked(git *os.Root, refs []packedRef) error {
	if len(refs) == 0 {
		return nil
	}
	slices.SortFunc(refs, func(a, b packedRef) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	b.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	for _, r := range refs {
		fmt.Fprintf(&b, "%s %s\n", r.hash, r.name)
		if !r.peeled.IsZero() {
			fmt.Fprintf(&b, "^%s\n", r.peeled)
		}
	}
	return j.writeFile(git, "packed-refs", b.String())
}

// configuration is the repository's configuration: nothing but what git clone writes. The URL is the one as written,
// without a credential; what git.instead_of made of it is this machine's business.
func configuration(s source, ref plumbing.ReferenceName, shallow, hasTip bool) string {
	var b strings.Builder
	b.WriteString("[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n")
	fmt.Fprintf(&b, "[remote \"origin\"]\n\turl = %s\n", configValue(s.name))
	branches := "*"
	if shallow && ref.IsBranch() {
		// As git clone --depth: the next fetch is not to bring the history of every other branch.
		branches = ref.Short()
	}
	fmt.Fprintf(&b, "\tfetch = %s\n", configValue("+refs/heads/"+branches+":refs/remotes/origin/"+branches))
	if ref.IsBranch() && hasTip {
		fmt.Fprintf(&b, "[branch %s]\n\tremote = origin\n\tmerge = %s\n", configQuote(ref.Short()), configValue(ref.String()))
	}
	return b.String()
}

// configQuote writes a string of git-config(1) in quotes.
func configQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// configValue quotes only where git would.
func configValue(s string) string {
	if strings.ContainsAny(s, " \t\n\"\\;#") {
		return configQuote(s)
	}
	return s
}
