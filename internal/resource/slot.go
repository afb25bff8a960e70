package resource

import (
	"strconv"
	"strings"

	"agentd/internal/errs"
)

// Names of the slots that every agent has, and of the ones for GPUs.
const (
	SlotCPU        = "cpu"
	SlotMem        = "mem"
	SlotShmem      = "shmem"
	SlotCUDADevice = "cuda.device"
)

// MinMem is the least memory of a session: below it a shell does not start.
const MinMem = 16 * MiB

// Kind says how a slot's amount is written.
type Kind string

// The kinds of slot.
const (
	// Cores is a number of processors, fractions allowed: see [ParseCPU].
	Cores Kind = "cores"
	// Size is a number of bytes with a unit: see [ParseBytes].
	Size Kind = "size"
	// Count is a whole number of devices: see [ParseCount].
	Count Kind = "count"
)

// Slot is a kind of resource that sessions share.
type Slot struct {
	Name string
	Kind Kind
	// Doc is one line for people.
	Doc string
}

// Slots lists the slots that have a meaning of their own, in the order of a table. Beside them an agent has one of kind
// [Count] for every CDI kind, such as nvidia.com/gpu, that its engine offers.
func Slots() []Slot {
	return []Slot{
		{SlotCPU, Cores, "processors, as a quota; fractions allowed"},
		{SlotMem, Size, "memory; there is no swap"},
		{SlotShmem, Size, "size of /dev/shm, which counts as memory"},
		{SlotCUDADevice, Count, "whole CUDA GPUs"},
	}
}

// LookupSlot returns the slot of [Slots] with that name.
func LookupSlot(name string) (Slot, bool) {
	for _, s := range Slots() {
		if s.Name == name {
			return s, true
		}
	}
	return Slot{}, false
}

// maxSlotName bounds the name of a slot, in bytes.
const maxSlotName = 128

// CheckSlotName says what is wrong with the syntax of a slot's name. Whether an agent has the slot is known at launch.
func CheckSlotName(name string) error {
	ok := name != "" && len(name) <= maxSlotName && strings.Count(name, "/") <= 1
	for _, part := range strings.FieldsFunc(name+"/", func(r rune) bool { return r == '/' || r == '.' }) {
		ok = ok && isWord(part)
	}
	if !ok || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.HasPrefix(name, ".") ||
		strings.HasSuffix(name, ".") || strings.Contains(name, "..") || strings.Contains(name, "./") ||
		strings.Contains(name, "/.") {
		return errs.New(errs.Invalid, "%s is not the name of a slot: write one such as cpu, cuda.device or nvidia.com/gpu",
			quote(name))
	}
	return nil
}

// isWord reports whether s is made of letters, digits, '_' and '-', and begins and ends with a letter or digit.
func isWord(s string) bool {
	alnum := func(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }
	for i := range len(s) {
		if !alnum(s[i]) && s[i] != '_' && s[i] != '-' {
			return false
		}
	}
	return s != "" && alnum(s[0]) && alnum(s[len(s)-1])
}

// ParseCount reads a whole number of devices, 0 included.
func ParseCount(s string) (int64, error) {
	digits, suffix := splitNumber(s)
	number, whole, ok := parseDecimal(digits)
	if !ok || !whole || suffix != "" || !number.Num().IsInt64() {
		return 0, errs.New(errs.Invalid, "%s is not a whole number", quote(s))
	}
	return number.Num().Int64(), nil
}

// CheckAmount says what is wrong with the amount of a slot. Of a slot that [Slots] does not list only the form is known: a
// number that is not negative, and a unit.
func CheckAmount(slot, amount string) error {
	known, ok := LookupSlot(slot)
	if !ok {
		return checkUnknown(amount)
	}
	switch known.Kind {
	case Cores:
		_, err := ParseCPU(amount)
		return err
	case Count:
		_, err := ParseCount(amount)
		return err
	case Size:
		size, err := ParseBytes(amount)
		switch {
		case err != nil:
			return err
		case slot == SlotMem && size < MinMem:
			return errs.New(errs.Invalid, "%s is less than the least memory of a session, %s", quote(amount), MinMem)
		case size <= 0:
			return errs.New(errs.Invalid, "%s is nothing: leave it out, or write a size such as 64m", quote(amount))
		}
		return nil
	default:
		return errs.New(errs.Internal, "slot %s has the unknown kind %s", slot, strconv.Quote(string(known.Kind)))
	}
}

func checkUnknown(amount string) error {
	digits, suffix := splitNumber(amount)
	_, _, ok := parseDecimal(digits)
	if _, isUnit := parseUnit(suffix); !ok || suffix != "" && !isUnit {
		return errs.New(errs.Invalid, "%s is not an amount: write a number such as 1", quote(amount))
	}
	return nil
}
