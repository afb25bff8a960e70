package vm

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// result is one line of the guest.
type result struct {
	ok         bool
	name, text string
}

// arguments are the kernel's: a panic ends the machine, and nothing is done for a processor's faults that an emulated one
// has not, nor slowly to spare work that there is not.
const arguments = "root=/dev/vda rw console=ttyS0 panic=-1 oops=panic quiet mitigations=off rcupdate.rcu_expedited=1 " +
	"nowatchdog raid=noautodetect"

// boot runs a machine with both disks until it is switched off, and tells each result as it comes. Nothing is written to
// the disks, and the machine reaches no network. It returns the end of the console's text, and whether the guest came to
// its own end; used is the processor time that it took, which a busy machine does not change.
func boot(ctx context.Context, d disk, payload string, console io.Writer, tell func(result)) (
	ended bool, used time.Duration, err error,
) {
	// Unsafe: what is written is thrown away, so nothing is gained by waiting for the host's disk.
	drive := func(file string) string { return "file=" + file + ",format=raw,if=virtio,snapshot=on,cache=unsafe" }
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		// Without hardware: two threads of emulation, and a processor that its kernel does not trip over.
		"-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem,-cx16", "-smp", "2", "-m", "2048",
		"-kernel", d.kernel, "-initrd", d.initrd, "-append", arguments,
		"-drive", drive(d.image), "-drive", drive(payload), "-nic", "user,restrict=on",
		"-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, 0, err
	}
	cmd.Stderr = console
	if err := cmd.Start(); err != nil {
		return false, 0, err
	}
	lines := bufio.NewScanner(io.TeeReader(out, console))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if r, ok := parse(line); ok {
			tell(r)
		}
		ended = ended || strings.HasPrefix(line, "vm: end")
	}
	err = cmd.Wait()
	used = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if err != nil {
		return ended, used, fmt.Errorf("qemu-system-x86_64: %w", err)
	}
	return ended, used, lines.Err()
}

// parse reads a line of the guest: vm: ok NAME: TEXT, or vm: FAIL NAME: TEXT.
func parse(line string) (result, bool) {
	rest, ok := strings.CutPrefix(line, "vm: ")
	if !ok {
		return result{}, false
	}
	word, rest, _ := strings.Cut(rest, " ")
	name, text, _ := strings.Cut(rest, ": ")
	return result{ok: word == "ok", name: name, text: text}, word == "ok" || word == "FAIL"
}
