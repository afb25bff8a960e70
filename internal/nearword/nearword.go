// Package nearword measures how far two words are from one another, for errors that propose the one that was meant.
package nearword

// MaxLen bounds what is compared, in bytes: the work grows with the product of both lengths.
const MaxLen = 80

// Distance counts the bytes to insert, delete, change or swap with their neighbour to get from a to b (optimal string
// alignment). Of both words, the first [MaxLen] bytes count.
func Distance(a, b string) int {
	a, b = a[:min(len(a), MaxLen)], b[:min(len(b), MaxLen)]
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
