package dockerd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// child is a program of the engine that was started.
type child struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	// err is what Wait said, once done is closed.
	err error
}

// startIn starts cmd in the network namespace. The thread that starts it lives as long as the child: the kernel sends
// Pdeathsig when that thread ends, not when the process does.
func startIn(netns *os.File, cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	if f, ok := cmd.Stderr.(*os.File); ok {
		c.log = f.Name()
	}
	started := make(chan error)
	go func() {
		defer close(c.done)
		// Never unlocked: the thread is in another namespace and ends with this goroutine.
		runtime.LockOSThread()
		err := enter(netns)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return c, nil
}

// until asks ready again and again until it returns nil, the child ends, or ctx does.
func (c *child) until(ctx context.Context, ready func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.done:
			return fmt.Errorf("%s ended: %w\n%s", c.cmd.Path, c.err, c.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w\n%s", c.cmd.Path, err, c.tail())
		}
	}
}

// tail is the end of the child's log.
func (c *child) tail() []byte {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-10):], nil)
}

// stop asks the child to end, and ends it if it has not within the grace. A nil child has ended.
func (c *child) stop(grace time.Duration) error {
	if c == nil {
		return nil
	}
	// An error means that it has ended already, which is what is wanted.
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.done:
		return nil
	case <-timer.C:
	}
	_ = c.cmd.Process.Kill()
	<-c.done
	return fmt.Errorf("%s did not end within %v and was killed\n%s", c.cmd.Path, grace, c.tail())
}
