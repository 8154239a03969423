package hnsw

import (
	"context"
	"slices"

	"github.com/latent-go/latent/vec"
)

// A sweep costs a look at every link, so it waits until more than one node for each buriedShare live ones is buried.
const buriedShare = 8

// Delete removes the vectors of these IDs and returns how many there were. It is quick but now and then, when deleted
// nodes have become many, their neighbours are linked anew, in time that grows with the size of the index; until then
// the deleted vectors take memory, and they lengthen the searches a little. Saved files do not hold them.
func (ix *Index) Delete(ids ...uint32) int {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	ix.thaw()
	n := 0
	ix.mu.Lock()
	for _, id := range ids {
		if slot, ok := ix.slots[id]; ok {
			ix.bury(slot)
			delete(ix.slots, id)
			if int64(id) == ix.last {
				ix.last = unknown
			}
			n++
		}
	}
	ix.mu.Unlock()
	if ix.buried*buriedShare > ix.live {
		ix.sweep()
	}
	return n
}

func (ix *Index) bury(slot uint32) {
	ix.states[slot] = buried
	ix.live--
	ix.buried++
}

// sweep takes the buried nodes out of the graph: each of their neighbours chooses its links anew, from those it has
// left and those to which the buried ones lead.
func (ix *Index) sweep() {
	if ix.live == 0 {
		ix.mu.Lock()
		defer ix.mu.Unlock()
		clear(ix.states)
		clear(ix.codes)
		clear(ix.slots)
		ix.free = ix.free[:0]
		ix.n, ix.buried, ix.entry, ix.top, ix.last = 0, 0, none, 0, -1
		return
	}
	const some = 4096
	work := make([][]changed, some/64)
	for from := 0; from < ix.n; from += some {
		to := min(from+some, ix.n)
		// The error is that of the context: none.
		vec.Blocks(context.Background(), to-from, 64, func(lo, hi int) error {
			s := ix.searchers.Get().(*searcher)
			defer ix.searchers.Put(s)
			s.begin(s.query) // any: the walks below follow links only
			w := work[lo/64][:0]
			for slot := uint32(from + lo); slot < uint32(from+hi); slot++ {
				if ix.states[slot] != alive {
					continue
				}
				for l := range int(ix.levels[slot]) + 1 {
					if slices.ContainsFunc(ix.list(slot, l), ix.isBuried) {
						w = append(w, changed{level: l, slot: slot, links: slices.Clone(s.heal(slot, l))})
					}
				}
			}
			work[lo/64] = w
			return nil
		})
		ix.mu.Lock()
		for i := range work {
			for j := range work[i] {
				ix.healed(&work[i][j])
			}
			work[i] = work[i][:0]
		}
		ix.mu.Unlock()
	}

	entry, top := ix.entry, ix.top
	if ix.isBuried(entry) {
		entry, top = none, -1
		for slot := range uint32(ix.n) {
			if ix.states[slot] == alive && int(ix.levels[slot]) > top {
				entry, top = slot, int(ix.levels[slot])
			}
		}
	}
	var gone []uint32
	ix.mu.Lock()
	ix.entry, ix.top, ix.buried = entry, top, 0
	for slot := range uint32(ix.n) {
		if ix.isBuried(slot) {
			ix.states[slot] = vacant
			gone = append(gone, slot)
		}
	}
	ix.mu.Unlock()
	// Nothing leads to them any more. What was deleted is not kept, in memory or in a file.
	for _, slot := range gone {
		clear(ix.code(slot))
		ix.ids[slot] = 0
		for l := range int(ix.levels[slot]) + 1 {
			ix.relinked(&changed{level: l, slot: slot})
		}
	}
	ix.free = append(ix.free, gone...)
	slices.Sort(ix.free)
	slices.Reverse(ix.free) // taken from the end: places at the front are used first
	ix.plantAll()
}

func (ix *Index) isBuried(slot uint32) bool { return ix.states[slot] == buried }

// healed puts a list of links in place and, where there is room, adds the ways back from what is new in it.
func (ix *Index) healed(w *changed) {
	was := slices.Clone(ix.list(w.slot, w.level))
	ix.relinked(w)
	for _, v := range w.links {
		back := ix.list(v, w.level)
		if len(back) < ix.room(w.level) && !slices.Contains(was, v) && !slices.Contains(back, w.slot) {
			ix.links(v, w.level)[len(back)] = w.slot
		}
	}
}

// heal chooses the links of a node that has links to buried ones.
func (s *searcher) heal(slot uint32, level int) []uint32 {
	ix := s.ix
	room := ix.room(level)
	s.fresh()
	s.unseen([]uint32{slot})
	var near, through []uint32
	look := func(at uint32) {
		from := len(s.met)
		s.unseen(ix.links(at, level))
		for _, v := range s.met[from:] {
			if ix.isBuried(v) {
				through = append(through, v)
			} else {
				near = append(near, v)
			}
		}
	}
	look(slot)
	for at := 0; at < len(through) && len(near) < 8*room; at++ {
		look(through[at])
	}
	return s.choose(s.around(slot, level, near), room)
}
