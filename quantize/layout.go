package quantize

// Layout is how an index keeps the codes of a codec in a run of memory: one after another, or in blocks where the codec has
// these.
type Layout struct {
	in          Blocked // nil for one after another
	block, size int     // codes of a block, bytes of a code
}

// NewLayout is the fastest layout that c has.
func NewLayout(c Codec) Layout {
	l := Layout{block: 1, size: c.CodeSize()}
	if n := BlockRows(c); n > 0 {
		l.in, l.block = c.(Blocked), n
	}
	return l
}

// Blocks reports whether codes lie in blocks.
func (l Layout) Blocks() bool { return l.in != nil }

// Whole is n rounded up to whole blocks.
func (l Layout) Whole(n int) int { return (n + l.block - 1) / l.block * l.block }

// Bytes is the memory that n codes take.
func (l Layout) Bytes(n int) int { return l.Whole(n) * l.size }

// Append puts code behind the n that codes has.
func (l Layout) Append(codes []byte, n int, code []byte) []byte {
	if l.in == nil {
		return append(codes, code...)
	}
	if n%l.block == 0 {
		codes = append(codes, make([]byte, l.block*l.size)...)
	}
	l.in.Put(codes, n, code)
	return codes
}

// Put writes code i of codes.
func (l Layout) Put(codes []byte, i int, code []byte) {
	if l.in == nil {
		copy(codes[i*l.size:(i+1)*l.size], code)
		return
	}
	l.in.Put(codes, i, code)
}

// Code is code i of codes, to be read.
func (l Layout) Code(codes []byte, i int) []byte {
	if l.in == nil {
		return codes[i*l.size : (i+1)*l.size]
	}
	return l.in.Get(nil, codes, i)
}

// Drop takes away the last of n codes; nothing of it stays.
func (l Layout) Drop(codes []byte, n int) []byte {
	if (n-1)%l.block == 0 {
		return codes[:(n-1)*l.size]
	}
	l.in.Put(codes, n-1, make([]byte, l.size))
	return codes
}

// Distances writes to dst the distances of codes lo to hi, by a scorer of the codec. lo begins a block, and dst has room for
// whole ones.
func (l Layout) Distances(s Scorer, dst []float32, codes []byte, lo, hi int) {
	if l.in == nil {
		s.Distances(dst[:hi-lo], codes[lo*l.size:hi*l.size])
		return
	}
	n := l.Whole(hi - lo)
	s.(BlockScorer).BlockDistances(dst[:n], codes[lo*l.size:(lo+n)*l.size])
}

// DistancesAt writes to dst the distances of the codes at rows.
func (l Layout) DistancesAt(s Scorer, dst []float32, codes []byte, rows []uint32) {
	if l.in == nil {
		s.DistancesAt(dst, codes, rows)
		return
	}
	some := make([]byte, 0, len(rows)*l.size)
	for _, row := range rows {
		some = l.in.Get(some, codes, int(row))
	}
	s.Distances(dst, some)
}
