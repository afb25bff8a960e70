package nearword

import (
	"strings"
	"testing"
)

func TestDistance_CountsSlipsOfTheKeyboard(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxLen)
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"image", "image", 0}, {"imag", "image", 1},
		{"iamge", "image", 1}, {"imaeg", "image", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3},
		{long + "a", long + "bcd", 0},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if Distance(c.a, c.b) != Distance(c.b, c.a) {
			t.Errorf("Distance(%q, %q) depends on the order", c.a, c.b)
		}
	}
}
