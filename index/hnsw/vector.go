package hnsw

// Vector is as in [index.Index]. Time O(n).
func (ix *Index) Vector(id uint32) ([]float32, bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	for slot, other := range ix.ids[:ix.n] {
		if other == id && ix.isAlive(uint32(slot)) {
			return ix.codec.Decode(nil, ix.codes[slot*ix.codeSize:(slot+1)*ix.codeSize]), true
		}
	}
	return nil, false
}
