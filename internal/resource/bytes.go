// Package resource is the amounts that a session asks for and an agent has: sizes, shares of processors, and named slots.
package resource

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"agentd/internal/errs"
)

// Bytes is a size in bytes.
type Bytes int64

// Units of [Bytes]. They are powers of 1024 whatever their spelling, as in Backend.AI.
const (
	KiB Bytes = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
	PiB
	EiB
)

// unit is a suffix of a size.
type unit struct {
	letter string
	size   Bytes
}

// units are in falling order of size.
func units() []unit {
	return []unit{{"e", EiB}, {"p", PiB}, {"t", TiB}, {"g", GiB}, {"m", MiB}, {"k", KiB}}
}

// ParseBytes reads a size such as 4g, 1.5 GiB, 512_000k or 100 bytes, as Backend.AI's BinarySize does: the suffixes k m g t
// p e are 1024-based in every spelling (g, gb, gib, gbyte, gibytes), case does not matter, and what is left of a fraction
// of a byte is cut off. Unlike there a bare number is refused, for nobody ever meant 320 bytes.
func ParseBytes(s string) (Bytes, error) {
	digits, suffix := splitNumber(s)
	number, whole, ok := parseDecimal(digits)
	if !ok {
		return 0, errs.New(errs.Invalid, "%s is not a size: write a number and a unit, such as 512m or 4g", quote(s))
	}
	if suffix == "" {
		return 0, errs.New(errs.Invalid, "%s has no unit: %q?", quote(s), digits+"m")
	}
	size, ok := parseUnit(suffix)
	if !ok {
		return 0, errs.New(errs.Invalid, "%s is not a unit of size: use k, m, g, t, p or e", quote(suffix))
	}
	if size == 1 && !whole {
		return 0, errs.New(errs.Invalid, "%s is not a whole number of bytes", quote(s))
	}
	number.Mul(number, new(big.Rat).SetInt64(int64(size)))
	n := new(big.Int).Quo(number.Num(), number.Denom())
	if !n.IsInt64() {
		return 0, errs.New(errs.Invalid, "%s is more than %s", quote(s), Bytes(math.MaxInt64))
	}
	return Bytes(n.Int64()), nil
}

// String is the exact size in the largest unit that needs at most three decimals, such as 4g, 1.5g or 1000b; [ParseBytes]
// reads it back.
func (b Bytes) String() string {
	// Unsigned, for a tenfold of what is left of an exbibyte does not fit an int64.
	sign, n := "", uint64(b)
	if b < 0 {
		sign, n = "-", -n
	}
	for _, u := range units() {
		size := uint64(u.size)
		decimals, rest := "", n%size
		for rest != 0 && len(decimals) < 3 {
			rest *= 10
			decimals += strconv.FormatUint(rest/size, 10)
			rest %= size
		}
		if n < size || rest != 0 {
			continue
		}
		if decimals != "" {
			decimals = "." + decimals
		}
		return sign + strconv.FormatUint(n/size, 10) + decimals + u.letter
	}
	return sign + strconv.FormatUint(n, 10) + "b"
}

// parseUnit reads b, byte(s), and k m g t p e with nothing, b, byte(s), ib or ibyte(s) behind.
func parseUnit(s string) (Bytes, bool) {
	s = strings.ToLower(s)
	isByte := func(s string) bool { return s == "b" || s == "byte" || s == "bytes" }
	if isByte(s) {
		return 1, true
	}
	for _, u := range units() {
		if rest, ok := strings.CutPrefix(s, u.letter); ok {
			return u.size, rest == "" || isByte(strings.TrimPrefix(rest, "i"))
		}
	}
	return 0, false
}
