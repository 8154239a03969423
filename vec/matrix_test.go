package vec_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/latent-go/latent/vec"
)

func TestMatrix(t *testing.T) {
	m, err := vec.FromRows([][]float32{{1, 2}, {3, 4}, {5, 6}})
	if err != nil || m.Rows != 3 || m.Cols != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	if r := m.Row(1); !slices.Equal(r, []float32{3, 4}) || cap(r) != 2 {
		t.Errorf("row 1 is %v with room for %d", r, cap(r))
	}
	if s := m.Slice(1, 3); s.Rows != 2 || s.Row(1)[0] != 5 {
		t.Errorf("rows 1 and 2 are %+v", s)
	}
	if g := m.Gather([]int{2, 0, 2}); !slices.Equal(g.Data, []float32{5, 6, 1, 2, 5, 6}) {
		t.Errorf("rows 2, 0, 2 are %v", g.Data)
	}
	c := m.Clone()
	c.Row(0)[0] = 9
	if m.Row(0)[0] != 1 {
		t.Error("a clone shares memory")
	}
	if _, err := vec.FromRows([][]float32{{1, 2}, {3}}); !errors.Is(err, vec.ErrDim) || !strings.Contains(err.Error(), "row 1 has 1") {
		t.Errorf("ragged rows: %v", err)
	}
	if e, err := vec.FromRows(nil); err != nil || e.Rows != 0 {
		t.Errorf("no rows: %+v, %v", e, err)
	}
	if d := (vec.Matrix{}).Shaped(2, 3); d.Rows != 2 || len(d.Data) != 6 {
		t.Errorf("a zero destination became %+v", d)
	}
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "3×2, want 2×2") {
			t.Errorf("a destination of another shape: %v", r)
		}
	}()
	m.Shaped(2, 2)
}

func TestCheck(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		m := vec.NewMatrix(3, 4)
		m.Row(2)[1] = bad
		if err := m.Check(); !errors.Is(err, vec.ErrNotFinite) || !strings.Contains(err.Error(), "row 2, column 1") {
			t.Errorf("%v: %v", bad, err)
		}
	}
	m := vec.NewMatrix(2, 2)
	m.Data[0], m.Data[1], m.Data[2] = math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32
	if err := m.Check(); err != nil {
		t.Errorf("the extremes of float32: %v", err)
	}
	m.Rows = 3
	if err := m.Check(); !errors.Is(err, vec.ErrDim) {
		t.Errorf("too little data: %v", err)
	}
}

func TestMetric(t *testing.T) {
	a, b := []float32{1, 0, 2}, []float32{0, 2, 2}
	for m, want := range map[vec.Metric]float64{
		vec.Euclidean: 5, vec.Cosine: 1 - 4/math.Sqrt(40), vec.InnerProduct: -4, vec.Manhattan: 3,
	} {
		if got := m.Distance(a, b); math.Abs(float64(got)-want) > 1e-6 {
			t.Errorf("%s: %v, want %v", m, got, want)
		}
		text, _ := m.MarshalText()
		var back vec.Metric
		if err := back.UnmarshalText(text); err != nil || back != m {
			t.Errorf("%s reads back as %s, %v", m, back, err)
		}
	}
	if d := vec.Cosine.Distance(a, make([]float32, 3)); d != 1 {
		t.Errorf("cosine distance to the zero vector is %v, want 1", d)
	}
	if _, err := vec.ParseMetric("hamming"); err == nil || !strings.Contains(err.Error(), "l2, cosine, dot, l1") {
		t.Errorf("an unknown metric: %v", err)
	}
}

func TestBlocks(t *testing.T) {
	for _, procs := range []int{1, 4} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		for _, n := range []int{0, 1, 7, 100} {
			seen := make([]int32, n)
			err := vec.Blocks(context.Background(), n, 7, func(lo, hi int) error {
				if hi-lo > 7 || hi-lo < 1 {
					t.Errorf("block %d to %d", lo, hi)
				}
				for i := lo; i < hi; i++ {
					atomic.AddInt32(&seen[i], 1)
				}
				return nil
			})
			if err != nil || slices.ContainsFunc(seen, func(c int32) bool { return c != 1 }) {
				t.Errorf("n=%d, %d processors: each once, not %v, %v", n, procs, seen, err)
			}
		}
		boom := errors.New("boom")
		if err := vec.Blocks(context.Background(), 100, 1, func(lo, _ int) error {
			if lo == 3 {
				return boom
			}
			return nil
		}); err != boom {
			t.Errorf("%d processors: the error was lost: %v", procs, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var calls atomic.Int32
		err := vec.Blocks(ctx, 1000, 1, func(int, int) error {
			calls.Add(1)
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) || calls.Load() > int32(procs) {
			t.Errorf("%d processors: %v after %d calls", procs, err, calls.Load())
		}
	}
}
