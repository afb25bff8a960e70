//go:build race

package checkout_test

// raceDetector: its shadow memory counts as data, so that no limit of memory fits.
const raceDetector = true
