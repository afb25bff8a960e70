package template

import "strings"

func (o *object) git() *Git {
	if o == nil {
		return nil
	}
	g := &Git{}
	var m member
	if m, g.Repository = o.required("repository", "the URL of a repository"); g.Repository != "" {
		if text, complete := o.filled(m, g.Repository); complete {
			note, err := CheckRepository(text)
			o.refuse(m.value.off, m.path, "git-repository", err)
			if note != "" {
				o.warn(m.value.off, m.path, "git-scheme", "%s", note)
			}
		}
	}
	g.Branch = o.checked("branch", "git-branch", CheckBranch)
	g.Commit = o.checked("commit", "git-commit", CheckCommit)
	g.Credential = o.under("credential", atCredential).credential()
	if m, text := o.scalar("destination_dir"); text != "" {
		g.DestinationDir = text
		_, err := CheckTarget(text)
		o.refuse(m.value.off, m.path, "target", err)
	}
	return g
}

// checked is scalar for a text that a function judges, once its parameters are known.
func (o *object) checked(name, rule string, check func(string) error) string {
	m, text := o.scalar(name)
	if text == "" {
		return ""
	}
	if filled, complete := o.filled(m, text); complete {
		o.refuse(m.value.off, m.path, rule, check(filled))
	}
	return text
}

// CheckBranch says what is wrong with the name of a branch or tag: the rules are those of git-check-ref-format(1), and it
// must not look like an option.
func CheckBranch(name string) error {
	bad := func(why string) error { return invalid("%s is not the name of a branch or tag: %s", short(name), why) }
	switch {
	case name == "" || name == "@":
		return bad("it is reserved")
	case strings.HasPrefix(name, "-"):
		return bad("it begins with '-'")
	case strings.ContainsFunc(name, isControl):
		return bad("it has a control character")
	case strings.ContainsAny(name, " ~^:?*[\\"):
		return bad(`it has a blank or one of ~^:?*[\`)
	case strings.Contains(name, "..") || strings.Contains(name, "@{"):
		return bad("it has '..' or '@{'")
	case strings.HasSuffix(name, "."):
		return bad("it ends with '.'")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return bad("a part of it is empty, begins with '.' or ends with '.lock'")
		}
	}
	return nil
}

// Lengths of the name of a commit, in digits: the shortest that git takes, and SHA-256.
const (
	minCommit = 4
	maxCommit = 64
)

// CheckCommit says what is wrong with a commit: hex digits, at least 4.
func CheckCommit(name string) error {
	hex := len(name) >= minCommit && len(name) <= maxCommit
	for _, c := range []byte(name) {
		hex = hex && (c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f')
	}
	if !hex {
		return invalid("%s is not a commit: wants %d to %d hex digits; a tag goes to branch", short(name), minCommit, maxCommit)
	}
	return nil
}
