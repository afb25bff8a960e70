// Command fuzz runs every fuzz target of the module for a while: `fuzz 1m`.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
)

// target is a fuzz test and the directory of its package.
type target struct{ dir, name string }

var declaration = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: fuzz TIME, at the root of the module")
		os.Exit(2)
	}
	targets, err := find()
	if err == nil && len(targets) == 0 {
		err = fmt.Errorf("no fuzz target found")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
	failed := runAll(targets, os.Args[1])
	fmt.Printf("%d fuzz targets for %s each: %d passed, %d failed\n", len(targets), os.Args[1], len(targets)-failed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}

func find() ([]target, error) {
	var found []target
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declaration.FindAllSubmatch(text, -1) {
			found = append(found, target{filepath.Dir(path), string(m[1])})
		}
		return err
	})
	return found, err
}

// runAll runs two targets at a time, with half of the processors each, and returns how many failed.
func runAll(targets []target, howLong string) (failed int) {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		slots = make(chan struct{}, 2)
		procs = max(1, runtime.NumCPU()/2)
	)
	for _, t := range targets {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			cmd := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", howLong,
				"-parallel", fmt.Sprint(procs), "./"+t.dir)
			out, err := cmd.CombinedOutput()
			mu.Lock()
			defer mu.Unlock()
			if err != nil && !ranOutOfTime(out) {
				failed++
				fmt.Printf("%s in %s: FAILED: %v\n%s", t.name, t.dir, err, out)
				return
			}
			fmt.Printf("%s in %s: %s\n", t.name, t.dir, lastProgress(out))
		})
	}
	wg.Wait()
	return failed
}

// lastProgress is the last line of go test that says how many inputs were tried.
func lastProgress(out []byte) string {
	last := "passed"
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte("execs: ")) {
			last = string(bytes.TrimSpace(line))
		}
	}
	return last
}

// ranOutOfTime reports whether a target has failed of nothing but the end of its time: the fuzzer's own deadline can hit a
// worker in the middle of an execution, and go test then calls it a failure (golang.org/issue/75804). A real one names the
// input that it has written.
func ranOutOfTime(out []byte) bool {
	return bytes.Contains(out, []byte("    context deadline exceeded\n")) &&
		!bytes.Contains(out, []byte("Failing input written to")) && !bytes.Contains(out, []byte("panic:"))
}
