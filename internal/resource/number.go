package resource

import (
	"math/big"
	"strconv"
	"strings"
)

// blanks may stand around and inside of an amount; they are what \s is in a JSON Schema on every engine.
const blanks = " \t\r\n\f"

// maxDigits bounds what is turned into a big number; no amount needs more.
const maxDigits = 40

// splitNumber cuts an amount into its leading digits, without separators and spaces around it, and the unit after them.
func splitNumber(s string) (digits, suffix string) {
	s = strings.Trim(s, blanks)
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != '_' })
	if end < 0 {
		end = len(s)
	}
	return s[:end], strings.Trim(s[end:], blanks)
}

// parseDecimal reads digits with an optional fraction; '_' may stand between two digits, as in Python. whole is false if
// there is a fraction other than zero.
func parseDecimal(s string) (number *big.Rat, whole, ok bool) {
	if len(s) > maxDigits {
		return nil, false, false
	}
	for i, c := range []byte(s) {
		if c == '_' && (i == 0 || i == len(s)-1 || !isDigit(s[i-1]) || !isDigit(s[i+1])) {
			return nil, false, false
		}
	}
	s = strings.ReplaceAll(s, "_", "")
	before, after, dotted := strings.Cut(s, ".")
	if !allDigits(before) || dotted && !allDigits(after) {
		return nil, false, false
	}
	number, ok = new(big.Rat).SetString(s)
	if !ok {
		return nil, false, false
	}
	return number, number.IsInt(), true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func allDigits(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// quote shortens what an author wrote, so that a message stays one line.
func quote(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return strconv.Quote(s)
}
