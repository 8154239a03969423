// Package hnsw is a vector index that answers from a graph: a layered navigable small world, after Malkov and
// Yashunin. It finds nearly all of the nearest neighbours while measuring a small share of the vectors.
//
//	ix, err := hnsw.New(scalar.Float32(768), hnsw.Options{Metric: vec.Cosine})
//	err = ix.Add(ctx, nil, x)
//	res, err := ix.Search(ctx, q, index.Query{K: 10, Effort: 64})
//
// Each vector is a node. On layer 0 are all nodes, on each layer above about one in M of those below. A search descends
// from the entry point, on the top layer, greedily to layer 0 and there keeps the Effort nearest nodes it has met, until
// it has looked at the links of each of them. Source: Malkov and Yashunin 2018, arXiv 1603.09320: algorithm 1
// (insert), 2 (search a layer), 4 (the heuristic that spreads a node's links), 5 (search).
//
// What is ours: vectors are inserted in batches whose members see each other, so that the graph depends on the order of
// the vectors and the seed but not on the number of processors; the nodes of layer 0 hang together by a tree whose links
// go both ways and are never given up, so that every vector can be found, always; deleted nodes stay as waypoints until
// an eighth of the graph is such, then their neighbours are linked anew and their places used again.
package hnsw

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"unsafe"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Options say how the graph is built. The zero Options build one for Euclidean distance that suits most data.
type Options struct {
	Metric         vec.Metric
	M              int    // links a new node gets on each layer, at most; on layer 0 it may come to have 2M; 2 to 512, 0 means 16
	EfConstruction int    // how many near nodes are found to choose the links from; at least M counts; 0 means 200
	KeepPruned     bool   // fill up to M links with near nodes that the heuristic passed over: more links, slower, rarely better
	Seed           uint64 // of the layers that nodes reach

	// Progress, if not nil, is told how many rows of an Add are in; from one goroutine at a time. It may search the
	// index, not change it.
	Progress func(done, total int) `json:"-"`
}

const (
	defaultM      = 16
	defaultEfC    = 200
	defaultEffort = 64 // of a Query that leaves it to the index
	maxM          = 512
	maxLevel      = 30
	maxSlots      = math.MaxInt32
	none          = math.MaxUint32 // ends a list of links that is not full; also: no slot
)

// Index is an HNSW graph over the codes of one codec. It is safe for concurrent use: searches run side by side, also
// while one Add, Delete or WriteTo does; these wait for each other.
type Index struct {
	codec    quantize.Codec
	o        Options
	dim      int
	codeSize int
	isFloat  bool // codes are the vectors themselves, as they lie in memory

	// mu guards graph: a search holds it for reading throughout. Writers hold writer, compute beside the searches what
	// is to change, and take mu for the moment in which they change it; what no link leads to they write without mu.
	mu sync.RWMutex
	graph

	writer sync.Mutex
	file   *artifact.File    // whose bytes graph is a view of, until the first change
	slots  map[uint32]uint32 // ID to slot, of live nodes; nil while file is not; changed under mu too
	free   []uint32          // slots to be used again
	parent []uint32          // of the tree on layer 0, by slot; none at its root
	kids   []uint16          // how many have this slot as parent
	last   int64             // largest ID in use, -1 if there is none, or unknown

	searchers sync.Pool
}

const unknown = -2

// state says what is in a slot.
type state uint8

const (
	vacant state = iota // nothing that a link leads to
	alive
	buried // a deleted node: a waypoint, never a result
)

// graph is what a search reads. A node is known by its slot, its place in these slices.
type graph struct {
	codes   []byte   // codeSize each
	ids     []uint32 // of the caller
	states  []state
	levels  []uint8  // highest layer; belongs to the slot and not to the node in it
	base    []uint32 // links of layer 0: 2M each
	upper   []uint32 // links of the layers above: M each, layer 1 first
	upperAt []uint32 // where in upper the links of a slot begin

	n      int    // slots given out so far; the slices may be longer
	live   int    // nodes that can be returned
	buried int    // deleted nodes that still serve as waypoints
	entry  uint32 // where searches begin, none when empty
	top    int    // its layer
}

// New returns an empty index that stores vectors as codes of c.
func New(c quantize.Codec, o Options) (*Index, error) {
	if o.M == 0 {
		o.M = defaultM
	}
	if o.M < 2 || o.M > maxM {
		return nil, fmt.Errorf("hnsw: M is %d; 2 to %d links a node make sense, 0 means %d", o.M, maxM, defaultM)
	}
	if o.EfConstruction == 0 {
		o.EfConstruction = defaultEfC
	}
	if o.EfConstruction < 0 {
		return nil, fmt.Errorf("hnsw: EfConstruction is %d; 1 or more make sense, 0 means %d", o.EfConstruction, defaultEfC)
	}
	o.EfConstruction = max(o.EfConstruction, o.M)
	if o.Metric > vec.Manhattan {
		return nil, fmt.Errorf("hnsw: no metric %v", o.Metric)
	}
	ix := &Index{codec: c, o: o, dim: c.Dim(), codeSize: c.CodeSize(), slots: map[uint32]uint32{}, last: -1}
	ix.entry = none
	ix.isFloat = quantize.KeepsFloats(c)
	ix.searchers.New = func() any { return newSearcher(ix) }
	return ix, nil
}

// Options returns the options in use, with the recommended values where none were given.
func (ix *Index) Options() Options { return ix.o }

// Codec returns the codec of the stored vectors.
func (ix *Index) Codec() quantize.Codec { return ix.codec }

// Dim is the dimension of the vectors.
func (ix *Index) Dim() int { return ix.dim }

// Metric is what nearness means.
func (ix *Index) Metric() vec.Metric { return ix.o.Metric }

// Len is the number of vectors stored.
func (ix *Index) Len() int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.live
}

// SizeBytes is the memory of codes, IDs and links, places left by deleted vectors included.
func (ix *Index) SizeBytes() int64 {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	n := int64(ix.codeSize + 4 + 1 + 4*2*ix.o.M) // code, ID, level, links of layer 0
	return int64(ix.n)*n + 4*int64(ix.upperEnd(ix.n))
}

func (ix *Index) isAlive(slot uint32) bool { return ix.states[slot] == alive }

// level draws the highest layer of a slot: ⌊-ln U / ln M⌋ with U uniform in (0,1].
func (ix *Index) level(slot uint32) int {
	var p rand.PCG
	p.Seed(ix.o.Seed, uint64(slot))
	u := float64(p.Uint64()>>11+1) * 0x1p-53
	return min(int(-math.Log(u)/math.Log(float64(ix.o.M))), maxLevel)
}

// links returns the block of a slot's links on a layer. The list in it ends at the first none, if there is one.
func (ix *Index) links(slot uint32, level int) []uint32 {
	m := ix.o.M
	if level == 0 {
		at := int(slot) * 2 * m
		return ix.base[at : at+2*m : at+2*m]
	}
	at := int(ix.upperAt[slot]) + (level-1)*m
	return ix.upper[at : at+m : at+m]
}

// list returns the links of a slot on a layer without the empty places.
func (ix *Index) list(slot uint32, level int) []uint32 {
	block := ix.links(slot, level)
	for i, v := range block {
		if v == none {
			return block[:i]
		}
	}
	return block
}

// room is how many links a node may have on a layer.
func (ix *Index) room(level int) int {
	if level == 0 {
		return 2 * ix.o.M
	}
	return ix.o.M
}

// upperEnd is where in upper the links of the first n slots end.
func (ix *Index) upperEnd(n int) int {
	if n == 0 {
		return 0
	}
	return int(ix.upperAt[n-1]) + int(ix.levels[n-1])*ix.o.M
}

func (ix *Index) code(slot uint32) []byte {
	at := int(slot) * ix.codeSize
	return ix.codes[at : at+ix.codeSize : at+ix.codeSize]
}

// vector returns the vector that a slot's code stands for: a view if it can be one, else decoded to scratch.
func (ix *Index) vector(scratch []float32, slot uint32) []float32 {
	code := ix.code(slot)
	if p := unsafe.Pointer(unsafe.SliceData(code)); ix.isFloat && uintptr(p)%unsafe.Alignof(float32(0)) == 0 {
		return unsafe.Slice((*float32)(p), ix.dim)
	}
	return ix.codec.Decode(scratch, code)
}
