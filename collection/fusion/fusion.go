// Package fusion makes one ranking of several, and a ranking that repeats itself less: pure functions over IDs and scores.
//
//	hits, err := fusion.RRF([][]fusion.Hit[string]{byVector, byWords}, 0, nil)
package fusion

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrWeights says that there are not as many weights as rankings.
var ErrWeights = errors.New("bad weights")

// Hit is an entry of a ranking, best first; more is better.
type Hit[ID comparable] struct {
	ID    ID
	Score float64
}

// RRF is reciprocal rank fusion (Cormack, Clarke and Büttcher 2009, SIGIR): the score of an entry is the sum, over the
// rankings that have it, of
//
//	1 / ((rank+1)/w + k − 1)
//
// with ranks from 0, which for weight w = 1 is 1/(k+rank). This is as Qdrant weighs: w = 3 counts three ranks as one. k of 0
// means 2, as in Qdrant; the paper has 60. nil weights are all 1; a weight of 0 or less counts nothing. Scores of the
// rankings do not matter. Entries come best first, equal ones in the order in which they are met, ranking by ranking.
func RRF[ID comparable](rankings [][]Hit[ID], k int, weights []float64) ([]Hit[ID], error) {
	if weights != nil && len(weights) != len(rankings) {
		return nil, fmt.Errorf("fusion: %d weights for %d rankings: %w", len(weights), len(rankings), ErrWeights)
	}
	if k == 0 {
		k = 2
	}
	return sum(rankings, func(i, rank int) float64 {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		if w <= 0 {
			return 0
		}
		return 1 / (float64(rank+1)/w + float64(k) - 1)
	}), nil
}

// DBSF is distribution-based score fusion: the scores of each ranking are moved and stretched so that mean − 3σ becomes 0
// and mean + 3σ becomes 1, with the sample's σ, and then added up. Where all scores of a ranking are equal, or there is
// but one, each counts ½.
func DBSF[ID comparable](rankings [][]Hit[ID]) []Hit[ID] {
	type spread struct{ low, width float64 }
	norms := make([]spread, len(rankings))
	for i, r := range rankings {
		mean, n := 0.0, float64(len(r))
		for _, h := range r {
			mean += h.Score / n
		}
		ss := 0.0
		for _, h := range r {
			ss += (h.Score - mean) * (h.Score - mean)
		}
		if sigma := math.Sqrt(ss / (n - 1)); sigma > 0 && !math.IsInf(sigma, 0) {
			norms[i] = spread{mean - 3*sigma, 6 * sigma}
		}
	}
	return sum(rankings, func(i, rank int) float64 {
		if norms[i].width == 0 {
			return 0.5
		}
		return (rankings[i][rank].Score - norms[i].low) / norms[i].width
	})
}

// sum adds up what score gives each entry of each ranking.
func sum[ID comparable](rankings [][]Hit[ID], score func(i, rank int) float64) []Hit[ID] {
	at := make(map[ID]int)
	var out []Hit[ID]
	for i, r := range rankings {
		for rank, h := range r {
			j, met := at[h.ID]
			if !met {
				j = len(out)
				at[h.ID] = j
				out = append(out, Hit[ID]{ID: h.ID})
			}
			out[j].Score += score(i, rank)
		}
	}
	slices.SortStableFunc(out, func(a, b Hit[ID]) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	return out
}

// MMR is maximal marginal relevance (Carbonell and Goldstein 1998, SIGIR): it picks, of n candidates, k one after the other,
// each time the one with the greatest
//
//	lambda · relevance(i) − (1 − lambda) · max over those picked of similarity(i, j)
//
// and returns them in that order. The first is the most relevant. Of equal ones the earlier candidate is picked.
func MMR(n, k int, lambda float64, relevance func(i int) float64, similarity func(i, j int) float64) []int {
	k = min(k, n)
	if k <= 0 {
		return nil
	}
	rel, near := make([]float64, n), make([]float64, n)
	picked := make([]bool, n)
	best := 0
	for i := range n {
		rel[i], near[i] = relevance(i), math.Inf(-1)
		if rel[i] > rel[best] {
			best = i
		}
	}
	out := make([]int, 0, k)
	for {
		out = append(out, best)
		picked[best] = true
		if len(out) == k {
			return out
		}
		last, top := best, math.Inf(-1)
		best = -1
		for i := range n {
			if picked[i] {
				continue
			}
			near[i] = max(near[i], similarity(i, last))
			if s := lambda*rel[i] - (1-lambda)*near[i]; best < 0 || s > top {
				best, top = i, s
			}
		}
	}
}
