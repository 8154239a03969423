package index

import "math"

// Slack is how much farther than the true k-th neighbour, in proportion to the distances at hand, a hit may be and
// still count in Recall: room for the rounding of float32 sums of some thousand terms, taken in another order.
const Slack = 1e-5

// Recall returns what share of the exact nearest neighbours, whose ascending distances are exact, is among hits: how
// many hits, at most len(exact), are no farther than the farthest of exact, over len(exact). Distances decide and not
// IDs, so that equal vectors count alike. The distances of both must be exact and of one metric; no exact gives 1.
func Recall(hits []Hit, exact []float32) float64 {
	if len(exact) == 0 {
		return 1
	}
	last := float64(exact[len(exact)-1])
	scale := math.Max(math.Abs(last), math.Abs(float64(exact[0])))
	n := 0
	for _, h := range hits {
		if float64(h.Distance) <= last+Slack*scale {
			n++
		}
	}
	return float64(min(n, len(exact))) / float64(len(exact))
}
