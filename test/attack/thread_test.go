package attack

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// setgroups is that of the calling thread only.
func setgroups(groups []uint32) error {
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
	if e != 0 {
		return e
	}
	return nil
}
