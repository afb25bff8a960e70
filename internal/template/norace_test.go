//go:build !race

package template

// underRace is true in a build with the race detector, which multiplies time and memory.
const underRace = false
