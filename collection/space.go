package collection

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

// A slot is one incarnation of a point's vectors, which never change: a point whose vectors do gets the next free slot, and
// its old one dies. So whatever is derived from the vectors of slots below some number stays true for ever, but for the
// dead, and can be shared by readers without locks.
//
// A space is one named dense vector: its rows, chunk by chunk, and what finds near ones among them.
type space struct {
	uid     uint32
	config  VectorConfig
	chunks  []*chunk        // of chunkRows slots each; nil where no slot has this vector. Readers hold copies of the slice
	missing *roaring.Bitmap // slots that do not have this vector
	index   *slotIndex      // nil while all is scanned
	reach   uint32          // slots below are in index, but for some dead ones

	tried          int   // vectors there were when an index could not be built
	optimizerError error // and why
}

const (
	chunkBits = 14
	chunkRows = 1 << chunkBits
	chunkMask = chunkRows - 1
)

// chunk is the rows of chunkRows slots: in memory while it fills, mapped from a file when it is full. What a reader sees of
// it is never written again.
type chunk struct {
	rows []float32 // of dense vectors: that of slot s at (s&chunkMask)*dim; of several a point: one after another
	ends []uint32  // of several a point: where in rows, counted in rows, those of a slot end; nil of dense ones
	n    int       // ends before this one are set
	file *artifact.File
}

func newChunk(c VectorConfig) *chunk {
	if c.Multi {
		return &chunk{ends: make([]uint32, chunkRows)}
	}
	return &chunk{rows: make([]float32, chunkRows*c.Size)}
}

// put stores the vector of a slot. It is called for slots in ascending order, without those that do not have it.
func (s *space) put(slot uint32, v point.Vector) {
	at, i := int(slot>>chunkBits), int(slot&chunkMask)
	for len(s.chunks) <= at {
		s.chunks = append(s.chunks, nil)
	}
	if s.chunks[at] == nil {
		s.replace(at, newChunk(s.config))
	}
	c := s.chunks[at]
	if !s.config.Multi {
		copy(c.rows[i*s.config.Size:(i+1)*s.config.Size], v.Dense)
		return
	}
	next := *c // a reader's copy keeps the rows it knows, also where append moves them
	for ; next.n < i; next.n++ {
		next.ends[next.n] = next.rowCount(s.config.Size)
	}
	for _, row := range v.Multi {
		next.rows = append(next.rows, row...)
	}
	next.ends[i] = next.rowCount(s.config.Size)
	next.n = i + 1
	s.replace(at, &next)
}

func (c *chunk) rowCount(dim int) uint32 { return uint32(len(c.rows) / dim) }

// replace puts a chunk in the place of another; readers keep the slice they have.
func (s *space) replace(at int, c *chunk) {
	s.chunks = slices.Clone(s.chunks)
	s.chunks[at] = c
}

// row is the vector of a slot that has one, a view.
func (s *spaceView) row(slot uint32) []float32 {
	c, d := s.chunks[slot>>chunkBits], s.config.Size
	i := int(slot&chunkMask) * d
	return c.rows[i : i+d : i+d]
}

// multi is the vectors of a slot, a view, one after another.
func (s *spaceView) multi(slot uint32) vec.Matrix {
	c, i, d := s.chunks[slot>>chunkBits], slot&chunkMask, s.config.Size
	from := uint32(0)
	if i > 0 {
		from = c.ends[i-1]
	}
	n := int(c.ends[i] - from)
	return vec.Matrix{Rows: n, Cols: d, Data: c.rows[int(from)*d : int(c.ends[i])*d]}
}

// has says whether a slot, live or not, has this vector.
func (s *spaceView) has(slot uint32) bool { return !s.missing.Contains(slot) }

// spaceView is a space as it was at one version. It is not changed.
type spaceView struct {
	name    string
	uid     uint32
	config  VectorConfig
	chunks  []*chunk
	missing *roaring.Bitmap
	index   *slotIndex
	reach   uint32
}
