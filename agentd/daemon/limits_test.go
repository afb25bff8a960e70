package daemon_test

import (
	"net"
	"net/http"
	"os/exec"
	"testing"
)

func TestAgentd_OutlivesALackOfDescriptors(t *testing.T) {
	b := newBox(t)
	few := func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"/bin/sh", "-c", `ulimit -n 32 && exec "$@"`, "sh", program}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}
	p := b.launch(few, "--config", b.dir+"/c.yaml")
	b.hears("...", "READY=1")
	var held []net.Conn
	for range 50 {
		conn, err := net.Dial("unix", b.socket())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		held = append(held, conn)
	}
	p.logs("too many open files")
	for _, conn := range held {
		conn.Close()
	}
	if status, _ := ask(t, b.socket(), "GET", "/v1/healthz", ""); status != http.StatusOK {
		t.Errorf("afterwards: %d", status)
	}
}
