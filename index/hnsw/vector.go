package hnsw

// Vector is as in [index.Index]. Of an index from Open or Read that was not changed since it looks at every ID.
func (ix *Index) Vector(id uint32) ([]float32, bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	slot, ok := ix.slots[id]
	for at := range uint32(ix.n) {
		if ix.slots != nil || ok {
			break
		}
		slot, ok = at, ix.ids[at] == id && ix.isAlive(at)
	}
	if !ok {
		return nil, false
	}
	return ix.codec.Decode(nil, ix.code(slot)), true
}
