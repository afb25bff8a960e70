package dockerd

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// newNetNS makes a network namespace with nothing but its loopback interface up; it lives as long as the file is open or
// somebody is in it.
func newNetNS() (*os.File, error) {
	var f *os.File
	err := onOwnThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if err := loopbackUp(); err != nil {
			return err
		}
		f, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return f, err
}

// loopbackUp does what `ip link set lo up` does, without needing ip.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

func enter(netns *os.File) error { return unix.Setns(int(netns.Fd()), unix.CLONE_NEWNET) }

// Do runs fn on a thread that is in the engine's network: sockets that it makes are there and stay there, and so are
// programs that it starts.
func (e *Engine) Do(fn func() error) error {
	return onOwnThread(func() error {
		if err := enter(e.netns); err != nil {
			return err
		}
		return fn()
	})
}

// onOwnThread runs fn on a thread that ends with it.
func onOwnThread(fn func() error) error {
	result := make(chan error)
	go func() {
		// Never unlocked, so that the runtime ends the thread and nobody inherits its namespace.
		runtime.LockOSThread()
		result <- fn()
	}()
	return <-result
}
