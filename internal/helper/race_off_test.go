//go:build !race

package helper

const raceDetector = false
