package plan

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/vec"
)

// Recall is recall@k as a sample of queries shows it, with what the searches cost.
type Recall struct {
	K          int     `json:"k"`
	Queries    int     `json:"queries"`
	Mean       float64 `json:"recall"`
	Lo         float64 `json:"recall_lo"` // bounds of the two-sided 95 % interval for the mean over all queries
	Hi         float64 `json:"recall_hi"`
	Distances  float64 `json:"distances"`   // computed for a query, on average
	P50Micros  float64 `json:"p50_micros"`  // time of one search, one at a time
	P99Micros  float64 `json:"p99_micros"`  //
	MeanMicros float64 `json:"mean_micros"` //
}

// Measure searches ix for each query, one at a time, and counts what part of its truth, the exact nearest neighbours,
// came back. A neighbour counts if it is no farther than the farthest of the truth, so that equal vectors count alike.
func Measure(ctx context.Context, ix index.Searcher, queries vec.Matrix, truth neighbors.Table, q index.Query) (Recall, error) {
	if truth.K < q.K || len(truth.IDs) != truth.K*queries.Rows {
		return Recall{}, fmt.Errorf("plan: truth has %d neighbours for %d queries, want at least %d for each of %d: %w",
			truth.K, len(truth.IDs)/max(truth.K, 1), q.K, queries.Rows, vec.ErrTooFew)
	}
	found := make([]float64, queries.Rows)
	micros := make([]float64, queries.Rows)
	distances := 0
	for i := range queries.Rows {
		begin := time.Now()
		res, err := ix.Search(ctx, queries.Row(i), q)
		micros[i] = float64(time.Since(begin).Nanoseconds()) / 1e3
		if err != nil {
			return Recall{}, err
		}
		_, exact := truth.Row(i)
		distances += res.Distances
		found[i] = index.Recall(res.Hits, exact[:q.K])
	}
	r := interval(found, q.K)
	r.Distances = float64(distances) / float64(len(found))
	for _, t := range micros {
		r.MeanMicros += t / float64(len(micros))
	}
	slices.Sort(micros)
	r.P50Micros, r.P99Micros = quantile(micros, 0.5), quantile(micros, 0.99)
	return r, nil
}

// interval is Wilson's for the mean of the queries' recalls, where the number of trials is what makes the binomial
// variance of one trial, p(1-p)/n, equal to the variance seen between queries. Recalls within a query go together, so
// n is between the number of queries and that of neighbours; where all queries agree, it is the number of queries.
func interval(found []float64, k int) Recall {
	const z = 1.959963985 // 97.5 % of the normal distribution
	q := float64(len(found))
	var mean, spread float64
	for _, f := range found {
		mean += f / q
	}
	for _, f := range found {
		spread += (f - mean) * (f - mean) / max(q-1, 1)
	}
	n := q
	if spread > 0 {
		n = min(max(mean*(1-mean)/spread*q, q), q*float64(k))
	}
	centre := (mean + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(mean*(1-mean)/n+z*z/(4*n*n))
	return Recall{K: k, Queries: len(found), Mean: mean, Lo: max(centre-half, 0), Hi: min(centre+half, 1)}
}

// quantile is the p-quantile of sorted values, between neighbours by proportion.
func quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
