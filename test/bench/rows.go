package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"agentd/internal/client"
	"agentd/internal/layout"
	"agentd/test/daemon"
)

// idle measures agentd's resident memory, two seconds after each of ten starts, when it has answered one request.
func (b *bench) idle() error {
	const starts = 10
	dir := filepath.Join(b.dir, "idle")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	d, err := daemon.New(filepath.Join(b.bin, "agentd"), dir)
	if err != nil {
		return err
	}
	r := row{work: "agentd idle, resident", unit: "MB", target: 20}
	for range starts {
		mb, err := b.idleOnce(d)
		if err != nil {
			return err
		}
		r.ours = append(r.ours, mb)
	}
	b.table = append(b.table, r)
	return nil
}

func (b *bench) idleOnce(d *daemon.Daemon) (mb float64, err error) {
	if err := d.Start(os.Environ()); err != nil {
		return 0, err
	}
	c := newClient(d.Socket())
	defer c.Close()
	if _, err := c.Health(b.ctx); err != nil {
		return 0, err
	}
	select {
	case <-time.After(2 * time.Second):
	case <-b.ctx.Done():
	}
	mb, err = resident(d.PID())
	if stopped := d.Stop(); err == nil {
		err = stopped
	}
	return mb, err
}

// resident is VmRSS of a process in units of 1,000,000 bytes.
func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("no VmRSS for process %d", pid)
}

func newClient(socket string) *client.Client {
	return client.New(client.Options{Socket: socket, UID: os.Getuid(), Getenv: os.Getenv})
}

// fill creates n templates, template-1 and so on, through the API, a hundred in a request and a few requests at a time.
func fill(ctx context.Context, socket string, n int) error {
	c := newClient(socket)
	defer c.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	const batch = 100
	for from := 1; from <= n; from += batch {
		var text strings.Builder
		for i := from; i <= min(n, from+batch-1); i++ {
			fmt.Fprintf(&text, "---\ntemplate:\n  api_version: v1\n  kind: taskTemplate\n  metadata: {name: template-%d}\n"+
				"  spec:\n    kernel:\n      image: python:3.12\n      environ: {NUMBER: '%d'}\n"+
				"    resources: {cpu: '1', mem: 1g}\n", i, i)
		}
		group.Go(func() error {
			_, err := c.Create(ctx, nil, client.Document{Name: "bench", Text: []byte(text.String())})
			return err
		})
	}
	return group.Wait()
}

// lookups compares finding one template among many with finding it among ten; few against few is the noise.
func (b *bench) lookups(few, lot string, many int) error {
	const name = "template-7"
	process := func(socket string) func() error { return b.ctl(socket, "sesstpl", "get", name) }
	fewClient, otherClient, manyClient := newClient(few), newClient(few), newClient(lot)
	defer fewClient.Close()
	defer otherClient.Close()
	defer manyClient.Close()
	inProcess := func(c *client.Client) func() error {
		return func() error {
			_, _, err := c.Text(b.ctx, client.Ref{Name: name}, 0, false)
			return err
		}
	}
	n := fmt.Sprintf("%d templates", many)
	for _, c := range []struct {
		work, against string
		pairs         int
		ours, theirs  func() error
		target        float64
	}{
		{"ctl sesstpl get, " + n, "10 templates", b.pairs, process(lot), process(few), 1.1},
		{"the same, 10 templates", "10 templates (noise)", b.pairs, process(few), process(few), 0},
		{"the request alone, " + n, "10 templates", 25 * b.pairs, inProcess(manyClient), inProcess(fewClient), 1.1},
		{"the same, 10 templates", "10 templates (noise)", 25 * b.pairs, inProcess(otherClient), inProcess(fewClient), 0},
	} {
		if err := b.compare(c.work, c.against, c.pairs, timed(c.ours), timed(c.theirs), c.target); err != nil {
			return err
		}
	}
	return nil
}

// commands compares whole processes with docker's.
func (b *bench) commands(socket string) error {
	docker := func(args ...string) func() error {
		return func() error { return quiet(exec.CommandContext(b.ctx, b.docker, args...)) }
	}
	list, help := b.ctl(socket, "sesstpl", "list"), b.ctl(socket, "--help")
	if _, err := exec.LookPath(b.docker); err != nil {
		return err
	}
	if err := docker("version")(); err != nil {
		return fmt.Errorf("no engine to compare with: %w", err)
	}
	if err := b.compare("ctl sesstpl list", "docker version", b.pairs, timed(list), timed(docker("version")), 1); err != nil {
		return err
	}
	return b.compare("ctl --help", "docker --help", b.pairs, timed(help), timed(docker("--help")), 1)
}

func (b *bench) compare(work, against string, pairs int, ours, theirs measure, target float64) error {
	a, other, err := compare(pairs, ours, theirs)
	if err != nil {
		return fmt.Errorf("%s: %w", work, err)
	}
	b.table = append(b.table, row{work: work, against: against, unit: "ms", ours: a, theirs: other, target: target})
	return nil
}

// ctl is one run of ctl as a whole process.
func (b *bench) ctl(socket string, args ...string) func() error {
	return func() error { return quiet(b.command(socket, args...)) }
}

func (b *bench) command(socket string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.ctx, filepath.Join(b.bin, "ctl"), args...)
	cmd.Env = append(os.Environ(), layout.SocketEnv+"="+socket)
	return cmd
}

// quiet runs a command whose output nobody reads.
func quiet(cmd *exec.Cmd) error {
	var errText strings.Builder
	cmd.Stderr = &errText
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, errText.String())
	}
	return nil
}
