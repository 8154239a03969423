package sae

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/latent-go/latent/explain/dictionary"
	"github.com/latent-go/latent/vec"
)

// Report is what a model makes of rows.
type Report struct {
	Kind      Kind      `json:"kind"`
	Rows      int       `json:"rows"`
	Dim       int       `json:"dim"`
	Learnt    int       `json:"learnt"`         // features of the model
	Explained float64   `json:"explained"`      // share of the rows' variance; below 0 if their mean would do better
	L0        float64   `json:"features_a_row"` // mean number of features a row
	Dead      float64   `json:"dead"`           // share of the features that no row has
	Rank      float64   `json:"effective_rank"` // of the codes, if there are at most 1,024 features, else 0
	Babel     float64   `json:"babel"`          // how far 4 of all features' directions together can imitate another, from 0 to 4; if there are at most 8,192, else 0
	Together  float64   `json:"babel_together"` // the mean of the same among the features that a row has, of rows with more than 4; 0 if there are none
	Features  []Feature `json:"features"`       // those that some row has, the most frequent first
}

// Feature is what rows a feature is in.
type Feature struct {
	ID    int     `json:"id"`
	Rows  int     `json:"rows"`
	Share float64 `json:"share"` // of all rows
	Mean  float64 `json:"mean"`  // value in the rows that have it
	Top   []Top   `json:"top"`   // rows that have most of it, most first
}

// Top is a row that has much of a feature.
type Top struct {
	Row   int     `json:"row"`
	Value float32 `json:"value"`
}

// babelOf is how many others are to imitate a direction in a Report.
const babelOf = 4

// Report encodes the rows of x, n×d, as Encode does, and says what features there are; top is how many rows to name for each.
// Effective rank takes O(p³), Babel measures O(p²d).
func (m *Model) Report(ctx context.Context, x vec.Matrix, s dictionary.Stop, top int) (*Report, error) {
	codes, err := m.Encode(ctx, x, s)
	if err != nil {
		return nil, err
	}
	r := &Report{Kind: m.kind, Rows: x.Rows, Dim: m.Dim(), Learnt: m.Features(), L0: codes.L0()}
	if r.Explained, err = m.explained(ctx, x, codes); err != nil {
		return nil, err
	}
	best := make([]*vec.TopK, m.Features())
	sums, counts := make([]float64, m.Features()), codes.Counts()
	for i := range codes.Len() {
		index, value := codes.Row(i)
		for n, j := range index {
			if best[j] == nil && top > 0 {
				best[j] = vec.NewTopK(min(top, counts[j]))
			}
			sums[j] += float64(value[n])
			if top > 0 {
				best[j].Push(-value[n], uint32(i))
			}
		}
	}
	for j, c := range counts {
		if c == 0 {
			continue
		}
		f := Feature{ID: j, Rows: c, Share: float64(c) / float64(x.Rows), Mean: sums[j] / float64(c)}
		if top > 0 {
			rows, values := best[j].Append(nil, nil)
			for n, row := range rows {
				f.Top = append(f.Top, Top{int(row), -values[n]})
			}
		}
		r.Features = append(r.Features, f)
	}
	slices.SortStableFunc(r.Features, func(a, b Feature) int { return cmp.Compare(b.Rows, a.Rows) })
	r.Dead = 1 - float64(len(r.Features))/float64(m.Features())
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.Features() <= 1024 {
		r.Rank = codes.EffectiveRank()
	}
	if m.Features() <= 8192 {
		r.Babel = dictionary.Babel(m.dict.Atoms(), babelOf)
	}
	r.Together, _ = m.dict.CoactiveBabel(codes, babelOf)
	return r, ctx.Err()
}

// explained is 1 less what codes leave of rows, as a share of the squared distances from their mean.
func (m *Model) explained(ctx context.Context, x vec.Matrix, codes *dictionary.Codes) (float64, error) {
	mean := make([]float64, x.Cols)
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			mean[j] += float64(v) / float64(x.Rows)
		}
	}
	const size = 256
	type sums struct{ left, all float64 }
	parts := make([]sums, (x.Rows+size-1)/size)
	err := vec.Blocks(ctx, x.Rows, size, func(lo, hi int) error {
		back := make([]float32, x.Cols)
		for i := lo; i < hi; i++ {
			m.dict.DecodeRow(back, codes, i)
			for j, v := range x.Row(i) {
				parts[lo/size].left += math.Pow(float64(v)-float64(back[j]), 2)
				parts[lo/size].all += math.Pow(float64(v)-mean[j], 2)
			}
		}
		return nil
	})
	var total sums
	for _, p := range parts {
		total.left, total.all = total.left+p.left, total.all+p.all
	}
	if total.all == 0 {
		return 0, err
	}
	return 1 - total.left/total.all, err
}

// Point is how much of rows so many features explain.
type Point struct {
	K         int     `json:"k"`
	L0        float64 `json:"features_a_row"`
	Explained float64 `json:"explained"` // as in a Report
}

// Sweep says how much of the rows of x, n×d, is explained with at most K features a row, for each of ks: what a fitted model can do
// with fewer than it learnt with, or more. Of MP, more never explain less, of any row.
func (m *Model) Sweep(ctx context.Context, x vec.Matrix, ks []int) ([]Point, error) {
	out := make([]Point, len(ks))
	for i, k := range ks {
		codes, err := m.Encode(ctx, x, dictionary.Stop{K: k})
		if err != nil {
			return nil, err
		}
		out[i] = Point{K: k, L0: codes.L0()}
		if out[i].Explained, err = m.explained(ctx, x, codes); err != nil {
			return nil, err
		}
	}
	return out, nil
}
