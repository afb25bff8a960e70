package daemon

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// giveBackMemory returns what the start, or a busy hour, needed and an idle agentd does not: unused heap, and the pages
// of the program itself. Two thirds of an agentd that has just started are its program's pages, most of them touched once
// by an initialisation; they come back from the page cache when they are needed.
func (d *daemon) giveBackMemory() {
	debug.FreeOSMemory()
	if err := unmapProgram(); err != nil {
		d.log.Debug("give back the program's pages", "error", err)
	}
}

// unmapProgram lets go of the resident pages of the program's text and constants. They are private mappings of the file
// that nothing writes to, so that each page can be read again from it.
func unmapProgram() error {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err //nolint:wrapcheck // it names the file
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err //nolint:wrapcheck // it names the file
	}
	for line := range bytes.Lines(maps) {
		// 00400000-00c1d000 r-xp 00000000 fe:00 1234    /usr/bin/agentd
		f := bytes.Fields(line)
		if len(f) != 6 || string(f[5]) != program || bytes.IndexByte(f[1], 'w') >= 0 {
			continue
		}
		if err := dontNeed(f[0]); err != nil {
			return err
		}
	}
	return nil
}

// dontNeed gives advice about the addresses of a line of maps, FROM-TO in hex.
func dontNeed(addresses []byte) error {
	from, to, _ := bytes.Cut(addresses, []byte("-"))
	start, err := strconv.ParseUint(string(from), 16, 64)
	if err != nil {
		return fmt.Errorf("read %s: %w", addresses, err)
	}
	end, err := strconv.ParseUint(string(to), 16, 64)
	if err != nil {
		return fmt.Errorf("read %s: %w", addresses, err)
	}
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(start), uintptr(end-start), unix.MADV_DONTNEED)
	if errno != 0 {
		return fmt.Errorf("madvise %s: %w", addresses, errno)
	}
	return nil
}
