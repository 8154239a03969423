package flat

import "slices"

// Vector is as in [index.Index]. Time O(n).
func (ix *Index) Vector(id uint32) ([]float32, bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	row := slices.Index(ix.ids, id)
	if row < 0 {
		return nil, false
	}
	return ix.codec.Decode(nil, ix.codes[row*ix.size:(row+1)*ix.size]), true
}
