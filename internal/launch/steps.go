package launch

// Steps is what a launch does, in order; this list is the product in one sentence. The chains of one stage run side by
// side, the steps of a chain one after the other; a stage begins when the one before is done. Between [BeforeSlots] and
// [AfterSlots] the session waits for its slots: what it needs has been fetched by then, so that nothing is held while a
// network is slow.
func Steps() []Stage {
	return append(BeforeSlots(), AfterSlots()...)
}

// BeforeSlots fetches and stages: the session's directories, then, side by side, the image, and the clone with the mounts
// after it, whose mountpoints may lie in the clone.
func BeforeSlots() []Stage {
	return []Stage{
		{{scratchStep{}}},
		{{imageStep{}}, {checkoutStep{}, mountsStep{}}},
	}
}

// AfterSlots makes the container and starts it: from there agentd-init runs the bootstrap and the startup.
func AfterSlots() []Stage {
	return []Stage{
		{{containerStep{}, startStep{}}},
	}
}

// Stage is chains that do not depend on one another.
type Stage []Chain

// Chain is steps each of which needs those before it.
type Chain []Step

// Names of the steps, as events and errors have them.
const (
	StepScratch   = "scratch"
	StepImage     = "image"
	StepCheckout  = "checkout"
	StepMounts    = "mounts"
	StepContainer = "container"
	StepStart     = "start"
)
