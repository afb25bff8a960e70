package template

import (
	"slices"
	"strings"

	"agentd/internal/nearword"
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
		d := nearword.Distance(from, to)
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
