package cli

import "strings"

// nearest returns the known name with the smallest edit distance from name, or "" if none is
// close enough to be a typo.
func nearest(name string, known []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, candidate := range known {
		if n := edits(strings.ToLower(name), candidate); n < least {
			best, least = candidate, n
		}
	}
	return best
}

// didYouMean asks for the known name that was probably meant; it is "" if none is near.
func didYouMean(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return "did you mean " + near + "? "
	}
	return ""
}

// edits is how many bytes have to be inserted, deleted, replaced or swapped with their neighbours to
// make b of a: the optimal string alignment distance.
func edits(a, b string) int {
	// last[j], row[j] and next[j] are the distances between b[:j] and a[:i-1], a[:i] and a[:i+1].
	last, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			replace := row[j]
			if a[i] != b[j] {
				replace++
			}
			next[j+1] = min(replace, next[j]+1, row[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], last[j-1]+1)
			}
		}
		last, row, next = row, next, last
	}
	return row[len(b)]
}
