package template

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"agentd/internal/errs"
)

// MaxName bounds metadata.name, in characters; it is the width of Backend.AI's column.
const MaxName = 128

// CheckName says what is wrong with a template's name: a person types it, as one argument of a command, and it is one
// segment of a path of the API. So it has printable characters and single blanks inside, no '/', no '-' in front.
func CheckName(name string) error {
	switch {
	case name == "":
		return errs.New(errs.Invalid, "the name is empty")
	case utf8.RuneCountInString(name) > MaxName:
		return errs.New(errs.Invalid, "the name has %d characters; at most %d are possible", utf8.RuneCountInString(name), MaxName)
	case strings.TrimSpace(name) != name:
		return errs.New(errs.Invalid, "the name %s begins or ends with white space", short(name))
	case strings.HasPrefix(name, "-"):
		return errs.New(errs.Invalid, "the name %s begins with '-', as an option does", short(name))
	case name == "." || name == "..":
		return errs.New(errs.Invalid, "the name %s means a directory", short(name))
	case strings.Contains(name, "/"):
		return errs.New(errs.Invalid, "the name %s has a '/', which no name can have", short(name))
	}
	return checkPrintable(name)
}

// checkPrintable refuses what a terminal would obey or not show.
func checkPrintable(s string) error {
	if !utf8.ValidString(s) {
		return errs.New(errs.Invalid, "%s is not UTF-8", short(s))
	}
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return errs.New(errs.Invalid, "%s has the character %U, which cannot be seen", short(s), c)
		}
	}
	return nil
}
