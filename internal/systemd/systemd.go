// Package systemd is agentd's side of the service manager: readiness, status, watchdog and socket activation.
package systemd

import (
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Notifier tells the service manager what the service does, by the protocol of sd_notify(3). Outside systemd, without
// NOTIFY_SOCKET, all its methods do nothing and succeed.
type Notifier struct{}

// Ready says that the service has started, or has loaded its configuration again after [Notifier.Reloading].
func (Notifier) Ready() error { return send(daemon.SdNotifyReady) }

// Stopping says that the service has begun to stop.
func (Notifier) Stopping() error { return send(daemon.SdNotifyStopping) }

// Reloading says that the configuration is being loaded again. The time makes it fit Type=notify-reload too, which
// systemd has from 253 on.
func (Notifier) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("notify the service manager: read the clock: %w", err)
	}
	return send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000))
}

// Status sets the line that `systemctl status` shows; it must be one line.
func (Notifier) Status(text string) error { return send("STATUS=" + text) }

// Ping says that the service is alive.
func (Notifier) Ping() error { return send(daemon.SdNotifyWatchdog) }

func send(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// Watchdog is how long the service manager waits for a [Notifier.Ping] before it kills the service; 0 means that it
// does not wait. An error means that the manager said something that cannot be meant.
func Watchdog() (time.Duration, error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0, fmt.Errorf("read WATCHDOG_USEC: %w", err)
	}
	return interval, nil
}

// UnderJournal reports whether f goes to the journal, by JOURNAL_STREAM as systemd.exec(5) says: a redirected stream
// does not, though the variable is set.
func UnderJournal(f *os.File) bool {
	var dev, ino uint64
	if n, err := fmt.Sscanf(os.Getenv("JOURNAL_STREAM"), "%d:%d", &dev, &ino); err != nil || n != 2 {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && st.Dev == dev && st.Ino == ino
}
