// Package muvera searches documents that have many vectors each, as late-interaction models such as ColBERT make
// them: one vector a token, and the likeness of a query Q to a document P is Chamfer(Q, P) = Σ_q max_p q·p, also
// called MaxSim. An [Encoder] turns each set of vectors into one, whose inner product estimates Chamfer, so that any
// index of single vectors finds candidates; [Index] then scores those exactly.
//
//	docs, err := muvera.NewDocuments(tokens, offsets, nil)       // document i has rows offsets[i] to offsets[i+1]
//	ix, err := muvera.Build(ctx, docs, muvera.BuildOptions{})
//	res, err := ix.Search(ctx, query, muvera.Query{K: 10})       // query is a matrix, too: a token a row
//
// dataset.LoadRagged reads tokens and offsets from npz, npy, Parquet and JSONL; [Index.Save] and [Open] keep an index in a
// folder.
//
// Source: Dhulipala, Hadian, Jayaram, Lee, Mirrokni 2024, MUVERA: Multi-Vector Retrieval via Fixed Dimensional
// Encodings, arXiv 2405.19504. The paper quantises its encodings by product quantisation (PQ-256-8: a byte for 8
// dimensions); here they take any [quantize.Codec], of which the scalar ones cost a byte or half a byte a dimension.
package muvera

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/vec"
)

// Options say how sets of vectors are encoded. The zero Options are (R, k_sim, d_proj) = (20, 5, 16) of the paper:
// 10,240 dimensions.
type Options struct {
	Repetitions int        `json:"repetitions"`           // independent encodings, one after another; 0 means 20
	Bits        int        `json:"bits"`                  // hyperplanes that cut space into 2^Bits clusters, at most 16; 0 means 5, OneCluster none
	Inner       int        `json:"inner"`                 // dimensions of a cluster's block; 0 means 16, or those of a token if fewer; as many as a token: no projection
	Final       int        `json:"final,omitempty"`       // dimensions that the whole is projected to at the end; 0 means no such projection
	InnerKind   Projection `json:"inner_kind,omitempty"`  // of the projection to Inner
	FinalKind   Projection `json:"final_kind,omitempty"`  // of the projection to Final; Signs cost Final steps for each dimension before it, CountSketch one
	LeaveEmpty  bool       `json:"leave_empty,omitempty"` // do not fill a document's empty clusters with its nearest token, as the theorem needs; often better: docs/results/muvera.md
	Seed        uint64     `json:"seed"`                  // of hyperplanes and projections: queries and documents must share it
}

// OneCluster is the Bits of an encoding that does not cut space: ⟨Σq, mean p⟩.
const OneCluster = -1

// Projection is how dimensions are made fewer. Both keep inner products in expectation.
type Projection uint8

const (
	Signs       Projection = iota // a dense matrix of ±1, divided by the root of the target dimension, as in the paper
	CountSketch                   // each dimension is added, with a random sign, to one of the target, as in the authors' code
)

const (
	maxDim     = 1 << 24 // of an encoding, as dataset has it
	maxBits    = 16
	maxWeights = 1 << 28 // of hyperplanes and projections, a gigabyte
)

// Encoder makes fixed dimensional encodings. It is immutable and safe for concurrent use.
type Encoder struct {
	o        Options
	dim      int // of tokens
	clusters int
	// weights are the rows that a token is multiplied with: of each repetition first its hyperplanes, then its inner
	// projection, if there is one.
	weights *vec.Packed
	rows    int // of weights for one repetition
}

// New returns an encoder of vectors of dim dimensions.
func New(dim int, o Options) (*Encoder, error) {
	if o.Repetitions == 0 {
		o.Repetitions = 20
	}
	if o.Bits == 0 {
		o.Bits = 5
	}
	if o.Inner == 0 {
		o.Inner = min(16, dim)
	}
	switch {
	case dim < 1 || dim > maxDim:
		return nil, fmt.Errorf("muvera: tokens of %d dimensions: they need 1 to %d: %w", dim, maxDim, vec.ErrDim)
	case o.Repetitions < 0:
		return nil, fmt.Errorf("muvera: %d repetitions; it takes 1 or more", o.Repetitions)
	case o.Bits < OneCluster || o.Bits > maxBits:
		return nil, fmt.Errorf("muvera: %d bits of clusters; they go from 1 to %d, or OneCluster", o.Bits, maxBits)
	case o.Inner < 0 || o.Inner > dim:
		return nil, fmt.Errorf("muvera: projection of %d dimensions to %d; it can only make them fewer: %w", dim, o.Inner, vec.ErrDim)
	case o.InnerKind > CountSketch || o.FinalKind > CountSketch:
		return nil, fmt.Errorf("muvera: projections %d and %d; there are Signs (%d) and CountSketch (%d)", o.InnerKind, o.FinalKind, Signs, CountSketch)
	}
	e := &Encoder{o: o, dim: dim, clusters: 1 << max(o.Bits, 0)}
	block := e.clusters * o.Inner
	if whole := int64(o.Repetitions) * int64(block); int64(o.Repetitions) > maxDim || whole > maxDim || int64(o.Final) > maxDim {
		return nil, fmt.Errorf("muvera: %d repetitions of %d clusters of %d dimensions, then %d, are past the limit of %d; take fewer: %w",
			o.Repetitions, e.clusters, o.Inner, o.Final, maxDim, vec.ErrDim)
	}
	if o.Final < 0 || o.Final > o.Repetitions*block {
		return nil, fmt.Errorf("muvera: final projection of %d dimensions to %d; it can only make them fewer: %w", o.Repetitions*block, o.Final, vec.ErrDim)
	}
	e.rows = max(o.Bits, 0)
	if e.projects() {
		e.rows += o.Inner
	}
	if values := int64(o.Repetitions) * int64(e.rows) * int64(dim); values > maxWeights {
		return nil, fmt.Errorf("muvera: hyperplanes and projections of %d values for tokens of %d dimensions are past the limit of %d; take fewer repetitions: %w",
			values, dim, maxWeights, vec.ErrDim)
	}
	w := vec.NewMatrix(o.Repetitions*e.rows, dim)
	for r := range o.Repetitions {
		e.draw(w.Slice(r*e.rows, (r+1)*e.rows), r)
	}
	e.weights = vec.Pack(w)
	return e, nil
}

// What random numbers are drawn for: each purpose and repetition has a stream of its own.
const (
	forPlanes = iota
	forInner
	forFinal
)

func (e *Encoder) stream(purpose, i int) *rand.Rand {
	return rand.New(rand.NewPCG(e.o.Seed, uint64(purpose)<<32|uint64(i)))
}

// draw makes the weights of repetition r: Gaussian hyperplanes, then the projection.
func (e *Encoder) draw(w vec.Matrix, r int) {
	planes := w.Slice(0, max(e.o.Bits, 0))
	normal := e.stream(forPlanes, r)
	for i := range planes.Data {
		planes.Data[i] = float32(normal.NormFloat64())
	}
	if !e.projects() {
		return
	}
	s, inner := w.Slice(planes.Rows, w.Rows), e.stream(forInner, r)
	if e.o.InnerKind == CountSketch {
		for j := range e.dim {
			s.Row(inner.IntN(e.o.Inner))[j] = sign(inner)
		}
		return
	}
	scale := float32(1 / math.Sqrt(float64(e.o.Inner)))
	for i := range s.Data {
		s.Data[i] = scale * sign(inner)
	}
}

func sign(r *rand.Rand) float32 { return float32(1 - 2*int(r.Uint64()>>63)) }

func (e *Encoder) projects() bool { return e.o.Inner < e.dim }

// Options returns the options in use, with the recommended values where none were given.
func (e *Encoder) Options() Options { return e.o }

// TokenDim is the dimension of tokens.
func (e *Encoder) TokenDim() int { return e.dim }

// Dim is the dimension of encodings: Final, or else Repetitions · 2^Bits · Inner.
func (e *Encoder) Dim() int {
	if e.o.Final > 0 {
		return e.o.Final
	}
	return e.o.Repetitions * e.clusters * e.o.Inner
}

// Estimate is the Chamfer score that the inner product of a query's and a document's encoding stands for.
func (e *Encoder) Estimate(query, document []float32) float32 {
	return vec.Dot(query, document) / float32(e.o.Repetitions)
}

// EncodeQuery writes the encoding of a query, whose tokens are the rows of x, to dst, of length Dim, and returns it; a
// nil dst is allocated. A cluster's block is the sum of the tokens in it, so encodings add up as sets of tokens do; at
// most x.Rows · Inner · Repetitions values are not zero. No tokens give vec.ErrTooFew, tokens of another dimension
// vec.ErrDim, values that are not finite vec.ErrNotFinite. Leave out padding: a zero token is a token.
// Time O(x.Rows · d · Repetitions · (Bits + Inner)).
func (e *Encoder) EncodeQuery(dst []float32, x vec.Matrix) ([]float32, error) {
	return e.encode(dst, x, "query", false)
}

// EncodeDocument is EncodeQuery for a document: a cluster's block is the mean of the tokens in it, and an empty one
// gets the token whose cluster differs in the fewest bits, the first of such.
func (e *Encoder) EncodeDocument(dst []float32, x vec.Matrix) ([]float32, error) {
	return e.encode(dst, x, "document", true)
}

func (e *Encoder) encode(dst []float32, x vec.Matrix, what string, document bool) ([]float32, error) {
	if err := checkTokens(x, e.dim); err != nil {
		return nil, fmt.Errorf("muvera: encode %s: %w", what, err)
	}
	if dst == nil {
		dst = make([]float32, e.Dim())
	}
	if len(dst) != e.Dim() {
		panic(fmt.Sprintf("muvera: destination of %d values for an encoding of %d", len(dst), e.Dim()))
	}
	clear(dst)
	inner, planes := e.o.Inner, max(e.o.Bits, 0)
	size := e.clusters * inner
	products := e.weights.MulT(vec.Matrix{}, x) // a token a row, all repetitions beside each other
	in := make([]int, x.Rows)                   // the cluster of each token
	count := make([]int, e.clusters)
	nearest := make([]int64, e.clusters)
	var whole []float32
	if e.o.Final > 0 {
		whole = make([]float32, size)
	}
	for r := range e.o.Repetitions {
		token := func(i int) []float32 { // as it goes into a block
			if !e.projects() {
				return x.Row(i)
			}
			return products.Row(i)[r*e.rows+planes : (r+1)*e.rows]
		}
		block := whole
		if block == nil {
			block = dst[r*size : (r+1)*size]
		}
		clear(block)
		clear(count)
		for i := range in {
			in[i] = 0
			for b, p := range products.Row(i)[r*e.rows:][:planes] {
				if p > 0 {
					in[i] |= 1 << b
				}
			}
			count[in[i]]++
			add(block[in[i]*inner:][:inner], token(i))
		}
		if document {
			for c, n := range count {
				if n > 1 {
					vec.Scale(block[c*inner:][:inner], block[c*inner:][:inner], 1/float32(n))
				}
			}
			if !e.o.LeaveEmpty {
				findNearest(nearest, in)
				for c, n := range count {
					if n == 0 {
						copy(block[c*inner:][:inner], token(int(uint32(nearest[c]))))
					}
				}
			}
		}
		if whole != nil {
			e.project(dst, whole, r)
		}
	}
	return dst, nil
}

func add(dst, a []float32) {
	for i, v := range a {
		dst[i] += v
	}
}

// findNearest writes to nearest[c] the token nearest to cluster c, in the lower half, and in how many bits their
// clusters differ, in the upper. Of tokens equally near it is the first. Distances spread along one bit after another,
// and so reach every cluster by the fewest steps.
func findNearest(nearest []int64, in []int) {
	for c := range nearest {
		nearest[c] = math.MaxInt64 - 1<<32*(maxBits+1)
	}
	for i, c := range in {
		nearest[c] = min(nearest[c], int64(i))
	}
	for step := 1; step < len(nearest); step <<= 1 {
		for c := range nearest {
			if c&step == 0 {
				a, b := nearest[c], nearest[c|step]
				nearest[c], nearest[c|step] = min(a, b+1<<32), min(b, a+1<<32)
			}
		}
	}
}

// project adds the final projection of a repetition's blocks to dst. Its matrix is drawn anew each time, a column for
// each value that is not zero, as it can be too large to keep.
func (e *Encoder) project(dst, blocks []float32, r int) {
	scale := float32(1 / math.Sqrt(float64(e.o.Final)))
	if e.o.FinalKind == CountSketch {
		s := e.stream(forFinal, r)
		for _, v := range blocks {
			to, v2 := s.IntN(len(dst)), v*sign(s)
			dst[to] += v2
		}
		return
	}
	for i, v := range blocks {
		if v == 0 {
			continue
		}
		v *= scale
		var s rand.PCG
		s.Seed(e.o.Seed, forFinal<<32|uint64(r*len(blocks)+i))
		b := math.Float32bits(v)
		for lo := 0; lo < len(dst); lo += 64 {
			word := s.Uint64()
			for j := range dst[lo:min(lo+64, len(dst))] {
				dst[lo+j] += math.Float32frombits(b ^ uint32(word)<<31)
				word >>= 1
			}
		}
	}
}

// checkTokens says what keeps x from being a set of tokens.
func checkTokens(x vec.Matrix, dim int) error {
	switch {
	case x.Rows < 1:
		return fmt.Errorf("it has no tokens: %w", vec.ErrTooFew)
	case x.Rows > math.MaxInt32:
		return fmt.Errorf("%d tokens are past the limit of %d", x.Rows, math.MaxInt32)
	case x.Cols != dim:
		return fmt.Errorf("its tokens have %d dimensions, want %d: %w", x.Cols, dim, vec.ErrDim)
	}
	return x.Check()
}
