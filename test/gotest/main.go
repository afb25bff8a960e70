// Command gotest runs `go test` with its arguments and ends with what was counted: every failure with its output, every
// skipped test with its reason, and a line "N passed, N failed, N skipped".
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// event is a line of `go test -json`, see `go doc test2json`.
type event struct {
	Action, Package, Test, Output, ImportPath string
}

// report is what has been seen so far.
type report struct {
	out                     io.Writer
	passed, failed, skipped int
	// output is that of tests and builds that have not ended yet; paused are those among them that wait for their turn.
	output map[string][]string
	paused map[string]bool
	// skips are the names of the tests by the reason that they gave.
	skips map[string][]string
}

func main() {
	cmd := exec.Command("go", append([]string{"test", "-json"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
	r := newReport(os.Stdout)
	r.read(stdout)
	err = cmd.Wait()
	r.summary()
	if err != nil || r.failed > 0 {
		os.Exit(1)
	}
}

func newReport(out io.Writer) *report {
	return &report{
		out: out, output: map[string][]string{}, paused: map[string]bool{}, skips: map[string][]string{},
	}
}

func (r *report) read(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			// What is not JSON comes from go itself.
			fmt.Fprintln(r.out, lines.Text())
			continue
		}
		r.add(e)
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(r.out, "gotest:", err)
		r.failed++
	}
}

func (r *report) add(e event) {
	key := cmp.Or(e.Package, e.ImportPath) + " " + e.Test
	switch e.Action {
	case "pause":
		r.paused[key] = true
	case "cont":
		delete(r.paused, key)
	case "output", "build-output":
		if e.Test == "" && e.Action == "output" {
			// The closing line of a package, or what a test program said before it died.
			if text := e.Output; text != "PASS\n" && text != "FAIL\n" {
				fmt.Fprint(r.out, text)
			}
			return
		}
		r.output[key] = append(r.output[key], e.Output)
	case "pass":
		if e.Test != "" {
			r.passed++
		}
		delete(r.output, key)
	case "skip":
		if e.Test != "" {
			r.skipped++
			reason := reason(r.output[key])
			r.skips[reason] = append(r.skips[reason], e.Package+" "+e.Test)
		}
		delete(r.output, key)
	case "fail", "build-fail":
		// A package fails with its tests: they were counted. Without any, it did not get so far.
		if e.Test != "" || e.Action == "build-fail" {
			r.failed++
		}
		fmt.Fprint(r.out, strings.Join(r.output[key], ""))
		delete(r.output, key)
	}
}

// reason is what the test said when it skipped itself: its last line that is not go test's own.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			_, after, found := strings.Cut(line, ": ")
			if found {
				return after
			}
			return line
		}
	}
	return "no reason given"
}

func (r *report) summary() {
	for _, key := range slices.Sorted(maps.Keys(r.output)) {
		if r.paused[key] {
			fmt.Fprintf(r.out, "--- DID NOT RUN: %s\n", key)
			continue
		}
		// Neither passed nor failed: the test program died in it.
		r.failed++
		fmt.Fprintf(r.out, "--- DID NOT END: %s\n%s", key, strings.Join(r.output[key], ""))
	}
	for _, why := range slices.Sorted(maps.Keys(r.skips)) {
		fmt.Fprintf(r.out, "skipped, %s:\n", why)
		for _, test := range r.skips[why] {
			fmt.Fprintf(r.out, "  %s\n", test)
		}
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
}
