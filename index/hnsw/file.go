package hnsw

import (
	"io"
	"slices"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/internal/pages"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

const (
	kind    = "index.hnsw"
	version = 1
)

// An artifact of kind index.hnsw has the sections
//
//	meta    JSON, as header below
//	codec   artifact: the codec
//	ids     uint32 a slot: the caller's
//	levels  uint8 a slot: the highest layer
//	free    uint32: slots without a node, descending; their other values are zero and their links none
//	base    2M uint32 a slot: the links of layer 0, from the first none (2³²-1) on unused
//	upper   M uint32 a layer above 0, of one slot after another, layer 1 first
//	codes   CodeSize bytes a slot
type header struct {
	Dim            int        `json:"dim"`
	Metric         vec.Metric `json:"metric"`
	M              int        `json:"m"`
	EfConstruction int        `json:"ef_construction"`
	KeepPruned     bool       `json:"keep_pruned"`
	Seed           uint64     `json:"seed"`
	Slots          int        `json:"slots"`
	Entry          uint32     `json:"entry"` // 2³²-1 when empty
}

// WriteTo writes the index as an artifact that Read and Open read. Deleted nodes are taken out of the graph first.
func (ix *Index) WriteTo(w io.Writer) (int64, error) {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	if ix.buried > 0 {
		ix.sweep()
	}
	codec, err := artifact.Bytes("codec", ix.codec)
	if err != nil {
		return 0, err
	}
	free := ix.free
	if ix.file != nil {
		if free, err = artifact.Slice[uint32](ix.file, "free"); err != nil {
			return 0, err
		}
	}
	n := ix.n
	return artifact.Write(w, kind, version,
		artifact.JSON("meta", header{ix.dim, ix.o.Metric, ix.o.M, ix.o.EfConstruction, ix.o.KeepPruned, ix.o.Seed, n, ix.entry}),
		codec,
		artifact.Numbers("ids", ix.ids[:n]),
		artifact.Numbers("levels", ix.levels[:n]),
		artifact.Numbers("free", free),
		artifact.Numbers("base", ix.base[:n*2*ix.o.M]),
		artifact.Numbers("upper", ix.upper[:ix.upperEnd(n)]),
		artifact.Numbers("codes", ix.codes[:n*ix.codeSize]),
	)
}

// Read reads an index that WriteTo wrote, and not a byte further. The codec in it is read by readCodec, which is the
// Read of the codec's package, or one that knows several. What does not make a sound graph gives
// *artifact.CorruptError.
func Read[C quantize.Codec](r io.Reader, readCodec func(io.Reader) (C, error)) (*Index, error) {
	return artifact.Load(r, kind, version, func(f *artifact.File) (*Index, error) { return from(f, readCodec) })
}

// Open is Read from a file, memory-mapped: vectors and links are used as they lie there, until the first Add or
// Delete, which copies them and leaves the file. Close it when done.
func Open[C quantize.Codec](path string, readCodec func(io.Reader) (C, error)) (*Index, error) {
	return artifact.LoadFile(path, kind, version, func(f *artifact.File) (*Index, error) { return from(f, readCodec) })
}

// Close lets go of the file that the index was opened from, after which the index is empty. An index that was not
// opened from a file, or changed since, it leaves as it is.
func (ix *Index) Close() error {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	if ix.file == nil {
		return nil
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	f := ix.file
	ix.file, ix.graph, ix.slots, ix.last = nil, graph{entry: none}, map[uint32]uint32{}, -1
	return f.Close()
}

// from makes an index of a file, whose every link it follows once, so that no search can go astray later.
func from[C quantize.Codec](f *artifact.File, readCodec func(io.Reader) (C, error)) (*Index, error) {
	var h header
	if err := f.Decode("meta", &h); err != nil {
		return nil, err
	}
	c, err := quantize.Stored(f, h.Dim, readCodec)
	if err != nil {
		return nil, err
	}
	ix, err := New(c, Options{Metric: h.Metric, M: h.M, EfConstruction: h.EfConstruction, KeepPruned: h.KeepPruned, Seed: h.Seed})
	if err != nil {
		return nil, f.Reject("%v", err)
	}
	if h.Slots < 0 || h.Slots > maxSlots {
		return nil, f.Reject("%d slots, 0 to %d make sense", h.Slots, maxSlots)
	}
	g := &ix.graph
	g.n, g.entry = h.Slots, h.Entry
	var free []uint32
	for _, err := range []error{
		section(f, "ids", g.n, &g.ids),
		section(f, "levels", g.n, &g.levels),
		section(f, "free", -1, &free),
		section(f, "base", g.n*2*ix.o.M, &g.base),
		section(f, "upper", -1, &g.upper),
		section(f, "codes", g.n*ix.codeSize, &g.codes),
	} {
		if err != nil {
			return nil, err
		}
	}
	if err := ix.index(f, free); err != nil {
		return nil, err
	}
	if err := ix.checkLinks(f); err != nil {
		return nil, err
	}
	ix.file, ix.slots, ix.last = f, nil, unknown
	return ix, nil
}

// section reads a section that has n numbers, if n is not below 0.
func section[T artifact.Number](f *artifact.File, name string, n int, dst *[]T) (err error) {
	if *dst, err = artifact.Slice[T](f, name); err == nil && n >= 0 && len(*dst) != n {
		err = f.Reject("section %q has %d values, want %d", name, len(*dst), n)
	}
	return err
}

// index derives what the file does not hold, and checks all but the links.
func (ix *Index) index(f *artifact.File, free []uint32) error {
	g := &ix.graph
	g.states = slices.Repeat([]state{alive}, g.n)
	for i, slot := range free {
		if int(slot) >= g.n || i > 0 && slot >= free[i-1] {
			return f.Reject("free slot %d of %d, after %d others", slot, g.n, i)
		}
		g.states[slot] = vacant
	}
	g.live = g.n - len(free)
	g.upperAt = make([]uint32, g.n)
	end, top := 0, 0
	for slot, l := range g.levels {
		if l > maxLevel {
			return f.Reject("slot %d reaches layer %d, there are at most %d", slot, l, maxLevel)
		}
		g.upperAt[slot] = uint32(end)
		end += int(l) * ix.o.M
		if g.states[slot] == alive {
			top = max(top, int(l))
		}
	}
	if end != len(g.upper) || uint64(end) > none {
		return f.Reject("section \"upper\" has %d values, want %d", len(g.upper), end)
	}
	switch {
	case g.live == 0 && (g.entry != none || g.n > 0):
		return f.Reject("no nodes, but %d slots and entry point %d", g.n, g.entry)
	case g.live > 0 && (int64(g.entry) >= int64(g.n) || g.states[g.entry] != alive || int(g.levels[g.entry]) != top):
		return f.Reject("entry point %d is not a node on the top layer, %d", g.entry, top)
	}
	g.top = top
	return ix.checkIDs(f)
}

func (ix *Index) checkIDs(f *artifact.File) error {
	ids := make([]uint32, 0, ix.live)
	for slot, id := range ix.ids {
		if ix.states[slot] == alive {
			ids = append(ids, id)
		}
	}
	if !slices.IsSorted(ids) {
		slices.Sort(ids)
	}
	for i := 1; i < len(ids); i++ {
		if ids[i] == ids[i-1] {
			return f.Reject("ID %d twice", ids[i])
		}
	}
	return nil
}

func (ix *Index) checkLinks(f *artifact.File) error {
	for slot := range uint32(ix.n) {
		for l := range int(ix.levels[slot]) + 1 {
			list := ix.list(slot, l)
			for _, v := range ix.links(slot, l)[len(list):] {
				if v != none {
					return f.Reject("slot %d, layer %d: a link to %d after the end of the list", slot, l, v)
				}
			}
			if len(list) > 0 && ix.states[slot] != alive {
				return f.Reject("slot %d is free and has links", slot)
			}
			for _, v := range list {
				if int64(v) >= int64(ix.n) || ix.states[v] != alive || int(ix.levels[v]) < l || v == slot {
					return f.Reject("slot %d, layer %d: a link to %d, which is no other node of this layer", slot, l, v)
				}
			}
		}
	}
	return nil
}

// thaw copies a graph that is a view of a file, so that it can be changed.
func (ix *Index) thaw() {
	if ix.file == nil {
		return
	}
	g := ix.graph
	g.codes, g.ids, g.levels = cloned(g.codes), cloned(g.ids), cloned(g.levels)
	g.base, g.upper = cloned(g.base), cloned(g.upper)
	slots := make(map[uint32]uint32, g.live)
	ix.free = nil
	for slot := g.n - 1; slot >= 0; slot-- {
		if g.states[slot] == alive {
			slots[g.ids[slot]] = uint32(slot)
		} else {
			ix.free = append(ix.free, uint32(slot))
		}
	}
	ix.parent, ix.kids = make([]uint32, g.n), make([]uint16, g.n)
	ix.mu.Lock()
	ix.graph, ix.slots = g, slots
	ix.mu.Unlock()
	ix.file.Close() // of a mapping that was only read: nothing can be lost
	ix.file = nil
	ix.plantAll()
}

func cloned[T any](s []T) []T {
	out := pages.Grown[T](nil, len(s))
	copy(out, s)
	return out
}
