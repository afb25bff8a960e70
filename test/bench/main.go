// Command bench measures agentd and ctl side by side with docker, in one run, and prints a table. It judges nothing: a
// machine that is busy measures what it likes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"agentd/internal/testenv/scratch"
	"agentd/test/daemon"
)

func main() {
	bin := flag.String("bin", "bin", "`directory` of the programs agentd and ctl")
	docker := flag.String("docker", "docker", "docker's command line")
	pairs := flag.Int("pairs", 20, "alternating `pairs` of each row, at least 10")
	only := flag.Bool("launches", false, "measure sessions only")
	clones := flag.Bool("clones", false, "measure sessions with a repository only")
	jobs := flag.Bool("jobs", false, "measure the queue only")
	short := flag.Bool("short", false, "leave out the queue and repositories, which take minutes")
	many := flag.Int("templates", 10_000, "`number` of templates that is many")
	flag.Parse()
	if err := run(*bin, *docker, max(*pairs, 10), *many, *only, *clones, *jobs, *short); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is what the rows measure with.
type bench struct {
	ctx    context.Context //nolint:containedctx // it is the life of this program
	bin    string
	docker string
	dir    string
	pairs  int
	// jobs asks for the row of the queue only.
	jobs bool
	// short leaves out the rows that take minutes each.
	short bool
	table table
}

func run(bin, docker string, pairs, many int, only, clones, jobs, short bool) (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "agentd-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, scratch.Remove(dir)) }()
	b := &bench{ctx: ctx, bin: bin, docker: docker, dir: dir, pairs: pairs, jobs: jobs, short: short}

	// What was measured before a failure is worth having.
	defer b.print(os.Stdout)
	few, stopFew, err := b.agentd("few", 10)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopFew()) }()
	if !only && !clones && !jobs {
		if err := b.templates(few, many); err != nil {
			return err
		}
	}
	if err := b.launched(few, b.state("few"), clones); err != nil {
		return fmt.Errorf("launches: %w", err)
	}
	return nil
}

// templates measures what needs no session; few is an agentd with ten templates.
func (b *bench) templates(few string, many int) (err error) {
	if err := b.idle(); err != nil {
		return fmt.Errorf("agentd's memory: %w", err)
	}
	lot, stopLot, err := b.agentd("many", many)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopLot()) }()
	if err := b.lookups(few, lot, many); err != nil {
		return fmt.Errorf("lookups: %w", err)
	}
	if err := b.commands(few); err != nil {
		return fmt.Errorf("commands: %w", err)
	}
	return nil
}

// agentd starts one with n templates.
func (b *bench) agentd(name string, n int) (socket string, stop func() error, err error) {
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, err
	}
	d, err := daemon.NewWith(filepath.Join(b.bin, "agentd"), dir,
		fmt.Sprintf("socket: {mode: \"0600\", group: \"%d\"}\ngit: {schemes: [http]}\n", os.Getgid()))
	if err != nil {
		return "", nil, err
	}
	if err := d.Start(os.Environ()); err != nil {
		return "", nil, err
	}
	if err := fill(b.ctx, d.Socket(), n); err != nil {
		return "", nil, errors.Join(err, d.Stop())
	}
	return d.Socket(), d.Stop, nil
}

func (b *bench) print(w io.Writer) {
	// What is not known is left out.
	host, _ := exec.Command("uname", "-srm").Output()
	version, _ := exec.Command(b.docker, "version", "--format", "{{.Client.Version}} {{.Server.Version}}").Output()
	fmt.Fprintf(w, "%s; docker client and engine %s\n", strings.TrimSpace(string(host)), strings.TrimSpace(string(version)))
	fmt.Fprintf(w, "at least %d alternating pairs a row, after two that do not count; ratios are of the medians\n\n", b.pairs)
	b.table.print(w)
}
