package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/google/go-cmp/cmp"

	"agentd/internal/errs"
	"agentd/internal/plan"
)

func TestConvert_NothingIsLeftToTheImage(t *testing.T) {
	s := Spec{
		Image: Image{ID: "sha256:1", Config: ImageConfig{
			Env: []string{"PATH=/x", "GODEBUG=evil", "HOME=/root"}, User: "root", WorkingDir: "/proc/self/fd/7",
			StopSignal: "SIGKILL", Healthcheck: []string{"CMD", "evil"}, Entrypoint: []string{"evil"}, Cmd: []string{"evil"},
			Labels: map[string]string{"io.agentd.nonce": "evil", "traefik.enable": "true"},
		}},
		Labels: Labels{Instance: "i", Session: "s", Nonce: "n"}, User: "1:2", Hostname: "s",
		Entrypoint: []string{"/.agentd/init"}, Env: []string{"HOME=/home/work"},
	}
	want := &container.Config{
		Hostname: "s", User: "1:2", Env: []string{"HOME=/home/work", "GODEBUG"}, Entrypoint: []string{"/.agentd/init"},
		Cmd: []string{}, Image: "sha256:1", WorkingDir: "/", StopSignal: "SIGTERM",
		Labels: map[string]string{
			"io.agentd.instance": "i", "io.agentd.session": "s", "io.agentd.nonce": "n", "io.agentd.owner": "",
			"traefik.enable": "",
		},
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	if diff := cmp.Diff(want, configOf(s)); diff != "" {
		t.Error(diff)
	}
}

func TestConvert_HostConfig(t *testing.T) {
	pids, off := int64(9), false
	got := hostConfigOf(Spec{
		Image:  Image{Config: ImageConfig{Volumes: []string{"/data", "/covered"}}},
		Labels: Labels{Instance: "i"}, Groups: []string{"44"}, Capabilities: []string{"CHOWN"}, Network: "net", Runtime: "r",
		Mounts: []Mount{
			{Kind: MountBind, Source: "/src", Target: "/covered", ReadOnly: true},
			{Kind: MountVolume, Source: "v", Target: "/v"},
			{Kind: MountTmpfs, Target: "/t", SizeBytes: 5},
		},
		Limits: Limits{
			NanoCPUs: 1, MemoryBytes: 2, ShmBytes: 3, Pids: 9, CgroupParent: "/p", Ulimits: []Ulimit{{"core", 0, 0}},
		},
		Devices:      []DeviceRequest{{Driver: "cdi", IDs: []string{"a/b=0"}}},
		ReadOnlyRoot: true,
	}, "{}")
	want := &container.HostConfig{
		NetworkMode: "net", RestartPolicy: container.RestartPolicy{Name: "no"}, IpcMode: "private",
		CapDrop: []string{"ALL"}, CapAdd: []string{"CHOWN"}, GroupAdd: []string{"44"}, ReadonlyRootfs: true,
		SecurityOpt: []string{"no-new-privileges", "seccomp={}"}, ShmSize: 3, Runtime: "r", Init: &off,
		LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "64k", "max-file": "1"}},
		Resources: container.Resources{
			NanoCPUs: 1, Memory: 2, MemorySwap: 2, CgroupParent: "/p", PidsLimit: &pids,
			Ulimits:        []*container.Ulimit{{Name: "core"}},
			DeviceRequests: []container.DeviceRequest{{Driver: "cdi", DeviceIDs: []string{"a/b=0"}}},
		},
		Mounts: []mount.Mount{
			{Type: "bind", Source: "/src", Target: "/covered", ReadOnly: true,
				BindOptions: &mount.BindOptions{Propagation: "rprivate"}},
			{Type: "volume", Source: "v", Target: "/v", VolumeOptions: &mount.VolumeOptions{NoCopy: true}},
			{Type: "tmpfs", Target: "/t", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 5}},
			{Type: "volume", Target: "/data", VolumeOptions: &mount.VolumeOptions{Labels: Labels{Instance: "i"}.labelMap()}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestJudge_ExitTruth(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	end, boot := start.Add(time.Hour), start.Add(30*time.Minute)
	ended := func(code int) Container {
		return Container{State: Exited, ExitCode: code, Started: start, Finished: end}
	}
	oom := ended(0)
	oom.OOMKilled = true
	cases := map[string]struct {
		c    Container
		w    Witness
		want Exit
	}{
		"running":     {Container{State: Running, Started: start}, Witness{}, Exit{Outcome: OutcomeRunning}},
		"paused":      {Container{State: Paused, Started: start}, Witness{}, Exit{Outcome: OutcomeRunning}},
		"never tried": {Container{State: Created}, Witness{}, Exit{Outcome: OutcomeNotStarted}},
		"bad command": {
			Container{State: Created, ExitCode: 127, Error: "no such file"}, Witness{},
			Exit{Outcome: OutcomeNotStarted, Error: "no such file"},
		},
		"zero":         {ended(0), Witness{}, Exit{Outcome: OutcomeExited, Time: end}},
		"seven":        {ended(7), Witness{}, Exit{Outcome: OutcomeExited, Code: 7, Time: end}},
		"engine wins":  {ended(7), Witness{InitEnded: true}, Exit{Outcome: OutcomeExited, Code: 7, Time: end}},
		"nobody saw":   {ended(255), Witness{}, Exit{Outcome: OutcomeLost}},
		"claims only":  {ended(255), Witness{InitEnded: true, InitCode: 0}, Exit{Outcome: OutcomeLost}},
		"confirmed":    {ended(255), Witness{InitEnded: true, InitCode: 255}, Exit{Outcome: OutcomeExited, Code: 255, Time: end}},
		"child's oom":  {oom, Witness{}, Exit{Outcome: OutcomeExited, OOM: true, Time: end}},
		"oom by event": {ended(1), Witness{OOM: true}, Exit{Outcome: OutcomeExited, Code: 1, OOM: true, Time: end}},
		"power cut":    {ended(255), Witness{Boot: boot}, Exit{Outcome: OutcomeLost, HostRestarted: true}},
		"power cut, false success": {
			ended(0), Witness{Boot: boot, InitEnded: true}, Exit{Outcome: OutcomeLost, HostRestarted: true},
		},
		"ended before the restart": {
			ended(3), Witness{Boot: end.Add(time.Minute)},
			Exit{Outcome: OutcomeExited, Code: 3, Time: end, HostRestarted: true},
		},
	}
	for name, c := range cases {
		if diff := cmp.Diff(c.want, Judge(c.c, c.w)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestSatisfies_Platforms(t *testing.T) {
	p := func(os, arch, variant string) plan.Platform {
		return plan.Platform{OS: os, Architecture: arch, Variant: variant}
	}
	for _, c := range []struct {
		have, want plan.Platform
		ok         bool
	}{
		{p("linux", "amd64", ""), p("linux", "amd64", ""), true},
		{p("linux", "amd64", ""), p("linux", "arm64", ""), false},
		{p("windows", "amd64", ""), p("linux", "amd64", ""), false},
		{p("linux", "arm64", "v8"), p("linux", "arm64", ""), true},
		{p("linux", "arm64", ""), p("linux", "arm64", "v8"), true},
		{p("linux", "arm", "v6"), p("linux", "arm", "v7"), true},
		{p("linux", "arm", "v7"), p("linux", "arm", "v6"), false},
		{p("", "", ""), p("linux", "amd64", ""), true},
	} {
		if got := Satisfies(c.have, c.want); got != c.ok {
			t.Errorf("%v for %v: %v, want %v", c.have, c.want, got, c.ok)
		}
	}
}

// Each text is as an engine said it; those of 20.10.24 are checked against a real one by TestPull_EveryFaultOfTheRegistry.
func TestClassify_EveryFault(t *testing.T) {
	for text, want := range map[string]errs.Code{
		"manifest for 127.0.0.1:5/a:v1 not found: manifest unknown: manifest unknown":             errs.NotFound,
		"repository 127.0.0.1:5/a not found: name unknown: x":                                     errs.NotFound,
		`Head "http://127.0.0.1:5/v2/a/manifests/v1": no basic auth credentials`:                  errs.Forbidden,
		`Get "http://h/v2/": unauthorized: authentication required`:                               errs.Forbidden,
		"pull access denied for a, repository does not exist or may require 'docker login'":       errs.Forbidden,
		"toomanyrequests: You have reached your pull rate limit":                                  errs.Busy,
		"no matching manifest for linux/arm64/v8 in the manifest list entries":                    errs.Unsupported,
		"image with reference a was found but does not match the specified platform":              errs.Unsupported,
		"filesystem layer verification failed for digest sha256:1":                                errs.Unavailable,
		"dial tcp 127.0.0.1:1: connect: connection refused":                                       errs.Unavailable,
		"dial tcp: lookup nowhere on 127.0.0.1:53: no such host":                                  errs.Unavailable,
		"net/http: TLS handshake timeout":                                                         errs.Unavailable,
		"x509: certificate signed by unknown authority":                                           errs.Unavailable,
		"received unexpected HTTP status: 500 Internal Server Error":                              errs.Unavailable,
		"write /var/lib/docker/tmp/x: no space left on device":                                    errs.NoSpace,
		`Get "http://127.0.0.1:35403/v2/": dial tcp 127.0.0.1:35403: connect: connection refused`: errs.Unavailable,
		"manifest for 127.0.0.1:35403/forbidden/eof:v1 not found: manifest unknown":               errs.NotFound,
		`Get "http://127.0.0.1:35403/v2/forbidden/eof/manifests/v1": EOF`:                         errs.Unavailable,
		"something new": errs.Unavailable,
	} {
		ref, err := parseReference("127.0.0.1:35403/forbidden/eof:v1")
		if err != nil {
			t.Fatal(err)
		}
		if got := classify(errors.New(text), ref, false); got.code != want || got.text == "" {
			t.Errorf("%q: %+v, want %s", text, got, want)
		}
	}
}

func TestHoldName_ForEveryReference(t *testing.T) {
	long := "host.example:5000/" + string(make([]byte, 0)) + longPath(220) + ":v1"
	seen := map[string]string{}
	for _, text := range []string{
		"busybox", "busybox:1.36", "docker.io/library/busybox:1.35", "127.0.0.1:5000/team/app:v1", "127.0.0.1-5000/team/app:v1",
		"[::1]:5000/a:v1", "UPPER.example/a:v1", long, "a@sha256:" + hex64(),
	} {
		ref, err := parseReference(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, arch := range []string{"amd64", "arm64"} {
			name := holdName(ref, plan.Platform{OS: "linux", Architecture: arch})
			if _, err := parseReference(name); err != nil {
				t.Errorf("%s: %s: %v", text, name, err)
			}
			if other, taken := seen[name]; taken {
				t.Errorf("%s and %s have the hold %s", text, other, name)
			}
			seen[name] = text
		}
		if keep := keepName(ref); keep != "" {
			if back, ok := kept(keep); !ok || back != ref.String() {
				t.Errorf("%s is kept as %s, which is %q", ref, keep, back)
			}
		}
	}
	for _, name := range []string{"busybox:latest", keepRepository + "zzz!:latest", keepRepository + "z:latest"} {
		if ref, ok := kept(name); ok {
			t.Errorf("%s is a keep of %q", name, ref)
		}
	}
}

func longPath(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a'
	}
	return string(b)
}

func hex64() string { return longPath(64) }

func TestLayerStates_RetryIsNoProgress(t *testing.T) {
	layers := layerStates{}
	say := func(status string, current int64) bool {
		return layers.note(jsonmessage.JSONMessage{
			ID: "a", Status: status, Progress: &jsonmessage.JSONProgress{Current: current, Total: 100},
		})
	}
	for i, c := range []struct {
		status  string
		current int64
		more    bool
	}{
		{"Pulling fs layer", 0, true}, {"Downloading", 10, true}, {"Downloading", 50, true}, {"Retrying in 5 seconds", 0, false},
		{"Downloading", 10, false}, {"Downloading", 50, false}, {"Downloading", 51, true}, {"Download complete", 0, true},
		{"Extracting", 10, true}, {"Extracting", 20, true}, {"Pull complete", 0, true}, {"Pull complete", 0, false},
	} {
		if got := say(c.status, c.current); got != c.more {
			t.Errorf("%d. %s %d: progress %v, want %v", i, c.status, c.current, got, c.more)
		}
	}
	want := PullProgress{Layers: 1, LayersDone: 1, Bytes: 100, TotalBytes: 100, Status: "x"}
	if diff := cmp.Diff(want, layers.sum("x")); diff != "" {
		t.Error(diff)
	}
}

func TestLocks_OneAtATimeAndCancellable(t *testing.T) {
	var l locks
	unlock, err := l.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if free, err := l.lock(t.Context(), "b"); err != nil {
		t.Errorf("another name: %v", err)
	} else {
		free()
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errPullTimeout)
	if _, err := l.lock(ctx, "a"); !errors.Is(err, errPullTimeout) {
		t.Errorf("cancelled: %v", err)
	}
	unlock()
	inside, most := 0, 0
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			unlock, err := l.lock(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			mu.Lock()
			inside++
			most = max(most, inside)
			mu.Unlock()
			mu.Lock()
			inside--
			mu.Unlock()
		})
	}
	group.Wait()
	if most != 1 || len(l.held) != 0 {
		t.Errorf("%d at a time, want 1; %d locks are left", most, len(l.held))
	}
}

func TestFlights_LastOneOutEndsIt(t *testing.T) {
	var f flights
	ended := make(chan error, 1)
	started := make(chan struct{})
	hang := func(ctx context.Context, _ func(PullProgress)) (Image, error) {
		close(started)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return Image{}, context.Cause(ctx)
	}
	one, leaveOne := context.WithCancel(t.Context())
	two, leaveTwo := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := f.join(one, "k", hang, nil); !errs.Is(err, errs.Canceled) {
			t.Error(err)
		}
		leaveTwo()
	})
	<-started
	group.Go(func() {
		if _, err := f.join(two, "k", nil, nil); !errs.Is(err, errs.Canceled) {
			t.Error(err)
		}
	})
	for waiters := 0; waiters < 2; {
		f.mu.Lock()
		fl := f.flights["k"]
		f.mu.Unlock()
		fl.mu.Lock()
		waiters = len(fl.waiters)
		fl.mu.Unlock()
	}
	leaveOne()
	group.Wait()
	if err := <-ended; !errors.Is(err, errNobodyWaits) {
		t.Errorf("ended by %v", err)
	}
	again, err := f.join(t.Context(), "k", func(context.Context, func(PullProgress)) (Image, error) {
		return Image{ID: "new"}, nil
	}, nil)
	if err != nil || again.ID != "new" {
		t.Errorf("a new flight: %+v, %v", again, err)
	}
}
