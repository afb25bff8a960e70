package plan

import (
	"regexp"
	"strings"

	"agentd/internal/errs"
)

// Bounds of a session's name, from Backend.AI's launch API.
const (
	minName = 4
	maxName = 64
)

var sessionName = regexp.MustCompile(`^\w[\w.-]*\w$`)

// CheckSessionName refuses what is not a session's name: 4 to 64 ASCII letters, digits, underscores, dots and hyphens,
// with no dot or hyphen at either end.
func CheckSessionName(name string) error {
	if len(name) >= minName && len(name) <= maxName && sessionName.MatchString(name) {
		return nil
	}
	return errs.New(errs.Invalid,
		"%q is not a session name: want 4 to 64 letters, digits, '_', '.' and '-', the first and last no '.' or '-'", name)
}

// SessionName makes a valid session name from a template's, which may be any text. The caller makes it unique.
func SessionName(templateName string) string {
	var b strings.Builder
	for _, c := range templateName {
		switch {
		case c < 128 && (c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'),
			(c == '.' || c == '-') && b.Len() > 0:
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		// Eight characters are left for what makes it unique.
		if b.Len() == maxName-8 {
			break
		}
	}
	name := strings.TrimRight(b.String(), ".-")
	if len(name) < minName {
		name = strings.TrimLeft(name+"-session", "-")
	}
	return name
}
