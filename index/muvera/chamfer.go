package muvera

import (
	"fmt"
	"math"

	"github.com/latent-go/latent/vec"
)

// Chamfer is Σ over the rows of q of the largest inner product with a row of p, both with a token a row. It is 0
// for a q without rows; a p without rows, and rows of different length, panic.
func Chamfer(q, p vec.Matrix) float32 {
	if p.Rows == 0 {
		panic("muvera: Chamfer of a document without tokens")
	}
	return newMaxSim(q).of(p)
}

// maxSim scores documents for one query. It is for one goroutine at a time.
type maxSim struct {
	query    *vec.Packed
	n        int       // tokens of the query
	products []float32 // of one document, a token a row
	best     []float32
}

func newMaxSim(q vec.Matrix) *maxSim {
	return &maxSim{query: vec.Pack(q), n: q.Rows, best: make([]float32, q.Rows)}
}

func (m *maxSim) of(p vec.Matrix) float32 {
	if m.n == 0 {
		return 0
	}
	if size := p.Rows * m.n; cap(m.products) < size {
		m.products = make([]float32, size)
	}
	s := m.query.MulT(vec.Matrix{Rows: p.Rows, Cols: m.n, Data: m.products[:p.Rows*m.n]}, p)
	best := m.best
	copy(best, s.Row(0))
	for i := 1; i < s.Rows; i++ {
		for j, v := range s.Row(i)[:len(best)] {
			best[j] = max(best[j], v)
		}
	}
	var sum float32
	for _, v := range best {
		sum += v
	}
	return sum
}

// BallCarve returns fewer vectors that score nearly as the rows of q do, of length 1, to make exact scoring
// cheaper: the first row not yet taken and all others whose inner product with it is tau or more become one row, their sum; and
// so on. With a tau above 1 nothing changes. The paper takes 0.7, which made 6 of 32 tokens (arXiv 2405.19504, section 3.2).
func BallCarve(q vec.Matrix, tau float64) vec.Matrix {
	out := vec.Matrix{Cols: q.Cols}
	taken := make([]bool, q.Rows)
	for i := range q.Rows {
		if taken[i] {
			continue
		}
		out.Data = append(out.Data, q.Row(i)...)
		sum := out.Data[out.Rows*q.Cols:]
		out.Rows++
		for j := i + 1; j < q.Rows; j++ {
			if !taken[j] && float64(vec.Dot(q.Row(i), q.Row(j))) >= tau {
				taken[j] = true
				add(sum, q.Row(j))
			}
		}
	}
	return out
}

// checkTau says what keeps tau from being a threshold of ball carving.
func checkTau(tau float64) error {
	if math.IsNaN(tau) {
		return fmt.Errorf("a ball carving threshold of NaN; it is an inner product, such as 0.7: %w", vec.ErrNotFinite)
	}
	return nil
}
