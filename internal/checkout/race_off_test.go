//go:build !race

package checkout_test

const raceDetector = false
