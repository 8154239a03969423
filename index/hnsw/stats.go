package hnsw

// Stats describe a graph.
type Stats struct {
	Nodes      int     `json:"nodes"`       // that can be found
	Buried     int     `json:"buried"`      // deleted, still waypoints
	Layers     []int   `json:"layers"`      // nodes that reach layer 0, 1, …
	MeanDegree float64 `json:"mean_degree"` // links a node on layer 0
	MaxDegree  int     `json:"max_degree"`
	Reachable  float64 `json:"reachable"` // share of the nodes that links of layer 0 lead to from the entry point
	MeanPath   float64 `json:"mean_path"` // links on the shortest way there
}

// Stats walks the whole graph. Time O(n·M).
func (ix *Index) Stats() Stats {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	s := Stats{Nodes: ix.live, Buried: ix.buried}
	if ix.live == 0 {
		return s
	}
	links := 0
	for slot := range uint32(ix.n) {
		if !ix.isAlive(slot) {
			continue
		}
		for len(s.Layers) <= int(ix.levels[slot]) {
			s.Layers = append(s.Layers, 0)
		}
		for l := range int(ix.levels[slot]) + 1 {
			s.Layers[l]++
		}
		degree := len(ix.list(slot, 0))
		links += degree
		s.MaxDegree = max(s.MaxDegree, degree)
	}
	s.MeanDegree = float64(links) / float64(ix.live)

	met := make([]bool, ix.n)
	met[ix.entry] = true
	reached, path := 0, 0
	for ring, steps := []uint32{ix.entry}, 0; len(ring) > 0; steps++ {
		var after []uint32
		for _, slot := range ring {
			if ix.isAlive(slot) {
				reached++
				path += steps
			}
			for _, v := range ix.list(slot, 0) {
				if !met[v] {
					met[v] = true
					after = append(after, v)
				}
			}
		}
		ring = after
	}
	s.Reachable = float64(reached) / float64(ix.live)
	s.MeanPath = float64(path) / float64(max(reached, 1))
	return s
}
