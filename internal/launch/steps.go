package launch

// Steps is what a launch does, in order; this list is the product in one sentence. What stands in one stage runs side by
// side; a stage begins when the one before is done. Between [BeforeSlots] and [AfterSlots] the session waits for its
// slots: what it needs has been fetched by then, so that nothing is held while a network is slow.
func Steps() []Stage {
	return append(BeforeSlots(), AfterSlots()...)
}

// BeforeSlots fetches and stages: the session's directories, then the image and the clone side by side, then the mounts.
func BeforeSlots() []Stage {
	return []Stage{
		{scratchStep{}},
		{imageStep{}, checkoutStep{}},
		{mountsStep{}},
	}
}

// AfterSlots makes the container and starts it: from there agentd-init runs the bootstrap and the startup.
func AfterSlots() []Stage {
	return []Stage{
		{containerStep{}},
		{startStep{}},
	}
}

// Stage is steps that do not depend on one another.
type Stage []Step

// Names of the steps, as events and errors have them.
const (
	StepScratch   = "scratch"
	StepImage     = "image"
	StepCheckout  = "checkout"
	StepMounts    = "mounts"
	StepContainer = "container"
	StepStart     = "start"
)
