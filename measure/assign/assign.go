// Package assign pairs the rows of a matrix with its columns, one to one, at the smallest total cost or the largest
// total gain: which unit of one network is which unit of another, which picture goes with which caption.
//
//	pairs, err := assign.Max(correlations)   // pairs.Column[i] is the column given to row i
//
// The solver is the shortest augmenting path form of the Hungarian method (Kuhn 1955; Jonker and Volgenant, Computing
// 38, 1987; Crouse, IEEE TAES 52, 2016). It also returns the dual prices, which prove the total optimal.
package assign

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/vec"
)

// Pairs is an optimal assignment.
type Pairs struct {
	Column []int   // the column of each row; -1 for a row left over because there are more rows than columns
	Total  float64 // sum of the chosen entries
	// Row and Col are the dual prices. Price(row) + price(column) bounds each entry, from below for Min's cost and
	// from above for Max's gain, and equals it where the two are paired; prices of what is left over are zero. So
	// no assignment has a better total than the sum of the prices, and this one has it.
	Row, Col []float64
}

// Max returns the assignment of largest total gain; every row gets a column, or every column a row if there are fewer.
// An entry that is not finite gives vec.ErrNotFinite. Time O(r²c) for r rows and c columns, r ≤ c, memory O(rc).
func Max(gain *mat.Dense) (Pairs, error) {
	neg := mat.DenseCopyOf(gain)
	neg.Scale(-1, neg)
	p, err := Min(neg)
	p.Total = -p.Total
	for _, d := range [][]float64{p.Row, p.Col} {
		for i := range d {
			d[i] = 0 - d[i] // not -d[i], which would make -0 of a price of 0
		}
	}
	return p, err
}

// Min is Max for the smallest total cost.
func Min(cost *mat.Dense) (Pairs, error) {
	r, c := cost.Dims()
	for i := range r {
		for j, v := range cost.RawRowView(i) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return Pairs{}, fmt.Errorf("assign: entry %d,%d is %v: %w", i, j, v, vec.ErrNotFinite)
			}
		}
	}
	if r <= c {
		_, col, u, v := solve(cost)
		return Pairs{Column: col, Total: total(cost, col), Row: u, Col: v}, nil
	}
	row, _, u, v := solve(mat.DenseCopyOf(cost.T()))
	return Pairs{Column: row, Total: total(cost, row), Row: v, Col: u}, nil
}

func total(cost *mat.Dense, column []int) (sum float64) {
	for i, j := range column {
		if j >= 0 {
			sum += cost.At(i, j)
		}
	}
	return sum
}

// solve takes r ≤ c. It adds the rows one at a time, each by the cheapest path of swaps that frees a column for it,
// found as Dijkstra's algorithm finds it on costs made non-negative by the prices u and v.
func solve(cost *mat.Dense) (rowOf, colOf []int, u, v []float64) {
	r, c := cost.Dims()
	rowOf, colOf = make([]int, c), make([]int, r)
	u, v = make([]float64, r), make([]float64, c)
	for j := range rowOf {
		rowOf[j] = -1
	}
	dist, from, done := make([]float64, c), make([]int, c), make([]bool, c)
	for start := range r {
		for j := range c {
			dist[j], done[j] = math.Inf(1), false
		}
		i, reached, sink := start, 0.0, -1
		visited := []int{}
		for sink < 0 {
			next, best := -1, math.Inf(1)
			for j, w := range cost.RawRowView(i) {
				if done[j] {
					continue
				}
				if d := reached + w - u[i] - v[j]; d < dist[j] {
					dist[j], from[j] = d, i
				}
				// A free column wins a tie: the path ends there.
				if dist[j] < best || dist[j] == best && rowOf[j] < 0 && (next < 0 || rowOf[next] >= 0) {
					next, best = j, dist[j]
				}
			}
			done[next], reached = true, best
			visited = append(visited, next)
			if rowOf[next] < 0 {
				sink = next
			} else {
				i = rowOf[next]
			}
		}
		u[start] += reached
		for _, j := range visited {
			if i := rowOf[j]; i >= 0 {
				u[i] += reached - dist[j]
			}
			v[j] -= reached - dist[j]
		}
		for j := sink; ; {
			i := from[j]
			rowOf[j] = i
			j, colOf[i] = colOf[i], j
			if i == start {
				break
			}
		}
	}
	return rowOf, colOf, u, v
}
