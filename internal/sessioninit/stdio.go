package sessioninit

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"agentd/internal/frame"
)

// stdio is a child's standard input and output, with our ends of them.
type stdio struct {
	child [3]*os.File
	// in is where its input is written, nil for /dev/null; with a terminal it is the same as out.
	in *os.File
	// out and err are where its output is read; err is nil with a terminal.
	out, err *os.File
	tty      bool
}

// newEnds makes a terminal or pipes.
func newEnds(tty, stdin bool, size frame.Size) (*stdio, error) {
	if tty {
		return newTerminal(size)
	}
	return newStdio(stdin)
}

// newStdio makes pipes, with the input from /dev/null unless stdin is wanted.
func newStdio(stdin bool) (*stdio, error) {
	s := &stdio{}
	var err error
	if stdin {
		s.child[0], s.in, err = pipe(childs)
	} else {
		s.child[0], err = os.Open(os.DevNull)
	}
	if err == nil {
		s.out, s.child[1], err = pipe(ours)
	}
	if err == nil {
		s.err, s.child[2], err = pipe(ours)
	}
	if err != nil {
		s.closeChild()
		s.close()
		return nil, err
	}
	return s, nil
}

// newTerminal makes a pseudo-terminal.
func newTerminal(size frame.Size) (*stdio, error) {
	master, slave, err := openPTY()
	if err != nil {
		return nil, fmt.Errorf("pseudo-terminal: %w", err)
	}
	s := &stdio{child: [3]*os.File{slave, slave, slave}, in: master, out: master, tty: true}
	if err := s.resize(size); err != nil {
		s.closeChild()
		s.close()
		return nil, err
	}
	return s, nil
}

// resize sets the terminal's size; the kernel tells its foreground process group. The zero size changes nothing.
func (s *stdio) resize(size frame.Size) error {
	if !s.tty || size == (frame.Size{}) {
		return nil
	}
	return control(s.out, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Cols})
	})
}

// redraw sets the terminal's size, and makes a program that draws its whole screen do so: who has just come sees nothing of
// what it drew before.
func (s *stdio) redraw(size frame.Size) {
	if !s.tty || size == (frame.Size{}) {
		return
	}
	// The kernel tells of a size only if it is another one.
	other := size
	other.Rows++
	s.resize(other) //nolint:errcheck // the step may have ended
	s.resize(size)  //nolint:errcheck // the same
}

// closeChild closes the child's ends here, once it has them.
func (s *stdio) closeChild() { closeAll(s.child[:]...) }

// close closes our ends.
func (s *stdio) close() { closeAll(s.in, s.out, s.err) }

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close() //nolint:errcheck // pipes and terminals have nothing to lose; closing twice is harmless
		}
	}
}

// end says which end of a pipe is the child's: that one blocks, as programs expect; the other is for our poller.
type end bool

const (
	ours   end = false // we read
	childs end = true  // the child reads
)

// pipe makes a pipe, read end first.
func pipe(reader end) (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	mine := fds[0]
	if reader == childs {
		mine = fds[1]
	}
	if err := unix.SetNonblock(mine, true); err != nil {
		unix.Close(fds[0]) //nolint:errcheck // not used
		unix.Close(fds[1]) //nolint:errcheck // not used
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe"), nil
}

// openPTY makes a pseudo-terminal of this container's own devpts.
func openPTY() (master, slave *os.File, err error) {
	m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("/dev/ptmx: %w", err)
	}
	if err := unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err != nil {
		unix.Close(m) //nolint:errcheck // not used
		return nil, nil, fmt.Errorf("unlock: %w", err)
	}
	// By the master itself (Linux 4.13): no path that could lead to another devpts.
	s, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(m), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		unix.Close(m) //nolint:errcheck // not used
		return nil, nil, fmt.Errorf("other end: %w", errno)
	}
	return os.NewFile(uintptr(m), "ptmx"), os.NewFile(s, "pts"), nil
}

// control calls do with f's descriptor and leaves its mode of blocking alone.
func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}
