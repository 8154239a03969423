// Package sharpness says how hard a labelled data set is to learn, before anything is trained: how near differently
// labelled rows come to each other, how many dimensions the data has, and what both make of the error to be expected.
//
//	k, err := sharpness.Label(ctx, x, labels, sharpness.Options{})                // k.K, and the closest clash: k.I, k.J
//	p, err := sharpness.Measure(ctx, x, features, labels, sharpness.Options{})   // with d_data, d_repr and a verdict
//
// Source: Konz and Mazurowski 2024, arXiv 2401.08865. The paper's program pairs rows otherwise than its text and takes
// equal labels for different ones where there are more than two; this is the text.
package sharpness

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/measure/internal/rows"
	"github.com/latent-go/latent/vec"
)

// Options say what is drawn. The zero Options are the paper's.
type Options struct {
	Rows     int      // rows a draw, as many of each class; 0 means 1000. Sharpness grows with it: compare at the same
	Draws    int      // 0 means 5
	Quantile float64  // of Soft; 0 means 0.999
	K        int      // neighbours of the dimensions; 0 means 20
	MaxRows  int      // rows that the dimensions look at, the same in both; 0 means 2000
	Seed     uint64   // same seed, same result
	Names    []string // of the labels, by number, for the verdict
}

func (o Options) filled() (Options, error) {
	if o.Rows < 0 || o.Draws < 0 || o.K < 0 || o.MaxRows < 0 || !(o.Quantile >= 0 && o.Quantile < 1) {
		return o, fmt.Errorf("sharpness: %d rows, %d draws, quantile %v, %d neighbours, %d rows for dimensions: want none negative and a quantile below 1: %w",
			o.Rows, o.Draws, o.Quantile, o.K, o.MaxRows, vec.ErrTooFew)
	}
	for p, v := range map[*int]int{&o.Rows: 1000, &o.Draws: 5, &o.K: 20, &o.MaxRows: 2000} {
		if *p == 0 {
			*p = v
		}
	}
	if o.Quantile == 0 {
		o.Quantile = .999
	}
	return o, nil
}

// Number is a float64 that JSON can hold when it is infinite: as the string "+Inf".
type Number float64

// MarshalJSON writes a number, or "+Inf".
func (n Number) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(n), 1) {
		return []byte(`"+Inf"`), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == `"+Inf"` {
		*n = Number(math.Inf(1))
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

// Result is a label sharpness, in units of 1/distance.
type Result struct {
	K     Number `json:"k"`    // 1/distance of the closest clash, mean over draws; +Inf where equal rows have different labels
	SD    Number `json:"sd"`   // over draws; 0 for one draw, +Inf if K is
	Soft  Number `json:"soft"` // the Quantile of 1/distance over clashing pairs, ours: moved less by a single pair
	Draws int    `json:"draws"`
	Rows  int    `json:"rows"`  // in a draw
	Total int    `json:"total"` // given
	Seed  uint64 `json:"seed"`

	// I and J are the rows of the closest clash of all draws, MinDist apart: often a wrong label.
	I       int     `json:"i"`
	J       int     `json:"j"`
	LabelI  int     `json:"label_i"`
	LabelJ  int     `json:"label_j"`
	MinDist float64 `json:"min_dist"`
	Clashes int     `json:"clashes"` // pairs of equal rows with different labels, in the draw that has most
}

// Label is the sharpness K_F of the labels of the rows of x: max 1[labels differ]/|x-y| over all pairs of a random
// sample with as many rows of each class, the steepness that any function must have that gives every row its label.
// Where there are no more rows than a draw takes, all rows take part once, balanced or not.
// It is compared only at the same number of rows, scale and range of x. One class only gives vec.ErrTooFew, another
// number of labels than rows vec.ErrDim. Time O(Draws·Rows²·d), memory O(Rows²). Source: section 3.2, equation 2.
func Label(ctx context.Context, x vec.Matrix, labels []int, o Options) (*Result, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("sharpness: %w", err)
	}
	if len(labels) != x.Rows {
		return nil, fmt.Errorf("sharpness: %d labels for %d rows: %w", len(labels), x.Rows, vec.ErrDim)
	}
	members, names := map[int][]int{}, []int{}
	for i, l := range labels {
		if members[l] == nil {
			names = append(names, l)
		}
		members[l] = append(members[l], i)
	}
	if len(names) < 2 {
		return nil, fmt.Errorf("sharpness: %d rows with %d labels, want two labels at least: %w", x.Rows, len(names), vec.ErrTooFew)
	}
	slices.Sort(names)
	r := &Result{Total: x.Rows, Draws: o.Draws, Seed: o.Seed, MinDist: math.Inf(1)}
	if x.Rows <= o.Rows {
		r.Draws = 1
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0x54a9))
	var ks, softs []float64
	for range r.Draws {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ids := make([]int, 0, o.Rows)
		for _, l := range names {
			m := members[l]
			take := len(m)
			if x.Rows > o.Rows {
				take = min(take, max(o.Rows/len(names), 1))
			}
			for _, k := range rng.Perm(len(m))[:take] {
				ids = append(ids, m[k])
			}
		}
		slices.Sort(ids)
		r.Rows = len(ids)
		d := r.clashing(x, labels, ids)
		ks = append(ks, 1/d[0])
		softs = append(softs, 1/d[int(float64(len(d))*(1-o.Quantile))])
	}
	k, sd := stat.MeanStdDev(ks, nil)
	switch {
	case math.IsInf(slices.Max(ks), 1):
		k, sd = math.Inf(1), math.Inf(1)
	case len(ks) == 1:
		sd = 0
	}
	r.K, r.SD, r.Soft = Number(k), Number(sd), Number(stat.Mean(softs, nil))
	return r, nil
}

// clashing returns the distances between differently labelled rows, ascending, and keeps the closest pair.
func (r *Result) clashing(x vec.Matrix, labels, ids []int) []float64 {
	sub := x.Gather(ids)
	lines := make([][]float64, len(ids))
	_ = vec.Blocks(context.Background(), len(ids), 16, func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			lines[i] = make([]float64, len(ids)-i)
			rows.SquaredL2s(lines[i], sub.Row(i), sub.Data[i*sub.Cols:])
		}
		return nil
	})
	var out []float64
	zero := 0
	for i := range ids {
		for k, v := range lines[i] {
			a, b := ids[i], ids[i+k]
			if labels[a] == labels[b] {
				continue
			}
			d := math.Sqrt(v)
			out = append(out, d)
			if d == 0 {
				zero++
			}
			if d < r.MinDist {
				r.MinDist, r.I, r.J, r.LabelI, r.LabelJ = d, a, b, labels[a], labels[b]
			}
		}
	}
	r.Clashes = max(r.Clashes, zero)
	slices.Sort(out)
	return out
}

// Properties are what is known of a data set before training, and of a representation of it after.
type Properties struct {
	Sharpness  *Result             `json:"sharpness"`
	Data       dimension.Estimate  `json:"d_data"`           // maximum likelihood, as the paper has it
	DataTwoNN  dimension.Estimate  `json:"d_data_two_nn"`    // its second estimator
	Repr       *dimension.Estimate `json:"d_repr,omitempty"` // of the representation, nil if there is none
	ReprTwoNN  *dimension.Estimate `json:"d_repr_two_nn,omitempty"`
	Difficulty Number              `json:"difficulty"` // max(1, K_F)·N^(-1/d_data), up to a constant the error to be expected
	Verdict    string              `json:"verdict"`
	Notes      []string            `json:"notes,omitempty"`
}

// Measure is Label with the intrinsic dimension of x, and of features if that is not the zero Matrix: row i of both is
// the same thing. The dimension of a trained network's features is expected to be at most that of its data.
func Measure(ctx context.Context, x, features vec.Matrix, labels []int, o Options) (*Properties, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	if features.Data != nil && features.Rows != x.Rows {
		return nil, fmt.Errorf("sharpness: %d rows of data, %d of features; row i of both must be the same thing: %w", x.Rows, features.Rows, vec.ErrDim)
	}
	p := &Properties{}
	if p.Sharpness, err = Label(ctx, x, labels, o); err != nil {
		return nil, err
	}
	d := dimension.Options{K: o.K, Sample: o.MaxRows, Seed: o.Seed}
	both := func(x vec.Matrix, what string) (mle, two dimension.Estimate, err error) {
		if mle, err = dimension.MLE(ctx, x, d); err == nil {
			two, err = dimension.TwoNN(ctx, x, d)
		}
		if err != nil {
			err = fmt.Errorf("sharpness: dimension of the %s: %w", what, err)
		}
		return mle, two, err
	}
	if p.Data, p.DataTwoNN, err = both(x, "data"); err != nil {
		return nil, err
	}
	if features.Data != nil {
		mle, two, err := both(features, "features")
		if err != nil {
			return nil, err
		}
		p.Repr, p.ReprTwoNN = &mle, &two
	}
	p.Difficulty = Number(max(1, float64(p.Sharpness.K)) * math.Pow(float64(x.Rows), -1/p.Data.Value))
	p.judge(o.Names)
	return p, nil
}

func (p *Properties) judge(names []string) {
	s := p.Sharpness
	if math.IsInf(float64(s.K), 1) {
		p.Verdict = fmt.Sprintf("Rows %d and %d are equal but labelled %s and %s: no function can give both their label. Data has %.1f dimensions.", s.I, s.J, rows.Label(names, s.LabelI), rows.Label(names, s.LabelJ), p.Data.Value)
	} else {
		p.Verdict = fmt.Sprintf("The closest differently labelled rows are %.3g apart (%d and %d): label sharpness %.3g ± %.2g over %d draws of %d rows. Data has %.1f dimensions.",
			s.MinDist, s.I, s.J, float64(s.K), float64(s.SD), s.Draws, s.Rows, p.Data.Value)
	}
	if p.Repr != nil {
		if p.Repr.Value <= p.Data.Value {
			p.Verdict += fmt.Sprintf(" The representation has %.1f, within the data's, as expected.", p.Repr.Value)
		} else {
			p.Verdict += fmt.Sprintf(" The representation has %.1f, more than the data: not what a trained network does.", p.Repr.Value)
		}
	}
	if s.Clashes > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d pairs of equal rows have different labels in one draw of %d rows; sharpness of the rest is not infinite but unknown: remove them first.", s.Clashes, s.Rows))
	}
	p.Notes = append(p.Notes, "Compare sharpness and difficulty only between data of the same range and number of columns, at the same number of rows drawn.")
}
