package resource

import (
	"math/big"
	"time"

	"agentd/internal/errs"
)

// ParseDuration reads a time span as Backend.AI writes it: bare seconds, or numbers with the units s, m, h, d and w, the
// larger unit first, such as 90, 30s, 1.5h, 1h30m or 2w. Zero is a time span; negative ones are refused.
func ParseDuration(s string) (time.Duration, error) {
	bad := errs.New(errs.Invalid, "%s is not a time span: write one such as 30s, 5m, 1h30m, 2d or 1w", quote(s))
	units := []struct {
		letter byte
		span   time.Duration
	}{{'w', 7 * 24 * time.Hour}, {'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
	total := new(big.Rat)
	for rest, next := s, 0; ; {
		digits, _ := splitNumber(rest)
		number, _, ok := parseDecimal(digits)
		if !ok || len(rest) != 0 && !isDigit(rest[0]) {
			return 0, bad
		}
		rest = rest[len(digits):]
		span := time.Second // bare, which only the whole can be
		if rest != "" || next > 0 {
			for next < len(units) && (rest == "" || units[next].letter != rest[0]) {
				next++
			}
			if next == len(units) {
				return 0, bad
			}
			span, rest = units[next].span, rest[1:]
			next++
		}
		total.Add(total, number.Mul(number, new(big.Rat).SetInt64(int64(span))))
		if rest == "" {
			break
		}
	}
	n := new(big.Int).Quo(total.Num(), total.Denom())
	if !n.IsInt64() {
		return 0, errs.New(errs.Invalid, "%s is longer than 292 years", quote(s))
	}
	return time.Duration(n.Int64()), nil
}
