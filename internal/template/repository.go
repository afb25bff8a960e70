package template

import (
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"
)

// CheckRepository says what is wrong with the URL of a repository: https, ssh or the scp form, all without a secret; http,
// git, file and absolute paths only with a note, for the agent's config decides about them at launch.
func CheckRepository(repository string) (note string, err error) {
	switch {
	case strings.HasPrefix(repository, "-"):
		return "", invalid("the repository %s begins with '-', as an option does", short(repository))
	case strings.ContainsFunc(repository, func(c rune) bool { return isControl(c) || unicode.IsSpace(c) }):
		return "", invalid("the repository %s has white space or a control character", short(repository))
	case strings.HasPrefix(repository, "/"):
		return schemeNote("file"), checkRepositoryPath(repository, repository)
	}
	if scheme, _, ok := strings.Cut(repository, "://"); ok {
		return checkURL(repository, strings.ToLower(scheme))
	}
	return "", checkSCP(repository)
}

func schemeNote(scheme string) string {
	return fmt.Sprintf("%s repositories work only where the agent's config lists %s in git.schemes", scheme, scheme)
}

func checkURL(repository, scheme string) (note string, err error) {
	u, err := url.Parse(repository)
	if err != nil {
		// What the library says would repeat the URL, and a password in it.
		return "", invalid("the repository is not a URL")
	}
	_, secret := u.User.Password()
	switch {
	case secret || u.User != nil && scheme != "ssh":
		return "", invalid("the repository has a user name or password in its URL: that is what credential is for")
	case scheme == "file" && u.Host != "" && u.Host != "localhost":
		return "", invalid("the repository %s is on another host: wants file:///path", short(repository))
	case scheme != "file" && (u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-")):
		return "", invalid("the repository %s names no host", short(repository))
	case u.Fragment != "":
		return "", invalid("the repository %s has a fragment: that is what branch is for", short(repository))
	}
	switch scheme {
	case "https", "ssh":
	case "http", "git", "file":
		note = schemeNote(scheme)
	default:
		return "", invalid("the repository %s is fetched by %s: wants https://, ssh:// or user@host:path",
			short(repository), scheme)
	}
	return note, checkRepositoryPath(repository, u.Path)
}

// checkSCP checks the form user@host:path.
func checkSCP(repository string) error {
	host, rest, ok := strings.Cut(repository, ":")
	if !ok || strings.Contains(host, "/") {
		first, _, _ := strings.Cut(repository, "/")
		if strings.Index(first, ".") > 0 && first != repository {
			return invalid("the repository %s has no scheme: https://%s?", short(repository), repository)
		}
		return invalid("%s is not a repository: wants https://, ssh:// or user@host:path", short(repository))
	}
	user, name, ok := strings.Cut(host, "@")
	if !ok {
		user, name = "git", host
	}
	switch {
	case strings.Contains(rest, "@"):
		return invalid("the repository has a user name or password in its URL: that is what credential is for")
	case user == "" || name == "" || strings.HasPrefix(name, "-") || strings.Contains(name, "@"):
		return invalid("the repository %s names no host", short(repository))
	}
	return checkRepositoryPath(repository, rest)
}

func checkRepositoryPath(repository, p string) error {
	if name := path.Base(path.Clean("/" + p)); name == "/" || name == ".git" {
		return invalid("the repository %s has no path", short(repository))
	}
	return nil
}
