package config

// nearest returns the known word that s is a slip of the keyboard away from, "" if none is.
func nearest(s string, known []string) string {
	best, bestDistance := "", len(s)/3+1
	for _, word := range known {
		if n := distance(s, word); n <= bestDistance && (best == "" || n < bestDistance) {
			best, bestDistance = word, n
		}
	}
	return best
}

// distance is Levenshtein's: the letters to put in, leave out or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
