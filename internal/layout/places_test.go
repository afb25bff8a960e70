package layout_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/layout"
)

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestUserPlaces_FollowXDG(t *testing.T) {
	t.Parallel()
	plain := layout.Places{
		Config: "/h/.config/agentd/agentd.yaml", State: "/h/.local/state/agentd", Runtime: "/run/user/7/agentd",
	}
	for name, c := range map[string]struct {
		vars map[string]string
		want layout.Places
	}{
		"without": {map[string]string{"HOME": "/h"}, plain},
		"relative ones are ignored": {map[string]string{
			"HOME": "/h", "XDG_CONFIG_HOME": "c", "XDG_STATE_HOME": "./s", "XDG_RUNTIME_DIR": "r",
		}, plain},
		"with": {map[string]string{
			"HOME": "/h", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r",
		}, layout.Places{Config: "/c/agentd/agentd.yaml", State: "/s/agentd", Runtime: "/r/agentd"}},
	} {
		if diff := cmp.Diff(c.want, layout.UserPlaces(7, env(c.vars))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.want, layout.DefaultPlaces(7, env(c.vars))); diff != "" {
			t.Errorf("%s, by default (-want +got):\n%s", name, diff)
		}
	}
}

func TestDefaultPlaces_OfRootAreTheSystems(t *testing.T) {
	t.Parallel()
	got := layout.DefaultPlaces(0, env(map[string]string{"HOME": "/root", "XDG_STATE_HOME": "/s"}))
	want := layout.Places{Config: "/etc/agentd/agentd.yaml", State: "/var/lib/agentd", Runtime: "/run/agentd"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places differ (-want +got):\n%s", diff)
	}
}

func TestFind_ListsInOrder(t *testing.T) {
	t.Parallel()
	sockets := layout.FindSocket(7, env(nil))
	if diff := cmp.Diff([]string{"/run/user/7/agentd/agentd.sock", "/run/agentd/agentd.sock"}, sockets); diff != "" {
		t.Errorf("sockets differ (-want +got):\n%s", diff)
	}
	programs := layout.FindProgram("/opt/bin/agentd", layout.InitProgram)
	want := []string{"/opt/bin/agentd-init", "/opt/lib/agentd/agentd-init"}
	if diff := cmp.Diff(want, programs); diff != "" {
		t.Errorf("programs differ (-want +got):\n%s", diff)
	}
}
