package template

import (
	"slices"
	"strings"
)

// maxGuess bounds the words that are compared, in bytes.
const maxGuess = 64

// nearest returns the word that the author may have meant, "" if none is close. Case, '_' and '-' do not count.
func nearest(written string, words []string) string {
	if len(written) > maxGuess {
		return ""
	}
	best, bestDistance := "", maxGuess
	from := folded(written)
	for _, word := range words {
		to := folded(word)
		d := distance(from, to)
		begins := len(from) >= 3 && strings.HasPrefix(to, from)
		if (begins || d <= tolerance(from, to)) && d < bestDistance {
			best, bestDistance = word, d
		}
	}
	return best
}

// tolerance is how many letters of two words may differ.
func tolerance(a, b string) int {
	switch n := max(len(a), len(b)); {
	case n < 3:
		return 0
	case n < 5:
		return 1
	case n < 9:
		return 2
	default:
		return 3
	}
}

func folded(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// distance counts the letters to insert, delete, change or swap with their neighbour to get from a to b.
func distance(a, b string) int {
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

// didYouMean is the end of a message about an unknown word: the nearest one, or all if they are few.
func didYouMean(written string, words []string) string {
	if word := nearest(written, words); word != "" {
		return "; did you mean " + word + "?"
	}
	if len(words) > 0 {
		return "; known are " + strings.Join(slices.Sorted(slices.Values(words)), ", ")
	}
	return ""
}
