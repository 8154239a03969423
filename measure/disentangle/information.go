package disentangle

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"

	"github.com/latent-go/latent/vec"
)

// MutualInfo is the mutual information in nats between two labellings, from their counts: exact for a full factorial
// design, above the truth by about (cells-1)/2n for a sample. Labellings of different length give vec.ErrDim.
func MutualInfo(a, b []int) (float64, error) {
	if err := sameLength(len(a), len(b)); err != nil {
		return 0, err
	}
	return max(0, entropyOf(a)+entropyOf(b)-entropyOf(joint(a, b))), nil
}

// joint numbers the pairs of labels.
func joint(a, b []int) []int {
	names, out := map[[2]int]int{}, make([]int, len(a))
	for i := range a {
		k := [2]int{a[i], b[i]}
		if _, ok := names[k]; !ok {
			names[k] = len(names)
		}
		out[i] = names[k]
	}
	return out
}

// entropyOf is the plug-in entropy in nats. Counts are summed in order, as a map has none.
func entropyOf(labels []int) (h float64) {
	count := map[int]int{}
	for _, l := range labels {
		count[l]++
	}
	sizes := make([]int, 0, len(count))
	for _, c := range count {
		sizes = append(sizes, c)
	}
	slices.Sort(sizes)
	for _, c := range sizes {
		p := float64(c) / float64(len(labels))
		h -= p * math.Log(p)
	}
	return h
}

func sameLength(a, b int) error {
	if a != b {
		return fmt.Errorf("disentangle: %d values against %d: %w", a, b, vec.ErrDim)
	}
	return nil
}

// MutualInfoKNN is the mutual information in nats between a number and a label, from how far a value's k-th nearest of
// its own label is, and how many of any label lie within. Labels met once are left out. Equal values are told apart by
// noise of 1e-10 standard deviations from seed. Never below 0. Fewer than 2 values that share a label give
// vec.ErrTooFew. Time O(n·(log n + k)). Source: Ross 2014, PLoS ONE 9(2): e87357; scikit-learn's mutual_info_classif.
func MutualInfoKNN(z []float64, label []int, k int, seed uint64) (float64, error) {
	if err := sameLength(len(z), len(label)); err != nil {
		return 0, err
	}
	count := map[int]int{}
	for _, l := range label {
		count[l]++
	}
	groups := map[int][]float64{}
	var all []float64
	for i, v := range jittered(z, seed) {
		if count[label[i]] > 1 {
			groups[label[i]] = append(groups[label[i]], v)
			all = append(all, v)
		}
	}
	if len(all) == 0 || k < 1 {
		return 0, fmt.Errorf("disentangle: %d values, none sharing a label with another, or %d neighbours: %w", len(z), k, vec.ErrTooFew)
	}
	slices.Sort(all)
	names := make([]int, 0, len(groups))
	for l := range groups {
		names = append(names, l)
	}
	slices.Sort(names)
	sum := 0.0
	for _, l := range names {
		g := groups[l]
		slices.Sort(g)
		near := min(k, len(g)-1)
		for i, v := range g {
			m := within(all, v, math.Nextafter(kthNearest(g, i, near), 0))
			sum += digamma(near) - digamma(len(g)) - digamma(m)
		}
	}
	return max(0, digamma(len(all))+sum/float64(len(all))), nil
}

// kthNearest is the distance from sorted[i] to its k-th nearest other value.
func kthNearest(sorted []float64, i, k int) float64 {
	lo, hi, d := i, i, 0.0
	for range k {
		left, right := math.Inf(1), math.Inf(1)
		if lo > 0 {
			left = sorted[i] - sorted[lo-1]
		}
		if hi < len(sorted)-1 {
			right = sorted[hi+1] - sorted[i]
		}
		if left <= right {
			lo, d = lo-1, left
		} else {
			hi, d = hi+1, right
		}
	}
	return d
}

// within counts the values at most r from v, v among them.
func within(sorted []float64, v, r float64) int {
	lo, _ := slices.BinarySearchFunc(sorted, v, func(x, v float64) int { return cmp.Compare(x-v, -r) })
	hi, _ := slices.BinarySearchFunc(sorted, v, func(x, v float64) int {
		if x-v <= r {
			return -1
		}
		return 1
	})
	return hi - lo
}

func digamma(n int) float64 { return mathext.Digamma(float64(n)) }

// jittered scales z to standard deviation 1 and tells equal values apart.
func jittered(z []float64, seed uint64) []float64 {
	sd := math.Sqrt(stat.PopVariance(z, nil))
	if !(sd > 0) {
		sd = 1
	}
	out, size := make([]float64, len(z)), 0.0
	for i, v := range z {
		out[i] = v / sd
		size += math.Abs(out[i]) / float64(len(z))
	}
	rng := rand.New(rand.NewPCG(seed, 0x71e5))
	for i := range out {
		out[i] += 1e-10 * max(1, size) * rng.NormFloat64()
	}
	return out
}

// MutualInfoKSG is the mutual information in nats between two numbers, from how far a point's k-th nearest is, in the
// larger of both differences, and how many lie within in either one. Never below 0. Time O(n²). Source: Kraskov,
// Stögbauer and Grassberger 2004, Phys. Rev. E 69, estimator 1; scikit-learn's mutual_info_regression.
func MutualInfoKSG(x, y []float64, k int, seed uint64) (float64, error) {
	if err := sameLength(len(x), len(y)); err != nil {
		return 0, err
	}
	n := len(x)
	if k < 1 || n < k+1 {
		return 0, fmt.Errorf("disentangle: %d neighbours among %d pairs: %w", k, n, vec.ErrTooFew)
	}
	x, y = jittered(x, seed), jittered(y, seed+1)
	sx, sy := slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))
	// In the order of x, a point's neighbours are found outwards until the difference in x alone is too large.
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	best, sum := make([]float64, 0, k+1), 0.0
	for at, i := range order {
		best = best[:0]
		lo, hi := at-1, at+1
		for lo >= 0 || hi < n {
			left, right := math.Inf(1), math.Inf(1)
			if lo >= 0 {
				left = x[i] - x[order[lo]]
			}
			if hi < n {
				right = x[order[hi]] - x[i]
			}
			d, j := left, 0
			if left <= right {
				j, lo = order[lo], lo-1
			} else {
				d, j, hi = right, order[hi], hi+1
			}
			if len(best) == k && d >= best[k-1] {
				break
			}
			d = max(d, math.Abs(y[i]-y[j]))
			pos, _ := slices.BinarySearch(best, d)
			if pos < k {
				best = slices.Insert(best, pos, d)[:min(len(best)+1, k)]
			}
		}
		r := math.Nextafter(best[k-1], 0)
		sum += digamma(within(sx, x[i], r)) + digamma(within(sy, y[i], r))
	}
	return max(0, digamma(n)+digamma(k)-sum/float64(n)), nil
}
