package product

import (
	"math"

	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Scorer measures one query against codes, from tables of what each centroid adds to the distance. It is for one
// goroutine at a time.
type Scorer struct {
	c      *Codec
	m      vec.Metric
	base   float32
	tables []float32 // 2^bits a part

	// The tables as bytes, for blocks; ready says whether they are those of this query.
	ready       bool
	bytes       []byte
	ranges      []float32
	step, floor float32
	scratch     scratch
}

var _ quantize.BlockScorer = (*Scorer)(nil)

// Scorer prepares to measure q against codes. A q of another dimension and a metric that vec does not have panic. Under
// vec.Manhattan a rotated codec has no tables, and each code is decoded: some hundred times slower.
func (c *Codec) Scorer(m vec.Metric, q []float32) quantize.Scorer {
	if m > vec.Manhattan {
		panic("product: " + m.String())
	}
	s := &Scorer{c: c, m: m, scratch: scratch{make([]float32, c.dim), make([]float32, c.dim), nil}}
	if !s.decodes() {
		s.tables = make([]float32, c.m<<c.bits)
	}
	s.Reset(q)
	return s
}

// decodes says that there are no tables: a rotation mixes the dimensions that Manhattan keeps apart.
func (s *Scorer) decodes() bool { return s.m == vec.Manhattan && s.c.rotation.Rows > 0 }

// Reset prepares for another query. With y the query less the mean, rotated, and c the centroids of a code,
//
//	|q-x̂|² = |y|² + Σ (|c|² - 2y·c)    and    q·x̂ = q·mean + Σ (Rq)·c
func (s *Scorer) Reset(q []float32) {
	c := s.c
	c.sameDim(q)
	s.ready = false
	if s.decodes() {
		copy(s.scratch.v, q)
		return
	}
	switch s.m {
	case vec.Euclidean:
		y := c.centred(&s.scratch, q)
		s.base = vec.Dot(y, y)
		copy(s.tables, c.norms)
		s.multiply(y, -2)
	case vec.Manhattan:
		y := c.centred(&s.scratch, q)
		s.base = 0
		clear(s.tables)
		for j := range c.m {
			table := c.part(s.tables, j)
			for i := c.start(j); i < c.start(j+1); i++ {
				for k, v := range c.values.Row(i) {
					table[k] += float32(math.Abs(float64(y[i] - v)))
				}
			}
		}
	default:
		s.base = -vec.Dot(q, c.mean)
		if s.m == vec.Cosine {
			s.base++
		}
		clear(s.tables)
		s.multiply(c.rotated(s.scratch.rotated, q), -1)
	}
}

// multiply adds a·y·c to the table of each centroid c.
func (s *Scorer) multiply(y []float32, a float32) {
	c := s.c
	for j := range c.m {
		table := c.part(s.tables, j)
		for i := c.start(j); i < c.start(j+1); i++ {
			vec.AddScaled(table, c.values.Row(i), a*y[i])
		}
	}
}

// Distances writes the distance to each of the len(dst) codes that lie one after another in codes.
func (s *Scorer) Distances(dst []float32, codes []byte) {
	size := s.c.CodeSize()
	for i := range dst {
		dst[i] = s.distance(codes[i*size : (i+1)*size])
	}
}

// DistancesAt writes to dst[i] the distance to code ids[i] of codes.
func (s *Scorer) DistancesAt(dst []float32, codes []byte, ids []uint32) {
	size := s.c.CodeSize()
	for i, id := range ids {
		dst[i] = s.distance(codes[int(id)*size : (int(id)+1)*size])
	}
}

func (s *Scorer) distance(code []byte) float32 {
	switch {
	case s.decodes():
		return vec.L1(s.scratch.v, s.c.Decode(s.scratch.rotated, code))
	case s.c.bits == 8:
		return s.base + sum8(s.tables, code)
	}
	return s.base + sum4(s.tables, code)
}

// sum8 adds up what the tables, of 256 values, have for a code. Four sums, so that none waits for the one before.
func sum8(tables []float32, code []byte) float32 {
	var a, b, c, d float32
	for ; len(code) >= 4; code, tables = code[4:], tables[1024:] {
		t := (*[1024]float32)(tables)
		a += t[code[0]]
		b += t[256+int(code[1])]
		c += t[512+int(code[2])]
		d += t[768+int(code[3])]
	}
	for i, k := range code {
		a += tables[i*256+int(k)]
	}
	return (a + b) + (c + d)
}

// sum4 is sum8 for tables of 16 values, two of them a byte; the last byte may be of one.
func sum4(tables []float32, code []byte) float32 {
	var a, b, c, d float32
	for ; len(tables) >= 64; code, tables = code[2:], tables[64:] {
		t, k, l := (*[64]float32)(tables), code[0], code[1]
		a += t[k&15]
		b += t[16+int(k>>4)]
		c += t[32+int(l&15)]
		d += t[48+int(l>>4)]
	}
	for j := 0; j*16 < len(tables); j++ {
		a += tables[j*16+int(code[j/2]>>(4*(j%2))&15)]
	}
	return (a + b) + (c + d)
}

// BlockDistances writes the distance to each of the len(dst) codes of blocks, whole ones, from tables rounded to bytes. A
// codec without blocks panics.
func (s *Scorer) BlockDistances(dst []float32, blocks []byte) {
	if s.decodes() {
		var code []byte
		for i := range dst {
			code = s.c.Get(code[:0], blocks, i)
			dst[i] = s.distance(code)
		}
		return
	}
	s.round()
	vec.TableSums4(dst, s.bytes, blocks, s.step, s.floor)
}

// BlockError is how far a distance by BlockDistances can be from that by Distances, for the query at hand, rounding in
// float32 aside: half a step for each part, the step being what spreads the widest table over 256 values, or all
// tables over 2¹⁶.
func (s *Scorer) BlockError() float32 {
	if s.decodes() {
		return 0
	}
	s.round()
	return s.step * float32(s.c.m) / 2
}

// round writes the tables as bytes, of one step for all, each above its own least value.
func (s *Scorer) round() {
	if s.ready {
		return
	}
	if s.c.bits != 4 {
		s.c.place(0) // says what is wrong
	}
	if s.bytes == nil {
		s.bytes = make([]byte, 32*s.c.CodeSize()) // with an odd M the last table is padding
		s.ranges = make([]float32, 2*s.c.m)
	}
	s.step, s.floor = vec.RoundTables4(s.bytes, s.tables, s.ranges)
	s.floor += s.base
	s.ready = true
}
