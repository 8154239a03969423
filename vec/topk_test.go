package vec

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type near struct {
	d  float32
	id uint32
}

// TestTopK compares with a sort, over distances with many ties, zeros of both signs, infinities and NaN.
func TestTopK(t *testing.T) {
	inf := float32(math.Inf(1))
	values := []float32{-inf, -2, -1, float32(math.Copysign(0, -1)), 0, 0x1p-149, 1, 1.5, 2, math.MaxFloat32, inf, float32(math.NaN())}
	onEach(t, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.SampledFrom([]int{0, 1, 5, 20, 300, 600}).Draw(t, "n")
			k := rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(41, 700)).Draw(t, "k")
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
			parts := rapid.IntRange(1, 3).Draw(t, "parts")
			distances, ids := make([]float32, n), make([]uint32, n)
			var want []near
			for i := range n {
				distances[i], ids[i] = values[r.IntN(len(values))], uint32(r.IntN(1<<20))<<12|uint32(i)
				if d := distances[i]; d == d {
					want = append(want, near{d + 0, ids[i]})
				}
			}
			slices.SortFunc(want, func(a, b near) int { return cmp.Or(cmp.Compare(a.d, b.d), cmp.Compare(a.id, b.id)) })
			want = want[:min(k, len(want))]

			all, one := NewTopK(k), NewTopK(k)
			for p := range parts {
				part := NewTopK(k)
				lo, hi := p*n/parts, (p+1)*n/parts
				part.PushAll(distances[lo:hi], ids[lo:hi])
				all.Merge(part)
			}
			for i := range n {
				one.Push(distances[i], ids[i])
			}
			for range 2 { // Append leaves it as it was
				for _, top := range []*TopK{all, one} {
					anyIDs, anyDistances := top.AppendAnyOrder(nil, nil)
					got := make([]near, len(anyIDs))
					for i := range got {
						got[i] = near{anyDistances[i], anyIDs[i]}
					}
					slices.SortFunc(got, func(a, b near) int { return cmp.Or(cmp.Compare(a.d, b.d), cmp.Compare(a.id, b.id)) })
					if !slices.Equal(got, want) {
						t.Fatalf("in any order: %v, want %v", got, want)
					}
					if len(want) == k && !(top.Bound() >= want[k-1].d) {
						t.Fatalf("bound is %v, and %v is kept", top.Bound(), want[k-1].d)
					}
					gotIDs, gotDistances := top.Append(nil, nil)
					for i, w := range want {
						if i >= len(gotIDs) || gotIDs[i] != w.id || gotDistances[i] != w.d {
							t.Fatalf("neighbour %d: %v %v, want %v", i, gotIDs, gotDistances, want)
						}
					}
					if len(gotIDs) != len(want) || top.Len() != len(want) {
						t.Fatalf("%d neighbours, want %d", len(gotIDs), len(want))
					}
					bound := inf
					if len(want) == k {
						bound = want[k-1].d
					}
					if top.Bound() != bound {
						t.Fatalf("bound is %v, want %v", top.Bound(), bound)
					}
				}
			}
			one.Reset()
			if one.Len() != 0 || !math.IsInf(float64(one.Bound()), 1) {
				t.Fatal("Reset left something")
			}
		})
	})
}

func TestLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.OneOf(rapid.Uint64Max(5), rapid.Uint64()), 1, 300).Draw(t, "a")
		switch rapid.IntRange(0, 2).Draw(t, "order") {
		case 1:
			slices.Sort(a)
		case 2:
			slices.Sort(a)
			slices.Reverse(a)
		}
		k := rapid.IntRange(1, len(a)).Draw(t, "k")
		want := slices.Sorted(slices.Values(a))
		least(a, k)
		if a[k-1] != want[k-1] || !slices.Equal(slices.Sorted(slices.Values(a)), want) || !slices.Equal(slices.Sorted(slices.Values(a[:k])), want[:k]) {
			t.Fatalf("the %d least of %v are %v", k, want, a)
		}
	})
}

// TestNearly looks for the least of keys that lie evenly, in lumps, or all over; their slice ends where memory does.
func TestNearly(t *testing.T) {
	if !hasAVX512 {
		t.Skip("no AVX-512")
	}
	before, _ := guarded[uint64](t, 600)
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		a := before(rapid.IntRange(2, 600).Draw(t, "n"))
		k := rapid.IntRange(1, len(a)-1).Draw(t, "k")
		kind := rapid.IntRange(0, 3).Draw(t, "kind")
		for i := range a {
			switch kind {
			case 0:
				a[i] = topKey(float32(r.NormFloat64()), r.Uint32())
			case 1:
				a[i] = topKey(float32(r.IntN(3)), uint32(r.IntN(3)))
			case 2:
				a[i] = r.Uint64() >> r.IntN(64)
			case 3:
				a[i] = math.MaxUint64 - uint64(r.IntN(2))
			}
		}
		sorted := slices.Sorted(slices.Values(a))
		if lo, hi := keyRangeAVX512(&a[0], len(a)); lo != sorted[0] || hi != sorted[len(a)-1] {
			t.Fatalf("%d keys from %d to %d, want %d to %d", len(a), lo, hi, sorted[0], sorted[len(a)-1])
		}
		for _, pivot := range []uint64{0, sorted[k], math.MaxUint64} {
			want := 0
			for _, x := range a {
				if x < pivot {
					want++
				}
			}
			if n := countBelowAVX512(&a[0], len(a), pivot); n != want {
				t.Fatalf("%d of %d keys below %d, want %d", n, len(a), pivot, want)
			}
		}
		n, above := nearly(a, k)
		if n == 0 {
			if !slices.Equal(slices.Sorted(slices.Values(a)), sorted) {
				t.Fatal("nothing found, and keys lost")
			}
			return
		}
		found++
		slices.Sort(a[:n])
		if n < k || n > k+k/8 || !slices.Equal(a[:n], sorted[:n]) || a[n-1] >= above || n < len(a) && sorted[n] < above {
			t.Fatalf("the %d least of %d, below %d: %v of %v", k, n, above, a[:n], sorted)
		}
	})
	if found == 0 { // seen 30 to 43 of 100, 9 of 20
		t.Error("never found")
	}
}

func TestAtMost(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		newX, newY := arena(t, r, 300), arena(t, r, 300)
		room, _ := guarded[uint32](t, 310)
		for n := range 300 {
			x, y := newX(1, n).Data, newY(1, n).Data
			for i := range x {
				switch r.IntN(40) {
				case 0:
					x[i] = float32(math.NaN())
				case 1:
					x[i] = float32(math.Inf(1))
				case 2:
					x[i] = -0.5
				}
			}
			for _, bound := range []float32{-3, -0.5, 2, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())} {
				// Exact in float32 too: multiples of a quarter.
				for i := range y {
					y[i] = float32(math.Round(float64(y[i])*4)) / 4
				}
				var want, wantSum []uint32
				for i := range x {
					if x[i] <= bound {
						want = append(want, uint32(i))
					}
				}
				if got := AtMost(room(n + 2)[:2], x, bound)[2:]; !slices.Equal(got, want) {
					t.Fatalf("n=%d, bound %v: %v, want %v", n, bound, got, want)
				}
				z := slices.Clone(x)
				for i := range z {
					z[i] = float32(math.Round(float64(z[i])*4)) / 4
					if 2*z[i]-y[i] <= bound {
						wantSum = append(wantSum, uint32(i))
					}
				}
				if got := AtMostSum(room(n + 2)[:2], z, y, 2, -1, bound)[2:]; !slices.Equal(got, wantSum) {
					t.Fatalf("sum, n=%d, bound %v: %v, want %v", n, bound, got, wantSum)
				}
			}
		}
	})
}

func TestTopKAllocatesOnce(t *testing.T) {
	d, ids := make([]float32, 1000), make([]uint32, 1000)
	for i := range d {
		d[i] = -float32(i)
	}
	outIDs, outDistances := make([]uint32, 0, 100), make([]float32, 0, 100)
	for _, k := range []int{10, 17, 100} {
		top := NewTopK(k)
		if n := testing.AllocsPerRun(10, func() {
			top.Reset()
			top.PushAll(d, ids)
			top.Append(outIDs, outDistances)
		}); n != 0 {
			t.Errorf("%v allocations a round", n)
		}
	}
}

func BenchmarkTopK(b *testing.B) {
	r := rand.New(rand.NewPCG(2, 2))
	const n = 100_000
	d, ids := noise(r, 1, n).Data, make([]uint32, n)
	for _, k := range []int{1, 10, 100} {
		top := NewTopK(k)
		b.Run(fmt.Sprintf("n=1e5/k=%d", k), func(b *testing.B) {
			b.SetBytes(4 * n)
			for b.Loop() {
				top.Reset()
				top.PushAll(d, ids)
			}
		})
	}
}

func ExampleTopK() {
	top := NewTopK(2)
	top.PushAll([]float32{0.9, 0.1, 0.5, 0.1}, []uint32{7, 8, 9, 3})
	fmt.Println(top.Append(nil, nil))
	// Output: [3 8] [0.1 0.1]
}

func TestTopKFor(t *testing.T) {
	var none *TopK
	top := none.For(2)
	top.Push(1, 1)
	if again := top.For(2); again != top || top.Len() != 0 {
		t.Errorf("for the same k it is another, or holds %d", again.Len())
	}
	if other := top.For(3); other == top {
		t.Error("for another k it is the same")
	}
}
