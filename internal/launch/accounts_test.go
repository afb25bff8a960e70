package launch_test

import (
	"testing"

	"agentd/internal/launch"
	"agentd/internal/plan"
)

func TestPasswd(t *testing.T) {
	t.Parallel()
	image := "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/bash\nwork:x:7:7::/:\nrubbish\nlast:x:8:8::/:"
	want := "work:x:1000:100:work:/home/work:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\nlast:x:8:8::/:\n"
	if got := string(launch.Passwd([]byte(image), plan.User{UID: 1000, GID: 100})); got != want {
		t.Errorf("passwd is\n%s\nwant\n%s", got, want)
	}
	if got, want := string(launch.Group(nil, plan.User{UID: 1000, GID: 100})), "work:x:100:\n"; got != want {
		t.Errorf("group of an image without one is %q, want %q", got, want)
	}
}
