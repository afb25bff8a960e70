package sessioninit

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// lastSignal is the highest number of a signal on Linux.
const lastSignal = 64

// sigaction is the kernel's struct sigaction; all zeros is SIG_DFL with no flags and an empty mask.
type sigaction struct {
	handler, flags, restorer, mask uint64
}

// ignored is SIG_IGN.
const ignored = 1

// heedSignals gives every signal that our own starter ignored its default meaning: that it is ignored is inherited by
// every program, which would never hear of it. To us, the first process of a namespace, the default is as good: the kernel
// sends us nothing that we do not wait for. What the Go runtime waits for is left alone; programs do not inherit that.
func heedSignals() {
	for n := uintptr(1); n <= lastSignal; n++ {
		// KILL and STOP cannot be set, and need not be.
		var now, standard sigaction
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, n, 0, uintptr(unsafe.Pointer(&now)), unsafe.Sizeof(now.mask), 0, 0)
		if errno == 0 && now.handler == ignored {
			unix.RawSyscall6( //nolint:errcheck // see above
				unix.SYS_RT_SIGACTION, n, uintptr(unsafe.Pointer(&standard)), 0, unsafe.Sizeof(standard.mask), 0, 0)
		}
	}
}
