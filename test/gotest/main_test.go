package main

import (
	"strings"
	"testing"
)

// stream is what `go test -json` said of two packages and one that does not build, shortened.
const stream = `{"Action":"run","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"good says something\n"}
{"Action":"pass","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestBad","Output":"    a_test.go:1: got 1, want 2\n"}
{"Action":"output","Package":"m/a","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"fail","Package":"m/a","Test":"TestBad"}
{"Action":"output","Package":"m/a","Test":"TestGated","Output":"    a_test.go:9: gate root: needs root\n"}
{"Action":"output","Package":"m/a","Test":"TestGated","Output":"--- SKIP: TestGated (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestGated"}
{"Action":"output","Package":"m/a","Output":"FAIL\tm/a\t0.1s\n"}
{"Action":"fail","Package":"m/a"}
go: something that is not JSON
{"Action":"output","Package":"m/b","Test":"TestWaits","Output":"=== PAUSE TestWaits\n"}
{"Action":"pause","Package":"m/b","Test":"TestWaits"}
{"Action":"output","Package":"m/b","Test":"TestDies","Output":"panic: dead\n"}
{"Action":"output","Package":"m/b","Output":"FAIL\tm/b\t0.1s\n"}
{"Action":"fail","Package":"m/b"}
{"ImportPath":"m/c","Action":"build-output","Output":"c.go:1: undefined: x\n"}
{"ImportPath":"m/c","Action":"build-fail"}
`

func TestReport_CountsAndTellsWhatMatters(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	r.read(strings.NewReader(stream))
	r.summary()
	text := out.String()
	for _, want := range []string{
		"got 1, want 2", "FAIL\tm/a\t0.1s", "go: something that is not JSON", "panic: dead", "c.go:1: undefined: x",
		"--- DID NOT RUN: m/b TestWaits\n",
		"skipped, gate root: needs root:\n  m/a TestGated\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing %q", want)
		}
	}
	if strings.Contains(text, "good says something") {
		t.Error("the output of a test that passed is told")
	}
	if !strings.HasSuffix(text, "\n1 passed, 3 failed, 1 skipped\n") {
		t.Errorf("the end is not the count: %s", text)
	}
}
