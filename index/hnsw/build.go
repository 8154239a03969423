package hnsw

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/internal/pages"
	"github.com/latent-go/latent/vec"
)

// Vectors are inserted in batches: of a graph of n, up to n/batchShare at once, but no more than maxBatch. Small
// enough that a vector finds its neighbours as well as if each had come alone, large enough to keep processors busy.
const (
	batchShare = 32
	maxBatch   = 128
)

// Add stores row i of x under ids[i], as [index.Index] has it. It uses up to GOMAXPROCS goroutines; the graph that
// results does not depend on how many. One call for many rows is faster than many calls. Rows whose order carries
// structure, such as one category after another, are better shuffled first: order alone can move recall at small efforts
// by several points (Elliott and Clark 2024, arXiv 2405.17813).
func (ix *Index) Add(ctx context.Context, ids []uint32, x vec.Matrix) error {
	if err := ix.check(ids, x); err != nil {
		return err
	}
	if x.Rows == 0 {
		return ctx.Err()
	}
	ix.writer.Lock()
	defer ix.writer.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	ix.thaw()
	if ids == nil {
		var err error
		if ids, err = ix.following(x.Rows); err != nil {
			return err
		}
	}
	if err := ix.reserve(x.Rows); err != nil {
		return err
	}
	b := newBatch(ix, min(maxBatch, x.Rows))
	for at := 0; at < x.Rows; {
		n := min(max(ix.live/batchShare, 1), maxBatch, x.Rows-at)
		n = distinct(ids[at : at+n])
		if err := b.insert(ctx, ids[at:at+n], x.Slice(at, at+n)); err != nil {
			return err
		}
		at += n
		if ix.buried*buriedShare > ix.live {
			ix.sweep()
		}
		if ix.o.Progress != nil {
			ix.o.Progress(at, x.Rows)
		}
	}
	return nil
}

func (ix *Index) check(ids []uint32, x vec.Matrix) error {
	if ids != nil && len(ids) != x.Rows {
		return fmt.Errorf("hnsw: add: %d IDs for %d rows: %w", len(ids), x.Rows, index.ErrID)
	}
	if x.Rows == 0 {
		return nil
	}
	if err := index.Check(x, ix.dim, ix.o.Metric); err != nil {
		return fmt.Errorf("hnsw: add: %w", err)
	}
	return nil
}

// following returns the n IDs after the largest in use.
func (ix *Index) following(n int) ([]uint32, error) {
	if ix.last == unknown {
		ix.last = -1
		for slot := range ix.n {
			if ix.states[slot] == alive {
				ix.last = max(ix.last, int64(ix.ids[slot]))
			}
		}
	}
	ids, err := index.NextIDs(n, ix.last)
	if err != nil {
		return nil, fmt.Errorf("hnsw: add: %w", err)
	}
	return ids, nil
}

// distinct returns how many of ids, from the first, differ from each other.
func distinct(ids []uint32) int {
	seen := make(map[uint32]struct{}, len(ids))
	for i, id := range ids {
		if _, ok := seen[id]; ok {
			return i
		}
		seen[id] = struct{}{}
	}
	return len(ids)
}

// Grow is as in [index.Grower].
func (ix *Index) Grow(n int) {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	ix.thaw()
	ix.reserve(n) // where it says that they are too many, Add will say so
}

// reserve makes room for n more nodes.
func (ix *Index) reserve(n int) error {
	want := ix.n + max(0, n-len(ix.free))
	have := len(ix.ids)
	if want <= have {
		return nil
	}
	if want > maxSlots {
		return fmt.Errorf("hnsw: add: %d vectors are more than one graph holds, %d; split them over several", want, maxSlots)
	}
	g := ix.graph
	// Rows that come one by one must not cost a copy each.
	g.levels = slices.Grow(g.levels, want-have)
	g.upperAt = slices.Grow(g.upperAt, want-have)
	end := ix.upperEnd(have)
	for slot := have; slot < want; slot++ {
		l := ix.level(uint32(slot))
		g.levels, g.upperAt = append(g.levels, uint8(l)), append(g.upperAt, uint32(end))
		end += l * ix.o.M
	}
	if uint64(end) > math.MaxUint32 {
		return fmt.Errorf("hnsw: add: the upper layers of %d vectors at M = %d have more links than one graph holds; use a smaller M", want, ix.o.M)
	}
	g.codes = pages.Grown(g.codes, want*ix.codeSize)
	g.ids = pages.Grown(g.ids, want)
	g.states = pages.Grown(g.states, want)
	g.base = pages.Grown(g.base, want*2*ix.o.M)
	g.upper = pages.Grown(g.upper, end)
	ix.parent = pages.Grown(ix.parent, want)
	ix.kids = pages.Grown(ix.kids, want)
	ix.mu.Lock()
	ix.graph = g
	ix.mu.Unlock()
	return nil
}

// batch is some vectors on their way into the graph.
type batch struct {
	ix   *Index
	rows vec.Matrix // normalised, where the metric wants it
	ids  []uint32
	new  []newNode
	adds []addition
	work []changed
}

type newNode struct {
	slot  uint32
	level int
	near  [maxLevel + 1][]uint64 // of each of its layers: candidates to link to, nearest first
}

// addition asks for a link from one slot to another.
type addition struct {
	level    int
	from, to uint32
}

// changed is the new list of a node's links.
type changed struct {
	level int
	slot  uint32
	adds  []addition
	links []uint32
}

func newBatch(ix *Index, n int) *batch {
	b := &batch{ix: ix, new: make([]newNode, n)}
	if ix.o.Metric == vec.Cosine {
		b.rows = vec.NewMatrix(n, ix.dim)
	}
	return b
}

// insert adds x, of distinct IDs. Either all of it goes in or nothing does.
func (b *batch) insert(ctx context.Context, ids []uint32, x vec.Matrix) error {
	ix := b.ix
	n := x.Rows
	if ix.o.Metric == vec.Cosine {
		for i := range n {
			vec.Normalize(b.rows.Row(i), x.Row(i))
		}
	} else {
		b.rows = x
	}
	b.ids = ids
	b.new = b.new[:n]
	for i := range b.new {
		slot := uint32(ix.n + i)
		if i < len(ix.free) {
			slot = ix.free[len(ix.free)-1-i]
		} else {
			slot -= uint32(len(ix.free))
		}
		b.new[i].slot, b.new[i].level = slot, int(ix.levels[slot])
	}
	if err := vec.Blocks(ctx, n, 1, b.each(b.find)); err != nil {
		return err
	}
	if err := vec.Blocks(ctx, n, 1, b.each(b.link)); err != nil {
		return err
	}
	b.plant()
	b.group()
	// From here on it is not to be stopped.
	if err := vec.Blocks(context.WithoutCancel(ctx), len(b.work), 8, b.each(b.relink)); err != nil {
		return err
	}
	b.commit()
	return nil
}

func (b *batch) each(f func(s *searcher, i int)) func(lo, hi int) error {
	return func(lo, hi int) error {
		s := b.ix.searchers.Get().(*searcher)
		defer b.ix.searchers.Put(s)
		for i := lo; i < hi; i++ {
			f(s, i)
		}
		return nil
	}
}

// find encodes a vector into its slot and looks for nodes near it, on each of its layers: algorithm 1 up to the
// choice of links.
func (b *batch) find(s *searcher, i int) {
	ix, node := b.ix, &b.new[i]
	ix.codec.Encode(ix.code(node.slot)[:0], b.rows.Row(i))
	for l := range node.near {
		node.near[l] = node.near[l][:0]
	}
	if ix.live == 0 {
		return
	}
	ef := min(ix.o.EfConstruction, ix.live)
	s.begin(b.rows.Row(i))
	at := s.descend(s.start(), ix.top, node.level)
	for l := min(node.level, ix.top); l >= 0; l-- {
		var near []uint64
		if ix.buried == 0 {
			near = s.walk(context.Background(), at, l, ef)
		} else { // buried nodes are walked through, not linked to
			near = s.walkWhere(context.Background(), at, l, ef, ix.isAlive)
		}
		node.near[l] = append(node.near[l], near...)
		if len(near) > 0 {
			at = near[0]
		}
	}
}

// link adds the vectors before it in the batch to what a new node was found to be near, and chooses its own links.
func (b *batch) link(s *searcher, i int) {
	ix, node := b.ix, &b.new[i]
	s.begin(b.rows.Row(i))
	next := s.next[:0]
	for j := range i {
		next = append(next, b.new[j].slot)
	}
	dist := s.measure(next)
	for j, d := range dist {
		for l := range min(node.level, b.new[j].level) + 1 {
			node.near[l] = insert(node.near[l], keyOf(d, next[j]), ix.o.EfConstruction)
		}
	}
	for l := range node.level + 1 {
		ix.relinked(&changed{level: l, slot: node.slot, links: s.choose(node.near[l], ix.o.M)})
	}
}

// choose picks at most limit of the candidates, ascending by distance from some vector, so that they lie around it
// and not in one place: it passes over a candidate that is nearer to one picked before than to the vector. Those
// marked are always picked. Algorithm 4. The result is valid until the next call.
//
// The candidates are taken a window at a time. What is picked is measured at once against all of the window that is
// left, so that few calls measure many.
func (s *searcher) choose(candidates []uint64, limit int) []uint32 {
	const window = 64
	out := s.chosen[:0]
	defer func() { s.chosen = out }()
	if len(candidates) <= limit {
		for _, k := range candidates {
			out = append(out, slotOf(k))
		}
		return out
	}
	owed := 0 // places kept for the marked ones to come
	for _, k := range candidates {
		owed += int(k & mark)
	}
	for lo := 0; lo < len(candidates) && (len(out)+owed < limit || owed > 0); lo += window {
		rest := append(s.rest[:0], candidates[lo:min(lo+window, len(candidates))]...)
		s.rest = rest
		for _, slot := range out {
			rest = s.spread(slot, rest)
		}
		for len(rest) > 0 {
			k := rest[0]
			rest = rest[1:]
			if k&mark != 0 {
				owed--
			} else if len(out)+owed >= limit {
				continue
			}
			out = append(out, slotOf(k))
			if len(out)+owed < limit {
				rest = s.spread(slotOf(k), rest)
			}
		}
	}
	if s.ix.o.KeepPruned {
		for _, k := range candidates {
			if len(out) == limit {
				break
			}
			if !slices.Contains(out, slotOf(k)) {
				out = append(out, slotOf(k))
			}
		}
	}
	return out
}

// spread removes from rest, unless marked, what is nearer to the node just picked than to the vector it was measured
// from.
func (s *searcher) spread(picked uint32, rest []uint64) []uint64 {
	if len(rest) == 0 {
		return rest
	}
	next := s.next[:len(rest)]
	for i, k := range rest {
		next[i] = slotOf(k)
	}
	dist := s.dist[:len(rest)]
	s.stored.Reset(s.ix.vector(s.row, picked))
	s.stored.DistancesAt(dist, s.ix.codes, next)
	n := 0
	for i, k := range rest {
		if k&mark != 0 || keyOf(dist[i], 0)>>32 >= k>>32 {
			rest[n] = k
			n++
		}
	}
	return rest[:n]
}

// plant gives each new node its place in the tree, and lists the links that its neighbours are asked for.
func (b *batch) plant() {
	ix := b.ix
	b.adds = b.adds[:0]
	for i := range b.new {
		node := &b.new[i]
		p := ix.adopt(node.slot)
		for l := range node.level + 1 {
			for _, v := range ix.list(node.slot, l) {
				b.adds = append(b.adds, addition{l, v, node.slot})
			}
		}
		if p != none && !slices.Contains(ix.list(node.slot, 0), p) {
			ix.links(node.slot, 0)[len(ix.list(node.slot, 0))] = p // it has chosen M, there is room for 2M
			b.adds = append(b.adds, addition{0, p, node.slot})
		}
	}
}

// group sorts what is asked for by whom it is asked of.
func (b *batch) group() {
	slices.SortStableFunc(b.adds, func(x, y addition) int {
		if x.level != y.level {
			return x.level - y.level
		}
		return int(x.from) - int(y.from)
	})
	b.work = b.work[:0]
	for lo := 0; lo < len(b.adds); {
		hi := lo + 1
		for hi < len(b.adds) && b.adds[hi].level == b.adds[lo].level && b.adds[hi].from == b.adds[lo].from {
			hi++
		}
		if n := len(b.work); n < cap(b.work) {
			b.work = b.work[:n+1] // with the links it had, to be written over
		} else {
			b.work = append(b.work, changed{})
		}
		w := &b.work[len(b.work)-1]
		w.level, w.slot, w.adds = b.adds[lo].level, b.adds[lo].from, b.adds[lo:hi]
		lo = hi
	}
}

// relink adds what is asked for to a node's links and, if these become too many, chooses among all of them anew.
func (b *batch) relink(s *searcher, i int) {
	ix, w := b.ix, &b.work[i]
	all := w.links[:0]
	for _, v := range ix.list(w.slot, w.level) {
		if ix.states[v] != buried || w.level == 0 && ix.kin(w.slot, v) {
			all = append(all, v)
		}
	}
	for _, a := range w.adds {
		all = append(all, a.to)
	}
	if limit := ix.room(w.level); len(all) > limit {
		all = append(all[:0], s.choose(s.around(w.slot, w.level, all), limit)...)
	}
	w.links = all
}

// around returns the keys of slots by their distance from the node at, ascending, its kin marked where they must stay.
func (s *searcher) around(at uint32, level int, slots []uint32) []uint64 {
	for len(s.dist) < len(slots) {
		s.dist = append(s.dist, 0)
	}
	dist := s.dist[:len(slots)]
	s.stored.Reset(s.ix.vector(s.row, at))
	s.stored.DistancesAt(dist, s.ix.codes, slots)
	keys := s.near[:0]
	for i, v := range slots {
		k := keyOf(dist[i], v)
		if level == 0 && s.ix.kin(at, v) {
			k |= mark
		}
		keys = append(keys, k)
	}
	slices.Sort(keys)
	s.near = keys
	return keys
}

// commit makes the batch part of the graph.
func (b *batch) commit() {
	ix := b.ix
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for i := range b.work {
		ix.relinked(&b.work[i])
	}
	for i := range b.new {
		node, id := &b.new[i], b.ids[i]
		if old, ok := ix.slots[id]; ok {
			ix.bury(old)
		}
		ix.slots[id], ix.ids[node.slot], ix.states[node.slot] = node.slot, id, alive
		ix.live++
		if ix.entry == none || node.level > ix.top {
			ix.entry, ix.top = node.slot, node.level
		}
		if ix.last != unknown {
			ix.last = max(ix.last, int64(id))
		}
	}
	reused := min(len(b.new), len(ix.free))
	ix.free = ix.free[:len(ix.free)-reused]
	ix.n += len(b.new) - reused
}

func (ix *Index) relinked(w *changed) {
	block := ix.links(w.slot, w.level)
	for i := copy(block, w.links); i < len(block); i++ {
		block[i] = none
	}
}
