package hnsw

import (
	"context"
	"slices"
)

// The nodes of layer 0 are a tree besides being a graph: each node but one has a parent, linked with it both ways, and
// these links are not given up when others are chosen. So from every node a path leads to every other, whatever the
// heuristic drops. A node has at most M children, so at least M-1 of its 2M links are free for the heuristic.

// kin reports whether one of two nodes is the other's parent.
func (ix *Index) kin(a, b uint32) bool { return ix.parent[a] == b || ix.parent[b] == a }

// adopt finds a parent for a node that is not in the tree: the first of its neighbours with room for a child, else a
// node near these. The tree has one, since nodes have one parent but room for M ≥ 2 children. The first node of all
// has no neighbours and gets none.
func (ix *Index) adopt(slot uint32) uint32 {
	ix.parent[slot], ix.kids[slot] = none, 0
	queue := slices.Clone(ix.list(slot, 0))
	met := map[uint32]bool{slot: true}
	for _, v := range queue {
		met[v] = true
	}
	for at := 0; at < len(queue); at++ {
		p := queue[at]
		if int(ix.kids[p]) < ix.o.M && ix.states[p] != buried {
			ix.parent[slot] = p
			ix.kids[p]++
			return p
		}
		for _, v := range ix.list(p, 0) {
			if !met[v] {
				met[v] = true
				queue = append(queue, v)
			}
		}
	}
	return none
}

// plantAll makes the tree anew, of links that go both ways, and adds links where these do not reach.
func (ix *Index) plantAll() {
	rooted := make([]bool, ix.n)
	for slot := range ix.n {
		ix.parent[slot], ix.kids[slot] = none, 0
	}
	if ix.entry == none {
		return
	}
	var queue []uint32
	spread := func(from uint32) {
		rooted[from] = true
		queue = append(queue[:0], from)
		for at := 0; at < len(queue); at++ {
			p := queue[at]
			for _, v := range ix.list(p, 0) {
				if int(ix.kids[p]) == ix.o.M {
					break
				}
				if !rooted[v] && slices.Contains(ix.list(v, 0), p) {
					rooted[v] = true
					ix.parent[v] = p
					ix.kids[p]++
					queue = append(queue, v)
				}
			}
		}
	}
	spread(ix.entry)
	var left []uint32
	for slot := range uint32(ix.n) {
		if ix.states[slot] == alive && !rooted[slot] {
			left = append(left, slot)
		}
	}
	open := func(p uint32) bool { return rooted[p] && int(ix.kids[p]) < ix.o.M }
	// Those with a link into the tree hang on there. What they bring along may be a link for others.
	for {
		n := 0
		for _, slot := range left {
			if rooted[slot] {
				continue
			}
			if i := slices.IndexFunc(ix.list(slot, 0), open); i >= 0 {
				ix.join(slot, ix.list(slot, 0)[i])
				spread(slot)
				continue
			}
			left[n] = slot
			n++
		}
		if n == len(left) { // nobody found one this time
			if n == 0 {
				return
			}
			slot := left[n-1]
			ix.join(slot, ix.nearestOf(slot, open))
			spread(slot)
			n--
		}
		left = left[:n]
	}
}

// join makes p the parent of slot and links them both ways.
func (ix *Index) join(slot, p uint32) {
	ix.parent[slot] = p
	ix.kids[p]++
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.force(slot, p)
	ix.force(p, slot)
}

// force adds a link on layer 0, in place of the last one that the tree does not need if there is no room.
func (ix *Index) force(from, to uint32) {
	list, block := ix.list(from, 0), ix.links(from, 0)
	if slices.Contains(list, to) {
		return
	}
	if len(list) < len(block) {
		block[len(list)] = to
		return
	}
	for i := len(block) - 1; i >= 0; i-- {
		if !ix.kin(from, block[i]) {
			block[i] = to
			return
		}
	}
}

// nearestOf returns, of the nodes that ok allows, of which the graph has one, one that is near to slot.
func (ix *Index) nearestOf(slot uint32, ok func(uint32) bool) uint32 {
	s := ix.searchers.Get().(*searcher)
	defer ix.searchers.Put(s)
	s.begin(ix.vector(s.row, slot))
	allowed := func(v uint32) bool { return ix.states[v] == alive && ok(v) }
	found := s.walkWhere(context.Background(), s.descend(s.start(), ix.top, 0), 0, 1, allowed)
	if len(found) == 0 {
		// From where the walk began no link leads to one.
		for v := range uint32(ix.n) {
			if allowed(v) {
				return v
			}
		}
	}
	return slotOf(found[0])
}
