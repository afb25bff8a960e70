package vm

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// result is one line of the guest.
type result struct {
	ok         bool
	name, text string
}

// boot runs a machine with both disks until it is switched off, and tells each result as it comes. Nothing is written to
// the disks, and the machine reaches no network. It returns the end of the console's text, and whether the guest came to
// its own end.
func boot(ctx context.Context, d disk, payload string, console io.Writer, tell func(result)) (ended bool, err error) {
	drive := func(file string) string { return "file=" + file + ",format=raw,if=virtio,snapshot=on" }
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		// Without hardware: two threads of emulation, and a processor that its kernel does not trip over.
		"-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem,-cx16", "-smp", "2", "-m", "2048",
		"-kernel", d.kernel, "-initrd", d.initrd, "-append", "root=/dev/vda rw console=ttyS0 panic=-1 oops=panic quiet",
		"-drive", drive(d.image), "-drive", drive(payload), "-nic", "user,restrict=on",
		"-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	cmd.Stderr = console
	if err := cmd.Start(); err != nil {
		return false, err
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
	if err := cmd.Wait(); err != nil {
		return ended, fmt.Errorf("qemu-system-x86_64: %w", err)
	}
	return ended, lines.Err()
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
