package crash_test

import (
	"io"
	"net"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"agentd/internal/client"
)

// ordinary is the uid, and the gid, of the user who is not root; the socket's group is his.
const ordinary = 65534

// person is somebody who uses agentd.
type person struct {
	uid    uint32
	client *client.Client
}

// as is a client whose connections are those of the uid. The kernel says who is at the other end by the thread that connects:
// each connection is made by one that is that user and ends with it.
func (w *world) as(uid int) *client.Client {
	w.t.Helper()
	path := filepath.Join(w.dir, "as-ordinary.sock")
	l, err := net.Listen("unix", path)
	must(w.t, err)
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer near.Close()
				far, err := dialAs(uid, filepath.Join(w.dir, "run", "agentd.sock"))
				if err != nil {
					return
				}
				join(near, far)
			}()
		}
	}()
	return client.New(client.Options{Socket: path, Getenv: func(string) string { return "" }})
}

func dialAs(uid int, path string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		for _, call := range [][2]uintptr{{unix.SYS_SETRESGID, uintptr(uid)}, {unix.SYS_SETRESUID, uintptr(uid)}} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[1], call[1]); errno != 0 {
				err = errno
				return
			}
		}
		conn, err = net.Dial("unix", path)
	}()
	<-done
	return conn, err
}

// join copies both ways until both ends have said all.
func join(a, b net.Conn) {
	defer a.Close()
	defer b.Close()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		wg.Go(func() {
			io.Copy(way[1], way[0])             //nolint:errcheck // either end may break off
			way[1].(*net.UnixConn).CloseWrite() //nolint:errcheck // as above
		})
	}
	wg.Wait()
}
