package config

import "agentd/internal/nearword"

// nearest returns the known word that s is a slip of the keyboard away from, "" if none is.
func nearest(s string, known []string) string {
	best, bestDistance := "", len(s)/3+1
	for _, word := range known {
		if n := nearword.Distance(s, word); n <= bestDistance && (best == "" || n < bestDistance) {
			best, bestDistance = word, n
		}
	}
	return best
}
