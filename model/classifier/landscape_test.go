package classifier

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/latent-go/latent/vec"
)

// blobs are rows around one centre a class, far apart.
func blobs(n, columns, of int, seed uint64) Set {
	r := rand.New(rand.NewPCG(seed, 2))
	s := Set{vec.NewMatrix(n, columns), make([]int, n)}
	for i := range n {
		s.Y[i] = i % of
		for j := range columns {
			s.X.Row(i)[j] = float32(0.5 * r.NormFloat64())
		}
		s.X.Row(i)[s.Y[i]] += 2
	}
	return s
}

var quick = LandscapeOptions{Steps: 200, Batch: 32, From: 8, Rates: []float64{0.1}, BaseRates: []float64{0.01}}

func TestLandscape(t *testing.T) {
	ctx := context.Background()
	net := MLP{Hidden: []int{16}, Classes: 4}
	train, test := blobs(200, 8, 4, 1), blobs(100, 8, 4, 2)
	r, err := Landscape(ctx, net, train, test, quick)
	if err != nil {
		t.Fatal(err)
	}
	if r.Parameters != 8*16+16+16*4+4 || r.Rows != 200 || r.TestRows != 100 || r.Classes != 4 || r.Chance != 0.25 {
		t.Errorf("%+v", r)
	}
	if !(r.Baseline > 0.95) { // seen 1
		t.Errorf("accuracy with all parameters %v", r.Baseline)
	}
	if d := r.Dimension; !d.Reached || !(d.Dim >= 1 && d.Dim < 100) || d.Target != 0.9*r.Baseline { // seen 7
		t.Errorf("%+v", d)
	}
	if r.Rate != 0.1 || r.BaseRate != 0.01 || !(math.Abs(r.Compression-float64(r.Parameters)/r.Dimension.Dim) < 1e-9) {
		t.Errorf("%+v", r)
	}
	again, err := Landscape(ctx, net, train, test, quick)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r, again) {
		t.Errorf("a second look says %+v, the first %+v", again, r)
	}

	// Labels without a pattern take more numbers to learn by heart.
	dealt := Set{train.X, append([]int(nil), train.Y...)}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(dealt.Y), func(i, j int) { dealt.Y[i], dealt.Y[j] = dealt.Y[j], dealt.Y[i] })
	by, err := Landscape(ctx, net, dealt, dealt, quick)
	if err != nil {
		t.Fatal(err)
	}
	if !(by.Dimension.Dim > 2*r.Dimension.Dim) { // seen 4 times
		t.Errorf("shuffled labels take %v dimensions, true ones %v", by.Dimension.Dim, r.Dimension.Dim)
	}
}

func TestLandscapeNotes(t *testing.T) {
	s := blobs(100, 4, 2, 3)
	for i := range s.Y {
		s.Y[i] = 0
	}
	s.Y[0] = 1
	r, err := Landscape(context.Background(), MLP{nil, 2}, s, s, quick)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Notes) == 0 {
		t.Errorf("one class in all but one row, and no note: %+v", r)
	}
}

func TestLandscapeErrors(t *testing.T) {
	ctx := context.Background()
	net, good := MLP{nil, 2}, blobs(20, 4, 2, 1)
	bad := good.X.Clone()
	bad.Data[3] = float32(math.NaN())
	for name, c := range map[string]struct {
		train, test Set
		want        error
	}{
		"no rows":       {Set{}, good, vec.ErrTooFew},
		"few labels":    {Set{good.X, good.Y[1:]}, good, vec.ErrDim},
		"other columns": {good, blobs(20, 5, 2, 1), vec.ErrDim},
		"not a number":  {good, Set{bad, good.Y}, vec.ErrNotFinite},
	} {
		if _, err := Landscape(ctx, net, c.train, c.test, quick); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := quick
	o.Fraction = 1.5
	if _, err := Landscape(ctx, net, good, good, o); err == nil {
		t.Error("a fraction of 1.5 went through")
	}
	o = quick
	o.Rates = []float64{1e30}
	if _, err := Landscape(ctx, MLP{[]int{4}, 2}, good, good, o); err == nil {
		t.Error("a rate of 1e30 went through")
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Landscape(done, net, good, good, quick); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestPrepare(t *testing.T) {
	s := blobs(400, 6, 3, 5)
	for i := range s.X.Rows {
		s.X.Row(i)[2] += 1000
	}
	train, test, err := Prepare(s.X, s.Y, 1)
	if err != nil {
		t.Fatal(err)
	}
	if train.X.Rows != 300 || test.X.Rows != 100 || len(train.Y) != 300 || len(test.Y) != 100 {
		t.Errorf("%d and %d rows", train.X.Rows, test.X.Rows)
	}
	var square float64
	mean := make([]float64, 6)
	for i := range 300 {
		for j, v := range train.X.Row(i) {
			mean[j] += float64(v) / 300
			square += float64(v) * float64(v) / 1800
		}
	}
	for j, m := range mean {
		if !(math.Abs(m) <= 1e-4) {
			t.Errorf("column %d has mean %v", j, m)
		}
	}
	if !(math.Abs(square-1) <= 1e-4) {
		t.Errorf("mean square %v", square)
	}
	counts := map[int]int{}
	for _, y := range append(train.Y, test.Y...) {
		counts[y]++
	}
	if counts[0] != 134 || counts[1] != 133 || counts[2] != 133 {
		t.Errorf("classes %v", counts)
	}
	if _, _, err := Prepare(vec.NewMatrix(10, 2), make([]int, 10), 1); !errors.Is(err, vec.ErrZero) {
		t.Errorf("equal rows: %v", err)
	}
	if _, _, err := Prepare(blobs(5, 2, 2, 1).X, make([]int, 5), 1); !errors.Is(err, vec.ErrTooFew) {
		t.Errorf("five rows: %v", err)
	}
}
