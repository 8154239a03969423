package muvera

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Documents holds the tokens of documents, one document after another, as they are or as codes. It is immutable and
// safe for concurrent use.
type Documents struct {
	offsets []int      // document i has tokens offsets[i] to offsets[i+1]
	tokens  vec.Matrix // where they are kept as they are
	codec   quantize.Codec
	codes   []byte // where they are kept as codes
	dim     int
	file    *artifact.File // that they lie in, or nil
}

// NewDocuments returns documents whose tokens are the rows of x: document i has rows offsets[i] to offsets[i+1], so there
// is one offset more than documents. With a nil codec x is kept as it is, and must not be changed afterwards;
// otherwise the codes of its rows are, and x is not kept. A document without tokens gives vec.ErrTooFew, offsets that do not
// go from 0 to x.Rows vec.ErrDim, as does a codec of another dimension, values that are not finite vec.ErrNotFinite.
func NewDocuments(x vec.Matrix, offsets []int, c quantize.Codec) (*Documents, error) {
	if err := checkOffsets(offsets, x.Rows); err != nil {
		return nil, fmt.Errorf("muvera: documents: %w", err)
	}
	if x.Cols < 1 {
		return nil, fmt.Errorf("muvera: documents: tokens of %d dimensions: %w", x.Cols, vec.ErrDim)
	}
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("muvera: documents: %w", err)
	}
	d := &Documents{offsets: offsets, dim: x.Cols}
	if c == nil {
		d.tokens = x
		return d, nil
	}
	if c.Dim() != x.Cols {
		return nil, fmt.Errorf("muvera: documents: the codec takes %d dimensions, tokens have %d: %w", c.Dim(), x.Cols, vec.ErrDim)
	}
	d.codec, d.codes = c, make([]byte, x.Rows*c.CodeSize())
	return d, vec.Blocks(context.Background(), x.Rows, 1024, func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			c.Encode(d.codes[i*c.CodeSize():i*c.CodeSize()], x.Row(i))
		}
		return nil
	})
}

func checkOffsets(offsets []int, tokens int) error {
	switch {
	case len(offsets) < 2:
		return fmt.Errorf("%d offsets make no document: %w", len(offsets), vec.ErrTooFew)
	case len(offsets)-1 > math.MaxInt32:
		return fmt.Errorf("%d documents are past the limit of %d", len(offsets)-1, math.MaxInt32)
	case offsets[0] != 0 || offsets[len(offsets)-1] != tokens:
		return fmt.Errorf("offsets go from %d to %d, there are tokens 0 to %d: %w", offsets[0], offsets[len(offsets)-1], tokens, vec.ErrDim)
	}
	for i := range len(offsets) - 1 {
		if offsets[i+1] == offsets[i] {
			return fmt.Errorf("document %d has no tokens; leave it out: %w", i, vec.ErrTooFew)
		}
		if offsets[i+1] < offsets[i] || offsets[i+1] > tokens {
			return fmt.Errorf("document %d has tokens %d to %d of %d; offsets ascend: %w", i, offsets[i], offsets[i+1], tokens, vec.ErrDim)
		}
	}
	return nil
}

// Len is the number of documents.
func (d *Documents) Len() int { return len(d.offsets) - 1 }

// Tokens is the number of tokens of all documents.
func (d *Documents) Tokens() int { return d.offsets[d.Len()] }

// Dim is the dimension of tokens.
func (d *Documents) Dim() int { return d.dim }

// SizeBytes is the memory of tokens, or their codes, and offsets.
func (d *Documents) SizeBytes() int64 {
	return int64(len(d.codes)) + 4*int64(len(d.tokens.Data)) + 8*int64(len(d.offsets))
}

// Document returns the tokens of document i, a row each: a view where they are kept as they are, and decoded to the
// memory of dst otherwise, which may be the zero Matrix.
func (d *Documents) Document(dst vec.Matrix, i int) vec.Matrix {
	lo, hi := d.offsets[i], d.offsets[i+1]
	if d.codec == nil {
		return d.tokens.Slice(lo, hi)
	}
	if size := (hi - lo) * d.dim; cap(dst.Data) < size {
		dst.Data = make([]float32, size)
	}
	dst = vec.Matrix{Rows: hi - lo, Cols: d.dim, Data: dst.Data[:(hi-lo)*d.dim]}
	size := d.codec.CodeSize()
	for t := range dst.Rows {
		d.codec.Decode(dst.Row(t), d.codes[(lo+t)*size:(lo+t+1)*size])
	}
	return dst
}

// Scores writes to dst[i] the Chamfer score of the query q, a token a row, for document ids[i], and returns dst; a
// nil dst is allocated. Of q it asks what [Encoder.EncodeQuery] does, with the same errors. An ID that is no document
// gives index.ErrID, a score past float32 vec.ErrNotFinite.
func (d *Documents) Scores(dst []float32, q vec.Matrix, ids []uint32) ([]float32, error) {
	if err := checkTokens(q, d.dim); err != nil {
		return nil, fmt.Errorf("muvera: score: query: %w", err)
	}
	for _, id := range ids {
		if int(id) >= d.Len() {
			return nil, fmt.Errorf("muvera: score document %d of %d: %w", id, d.Len(), index.ErrID)
		}
	}
	if dst == nil {
		dst = make([]float32, len(ids))
	}
	if len(dst) != len(ids) {
		panic(fmt.Sprintf("muvera: destination of %d scores for %d documents", len(dst), len(ids)))
	}
	s := d.scorer(q)
	for i, id := range ids {
		var err error
		if dst[i], err = s.score(int(id)); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// decodeFrom is from how many tokens of a query on decoding a document's tokens, for one matrix product, is cheaper
// than to ask a quantize.Scorer for each token of the query: BenchmarkScores sees them equal between 8 and 20.
const decodeFrom = 16

// scorer scores documents for one query. It is for one goroutine at a time.
type scorer struct {
	d       *Documents
	exact   *maxSim
	decoded vec.Matrix
	each    []quantize.Scorer // by token of the query
	dist    []float32
}

func (d *Documents) scorer(q vec.Matrix) *scorer {
	s := &scorer{d: d}
	if d.codec == nil || q.Rows >= decodeFrom {
		s.exact = newMaxSim(q)
		return s
	}
	for i := range q.Rows {
		s.each = append(s.each, d.codec.Scorer(vec.InnerProduct, q.Row(i)))
	}
	return s
}

// score is the Chamfer score of document i; one past float32 is no score, and gives vec.ErrNotFinite.
func (s *scorer) score(i int) (float32, error) {
	v := s.chamfer(i)
	if v-v != 0 {
		return 0, fmt.Errorf("muvera: document %d has the score %v: products of tokens are past float32; scale documents and queries down: %w", i, v, vec.ErrNotFinite)
	}
	return v, nil
}

func (s *scorer) chamfer(i int) float32 {
	if s.exact != nil {
		s.decoded = s.d.Document(s.decoded, i)
		return s.exact.of(s.decoded)
	}
	lo, hi := s.d.offsets[i], s.d.offsets[i+1]
	if cap(s.dist) < hi-lo {
		s.dist = make([]float32, hi-lo)
	}
	dist, size := s.dist[:hi-lo], s.d.codec.CodeSize()
	var sum float32
	for _, each := range s.each {
		each.Distances(dist, s.d.codes[lo*size:hi*size])
		least := dist[0]
		for _, v := range dist[1:] {
			least = min(least, v)
		}
		sum -= least
	}
	return sum
}

// Search returns the k documents of the largest Chamfer score, best first, ties by smaller ID: exact, as it scores
// every one that keep does not refuse; a nil keep refuses none. It uses up to GOMAXPROCS goroutines. Errors are as
// for [Index.Search].
func (d *Documents) Search(ctx context.Context, q vec.Matrix, k int, keep func(id uint32) bool) (Result, error) {
	if k < 1 {
		return Result{}, fmt.Errorf("muvera: search for %d documents: %w", k, index.ErrQuery)
	}
	if err := checkTokens(q, d.dim); err != nil {
		return Result{}, fmt.Errorf("muvera: search: query: %w", err)
	}
	var ids []uint32
	for i := range d.Len() {
		if keep == nil || keep(uint32(i)) {
			ids = append(ids, uint32(i))
		}
	}
	best := vec.NewTopK(min(k, d.Len()))
	var mu sync.Mutex
	err := vec.Blocks(ctx, len(ids), 256, func(lo, hi int) error {
		s, scores := d.scorer(q), make([]float32, hi-lo)
		for i, id := range ids[lo:hi] {
			v, err := s.score(int(id))
			if err != nil {
				return err
			}
			scores[i] = -v
		}
		mu.Lock()
		defer mu.Unlock()
		best.PushAll(scores, ids[lo:hi])
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	return Result{Hits: hitsOf(best), Scored: len(ids)}, nil
}

func hitsOf(best *vec.TopK) []Hit {
	ids, distances := best.Append(nil, nil)
	hits := make([]Hit, len(ids))
	for i, id := range ids {
		hits[i] = Hit{id, -distances[i]}
	}
	return hits
}
