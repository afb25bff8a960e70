package resource

import (
	"math/big"
	"strconv"
	"strings"

	"agentd/internal/errs"
)

// NanoCPU is a share of processors in billionths of a core, as the engine counts it.
type NanoCPU int64

// Core is one whole processor.
const Core NanoCPU = 1e9

// MinCPU is the least that the kernel can give: a quota of 1 ms in a period of 100 ms.
const MinCPU = Core / 100

// maxCores bounds a wish before it is compared with a machine.
const maxCores = 1 << 20

// ParseCPU reads a number of cores such as 2 or 0.5, with at most nine decimals.
func ParseCPU(s string) (NanoCPU, error) {
	digits, suffix := splitNumber(s)
	number, _, ok := parseDecimal(digits)
	if !ok || suffix != "" && suffix != "m" {
		return 0, errs.New(errs.Invalid, "%s is not a number of cores: write one such as 2 or 0.5", quote(s))
	}
	if suffix == "m" {
		return 0, errs.New(errs.Invalid, "%s is not a number of cores: %q?", quote(s), milli(number))
	}
	if number.Cmp(big.NewRat(maxCores, 1)) > 0 {
		return 0, errs.New(errs.Invalid, "%s is more cores than any machine has", quote(s))
	}
	number.Mul(number, new(big.Rat).SetInt64(int64(Core)))
	if !number.IsInt() {
		return 0, errs.New(errs.Invalid, "%s is finer than a billionth of a core", quote(s))
	}
	n := NanoCPU(number.Num().Int64())
	if n < MinCPU {
		return 0, errs.New(errs.Invalid, "%s is less than the smallest share, %s cores", quote(s), MinCPU)
	}
	return n, nil
}

// String is the number of cores, such as 2 or 0.5; [ParseCPU] reads it back.
func (n NanoCPU) String() string {
	whole, rest := int64(n/Core), int64(n%Core)
	s := strconv.FormatInt(whole, 10)
	if rest < 0 {
		rest = -rest
		if whole == 0 {
			s = "-0"
		}
	}
	if rest == 0 {
		return s
	}
	decimals := strconv.FormatInt(int64(Core)+rest, 10)[1:]
	return s + "." + strings.TrimRight(decimals, "0")
}

// milli is what the author of a Kubernetes-like 500m meant.
func milli(number *big.Rat) string {
	cores := new(big.Rat).Mul(number, big.NewRat(1, 1000))
	s := strings.TrimRight(cores.FloatString(9), "0")
	return strings.TrimSuffix(s, ".")
}
