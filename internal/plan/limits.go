package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"agentd/internal/errs"
	"agentd/internal/resource"
)

// limits reads the amounts and refuses at once what this agent can never give.
func (r *resolver) limits() {
	amounts := map[string]string{}
	if !r.in.Overrides.NoResources {
		for _, res := range r.in.Template.Spec.Resources {
			amounts[res.Slot] = res.Amount
			r.from("limits."+res.Slot, FromTemplate)
		}
	}
	for slot, amount := range r.in.Overrides.Resources {
		if amount == nil {
			delete(amounts, slot)
			delete(r.sources, "limits."+slot)
			continue
		}
		amounts[slot] = *amount
		r.from("limits."+slot, FromFlag)
	}
	r.plan.Limits.Pids = r.in.Facts.Policy.Pids
	r.from("limits.pids", FromPolicy)
	r.plan.Limits.NanoCPUs = int64(r.in.Facts.Policy.DefaultCPU)
	r.plan.Limits.MemoryBytes = int64(r.in.Facts.Policy.DefaultMemory)
	for _, slot := range []string{resource.SlotCPU, resource.SlotMem} {
		if _, given := amounts[slot]; !given {
			r.from("limits."+slot, FromPolicy)
		}
	}
	for _, slot := range slices.Sorted(maps.Keys(amounts)) {
		r.slot(slot, amounts[slot])
	}
	r.fits()
}

func (r *resolver) slot(slot, amount string) {
	path := "limits." + slot
	switch slot {
	case resource.SlotCPU:
		n, err := resource.ParseCPU(amount)
		r.wrongErr(path, "cpu", err)
		r.plan.Limits.NanoCPUs = int64(n)
	case resource.SlotMem:
		// CheckAmount knows that a bare number means bytes to nobody, and the floor.
		r.wrongErr(path, "mem", resource.CheckAmount(slot, amount))
		n, _ := resource.ParseBytes(amount) //nolint:errcheck // CheckAmount has said what is wrong
		r.plan.Limits.MemoryBytes = int64(n)
	case resource.SlotShmem:
		n, err := resource.ParseBytes(amount)
		r.wrongErr(path, "shmem", err)
		r.plan.Limits.ShmBytes = int64(n)
	default:
		r.device(slot, amount)
	}
}

func (r *resolver) device(slot, amount string) {
	if _, known := r.in.Facts.Slots[slot]; !known {
		r.refuse(errs.New(errs.Unsupported, "resource slot %q is unknown on this agent; it has %s", slot,
			strings.Join(r.knownSlots(), ", ")))
		return
	}
	n, err := resource.ParseCount(amount)
	r.wrongErr("limits."+slot, "device-count", err)
	if n > 0 {
		r.plan.Limits.Devices = append(r.plan.Limits.Devices, Device{Slot: slot, Count: n})
	}
}

func (r *resolver) knownSlots() []string {
	known := slices.Collect(maps.Keys(r.in.Facts.Slots))
	known = append(known, resource.SlotShmem)
	slices.Sort(known)
	return slices.Compact(known)
}

// fits refuses what can never be given, however long the session waits.
func (r *resolver) fits() {
	l := r.plan.Limits
	if l.ShmBytes > 0 && l.ShmBytes >= l.MemoryBytes {
		r.wrong("limits.shmem", "shmem-too-large", fmt.Sprintf("shared memory counts as memory: %s is not less than mem, %s",
			resource.Bytes(l.ShmBytes), resource.Bytes(l.MemoryBytes)))
	}
	for _, want := range Demand(l) {
		have, known := r.in.Facts.Slots[want.Slot]
		if known && want.Amount > have {
			r.refuse(errs.New(errs.Unsupported, "template %q needs %s %s; this agent has %s to give in all", r.in.Ref.Name,
				FormatAmount(want.Slot, want.Amount), want.Slot, RoughAmount(want.Slot, have)).
				WithHint("ask for less: --resources %s=%s", want.Slot, RoughAmount(want.Slot, have)))
		}
	}
}

// Amount is what a plan takes of one slot.
type Amount struct {
	Slot   string
	Amount int64
}

// Demand lists what limits take of each slot, sorted by slot. Shared memory is part of memory and takes nothing itself.
func Demand(l Limits) []Amount {
	list := []Amount{{resource.SlotCPU, l.NanoCPUs}, {resource.SlotMem, l.MemoryBytes}}
	for _, d := range l.Devices {
		list = append(list, Amount{d.Slot, d.Count})
	}
	slices.SortFunc(list, func(a, b Amount) int { return strings.Compare(a.Slot, b.Slot) })
	return list
}

// RoughAmount is [FormatAmount] for people, of what there is: memory is cut to quarters of its unit, never rounded up, as
// what a machine has is seldom a number that anybody can read.
func RoughAmount(slot string, amount int64) string {
	const megabyte, quarters = 1 << 20, 4
	if slot == resource.SlotMem || slot == resource.SlotShmem {
		for unit := int64(1) << 40; unit >= megabyte; unit >>= 10 {
			if amount >= unit {
				amount -= amount % (unit / quarters)
				break
			}
		}
	}
	return FormatAmount(slot, amount)
}

// FormatAmount writes an amount of a slot as a template would.
func FormatAmount(slot string, amount int64) string {
	switch slot {
	case resource.SlotCPU:
		return resource.NanoCPU(amount).String()
	case resource.SlotMem, resource.SlotShmem:
		return resource.Bytes(amount).String()
	}
	return strconv.FormatInt(amount, 10)
}
