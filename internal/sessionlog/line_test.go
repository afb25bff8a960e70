package sessionlog

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse_ReturnsWhatWasAppended(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 60, time.UTC)
	for _, l := range []Line{
		{Time: at, Step: "startup", Stream: Stdout, Text: []byte("text of the output")},
		{Time: at, Step: "bootstrap", Stream: Stderr, Partial: true, Text: []byte("prompt> ")},
		{Time: at, Step: "init", Stream: Init, Text: []byte{}},
		{Time: at, Step: "startup", Stream: Stdout, Text: []byte(" \x00\xff\r\x1b[0m ")},
	} {
		raw := l.Append(nil)
		if got := Parse(bytes.TrimSuffix(raw, []byte("\n"))); !cmp.Equal(got, l) {
			t.Errorf("%q: %s", raw, cmp.Diff(l, got))
		}
	}
	want := "2026-01-02T03:04:05.000000060Z startup o+ x\n"
	l := Line{Time: at.In(time.FixedZone("", 3600)), Step: "startup", Stream: Stdout, Partial: true, Text: []byte("x")}
	if got := string(l.Append(nil)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParse_WhatIsNoLineIsDamagedWhole(t *testing.T) {
	for _, raw := range []string{"", "x", "2026-01-02T03:04:05.000000060Z", "2026-01-02T03:04:05.000000060Z startup",
		"2026-01-02T03:04:05.000000060Z startup o", "2026-01-02T03:04:05.000000060Z startup x text",
		"2026-01-02T03:04:05.000000060Z startup o- text", "2026-01-02T03:04:05Z startup o text",
		"2026-13-02T03:04:05.000000060Z startup o text", "2026-01-02T03:04:05.000000060Z a\x1b[b o text",
		"2026-01-02T03:04:05.000000060Z  o text", "2026-01-02T03:04:05.000000060Z startup ? text"} {
		if got := Parse([]byte(raw)); got.Stream != Damaged || string(got.Text) != raw {
			t.Errorf("%q: %+v", raw, got)
		}
	}
}

// FuzzLogLine parses any bytes: what is a line comes out as it went in, the rest is damaged and whole.
func FuzzLogLine(f *testing.F) {
	f.Add([]byte("2026-01-02T03:04:05.123456789Z startup o text"))
	f.Add([]byte("2026-01-02T03:04:05.123456789Z bootstrap e+ "))
	f.Add([]byte("2026-01-02T03:04:05.12345678Z startup o text"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := Parse(raw)
		if l.Stream == Damaged {
			if !bytes.Equal(l.Text, raw) {
				t.Fatalf("lost %q of %q", l.Text, raw)
			}
			return
		}
		if got := l.Append(nil); !bytes.Equal(bytes.TrimSuffix(got, []byte("\n")), raw) {
			t.Fatalf("%q became %q", raw, got)
		}
	})
}
