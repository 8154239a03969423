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

// Truth is what an exact search finds: what recall is measured against.
type Truth struct {
	Queries   vec.Matrix
	Base      vec.Matrix // what is searched
	IDs       []uint32   // of the rows of Base, ascending; nil for 0, 1, …
	Metric    vec.Metric
	Neighbors neighbors.Table // row numbers in Base
}

// NewTruth finds the k nearest rows of base for each query.
func NewTruth(ctx context.Context, queries, base vec.Matrix, ids []uint32, m vec.Metric, k int, progress func(done, total int)) (*Truth, error) {
	table, err := neighbors.Exact(ctx, queries, base, neighbors.Options{K: k, Metric: m, Progress: progress})
	return &Truth{queries, base, ids, m, table}, err
}

// recall returns what share of the first k true neighbours of query i is among hits. A hit counts if it is one of them, or
// no farther than the farthest of them, so that equal vectors count alike. The distances that hits carry do not matter.
func (t *Truth) recall(i, k int, hits []index.Hit) float64 {
	rows, distances := t.Neighbors.Row(i)
	rows, distances = rows[:k], distances[:k]
	exact := make([]index.Hit, 0, len(hits))
	for _, h := range hits {
		row := h.ID
		if t.IDs != nil {
			at, ok := slices.BinarySearch(t.IDs, h.ID)
			if !ok {
				continue
			}
			row = uint32(at)
		}
		if at := slices.Index(rows, row); at >= 0 {
			exact = append(exact, index.Hit{ID: h.ID, Distance: distances[at]})
		} else if int(row) < t.Base.Rows {
			exact = append(exact, index.Hit{ID: h.ID, Distance: t.Metric.Distance(t.Queries.Row(i), t.Base.Row(int(row)))})
		}
	}
	return index.Recall(exact, distances)
}

// first returns the truth of the first n queries.
func (t *Truth) first(n int) *Truth {
	f := *t
	f.Queries = t.Queries.Slice(0, n)
	return &f
}

// Measure searches ix for each query of the truth, one at a time, and counts what part of the true neighbours came back.
func Measure(ctx context.Context, ix index.Searcher, t *Truth, q index.Query) (Recall, error) {
	if t.Neighbors.K < q.K {
		return Recall{}, fmt.Errorf("plan: the truth has %d neighbours, recall@%d wants %d: %w", t.Neighbors.K, q.K, q.K, vec.ErrTooFew)
	}
	n := t.Queries.Rows
	found := make([]float64, n)
	micros := make([]float64, n)
	distances := 0
	for i := range n {
		begin := time.Now()
		res, err := ix.Search(ctx, t.Queries.Row(i), q)
		micros[i] = float64(time.Since(begin).Nanoseconds()) / 1e3
		if err != nil {
			return Recall{}, err
		}
		distances += res.Distances
		found[i] = t.recall(i, q.K, res.Hits)
	}
	r := Summarize(q.K, found, micros)
	r.Distances = float64(distances) / float64(max(n, 1))
	return r, nil
}

// Summarize makes a Recall of what each query found, as a share of its k true neighbours, and of the microseconds that
// each took.
func Summarize(k int, found, micros []float64) Recall {
	r := interval(found, k)
	for _, m := range micros {
		r.MeanMicros += m / float64(len(micros))
	}
	sorted := slices.Sorted(slices.Values(micros))
	r.P50Micros, r.P99Micros = quantile(sorted, 0.5), quantile(sorted, 0.99)
	return r
}

// interval is Wilson's for the mean of the queries' recalls, where the number of trials is what makes the binomial
// variance of one trial, p(1-p)/n, equal to the variance seen between queries. Recalls within a query go together, so
// n is between the number of queries and that of neighbours; where all queries agree, it is the number of queries.
func interval(found []float64, k int) Recall {
	const z = 1.959963985 // 97.5 % of the normal distribution
	q := float64(len(found))
	var mean, spread float64
	for _, f := range found {
		mean += f
	}
	mean /= q
	for _, f := range found {
		spread += (f - mean) * (f - mean) / max(q-1, 1)
	}
	n := q
	if spread > 0 {
		n = min(max(mean*(1-mean)/spread*q, q), q*float64(k))
	}
	centre := (mean + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(mean*(1-mean)/n+z*z/(4*n*n))
	return Recall{K: k, Queries: len(found), Mean: mean, Lo: min(max(centre-half, 0), mean), Hi: max(min(centre+half, 1), mean)}
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
