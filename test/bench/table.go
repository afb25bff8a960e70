package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// samples are the values of one side of a row.
type samples []float64

func (s samples) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// row is one comparison; against is empty if the target is a number of its own.
type row struct {
	work, against string
	unit          string
	ours, theirs  samples
	// target bounds the ratio of the medians, or our median where there is nothing to compare with; 0 is no target.
	target float64
}

type table []row

func (t table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "work\tmedian\tmin\tmax\tagainst\tmedian\tmin\tmax\tratio\ttarget\t")
	for _, r := range t {
		value, cells := r.ours.median(), "\t\t\t\t\t"
		target := fmt.Sprintf("≤ %.0f %s", r.target, r.unit)
		if r.theirs != nil {
			value = r.ours.median() / r.theirs.median()
			cells = fmt.Sprintf("%s\t%s\t%.2f\t", r.against, r.theirs.cells(), value)
			target = fmt.Sprintf("≤ %.2f", r.target)
		}
		verdict := "reached"
		switch {
		case r.target == 0:
			target, verdict = "", ""
		case value > r.target:
			verdict = "not reached"
		}
		fmt.Fprintf(tw, "%s (%s)\t%s\t%s%s\t%s\n", r.work, r.unit, r.ours.cells(), cells, target, verdict)
	}
	if err := tw.Flush(); err != nil {
		fmt.Fprintln(w, err)
	}
}

func (s samples) cells() string {
	cells := make([]string, 0, 3)
	for _, v := range []float64{s.median(), slices.Min(s), slices.Max(s)} {
		cells = append(cells, fmt.Sprintf("%.2f", v))
	}
	return strings.Join(cells, "\t")
}

// compare measures two things in turns, each first in every other pair, so that what the machine does meanwhile hits both.
func compare(pairs int, ours, theirs measure) (a, b samples, err error) {
	const warmUp = 2
	for i := range pairs + warmUp {
		var us, them float64
		first := func() (err error) { us, err = ours(); return err }
		second := func() (err error) { them, err = theirs(); return err }
		if i%2 == 1 {
			first, second = second, first
		}
		if err := first(); err != nil {
			return nil, nil, err
		}
		if err := second(); err != nil {
			return nil, nil, err
		}
		if i >= warmUp {
			a, b = append(a, us), append(b, them)
		}
	}
	return a, b, nil
}

// measure does a thing once and returns how many milliseconds it took.
type measure func() (milliseconds float64, err error)

// timed measures the whole of fn.
func timed(fn func() error) measure {
	return func() (float64, error) {
		begin := time.Now()
		err := fn()
		return float64(time.Since(begin)) / float64(time.Millisecond), err
	}
}
