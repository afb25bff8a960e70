package cli

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrintable_NothingReachesTheTerminal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ü 한글 👩‍💻":     "plain ü 한글 👩‍💻",
		"\x1b[31mred\x1b[0m": `\x1b[31mred\x1b[0m`,
		"a\rb\nc\td\x00\x7f": `a\x0db\x0ac\x09d\x00\x7f`,
		"\u009b31m":          `\u009b31m`,
		"abc\u202etxt.exe":   `abc\u202etxt.exe`,
		"\u2066x\u2069":      `\u2066x\u2069`,
		"\u2028":             `\u2028`,
		"\U000e0041":         `\ue0041`,
		"bad \xff byte":      "bad \uFFFD byte",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b\u202e\xff")
	f.Fuzz(func(t *testing.T, in string) {
		got := printable(in)
		if !utf8.ValidString(got) || strings.IndexFunc(got, hostile) >= 0 {
			t.Errorf("printable(%q) = %q", in, got)
		}
		if again := printable(got); again != got {
			t.Errorf("printable twice: %q, then %q", got, again)
		}
	})
}

func TestShorten_CountsColumnsNotBytes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in    string
		limit int
		want  string
	}{
		{"abcdef", 6, "abcdef"},
		{"abcdef", 5, "abcd…"},
		{"한글이름", 8, "한글이름"},
		{"한글이름", 7, "한글이…"},
		{"한글이름", 6, "한글…"},
		{"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"", 1, ""},
	} {
		got := shorten(tc.in, tc.limit)
		if got != tc.want || columns(got) > tc.limit {
			t.Errorf("shorten(%q, %d) = %q of %d columns, want %q", tc.in, tc.limit, got, columns(got), tc.want)
		}
	}
}
