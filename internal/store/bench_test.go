package store

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"

	"agentd/internal/layout"
)

// benchStates makes a store with that many templates, and leaves it closed.
func benchState(b *testing.B, count int) layout.State {
	b.Helper()
	state := testState(b)
	s := openStore(b, state)
	for i := range count {
		write(b, s, 1000, fmt.Sprintf("id%05d", i), fmt.Sprintf("template-%05d", i), 1)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return state
}

func BenchmarkOpen(b *testing.B) {
	for _, count := range []int{10, 10000} {
		b.Run(fmt.Sprintf("templates=%d", count), func(b *testing.B) {
			state := benchState(b, count)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var s *Store
			for b.Loop() {
				var err error
				if s, err = Open(state, slog.New(slog.DiscardHandler)); err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/float64(count), "heap-B/template")
			runtime.KeepAlive(s)
		})
	}
}

func BenchmarkGetByName(b *testing.B) {
	for _, count := range []int{10, 10000} {
		b.Run(fmt.Sprintf("templates=%d", count), func(b *testing.B) {
			s := openStore(b, benchState(b, count))
			for i := 0; b.Loop(); i++ {
				rev, ok := s.Templates().ByName(1000, fmt.Sprintf("template-%05d", i%count))
				if !ok {
					b.Fatal("not found")
				}
				if _, err := s.Templates().Text(1000, rev.ID, rev.Number); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	s := openStore(b, testState(b))
	for i := 1; b.Loop(); i++ {
		write(b, s, 1000, "abc", "one", i)
	}
}
