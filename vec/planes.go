package vec

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"
)

// Planes is a vector of 4-bit numbers that lies bit by bit, to be measured against rows of one bit a dimension: plane p
// holds the bits of weight 2ᵖ. The zero Planes has no dimensions; [Planes.Set] fills it.
type Planes struct {
	size int    // bytes of a plane, and of a row
	data []byte // of every 64 bytes of a row plane 0, then 1, 2 and 3; zeros behind the last bit
}

// Set takes the lower four bits of each number of t. It allocates only if t is longer than any before.
func (p *Planes) Set(t []uint8) {
	p.size = (len(t) + 7) / 8
	n := (p.size + 63) / 64 * 256
	p.data = slices.Grow(p.data[:0], n)[:n]
	clear(p.data)
	for i := range p.size {
		var eight [8]byte
		copy(eight[:], t[8*i:])
		x := binary.LittleEndian.Uint64(eight[:])
		for plane := range 4 {
			// The product moves the lowest bit of byte j to bit 56+j.
			p.data[i/64*256+plane*64+i%64] = byte((x >> plane & 0x0101010101010101) * 0x0102040810204080 >> 56)
		}
	}
}

// Hammings writes to dst[i] the sum over the planes p of 2ᵖ times the number of bits in which plane p differs from row
// i of rows. A row has as many bits as Set had numbers, bit j in byte j/8 of weight 2^(j%8), zeros behind them, and
// begins at i*stride; stride 0 means that rows lie close together.
//
// With s = ±1 for the bits 1 and 0, and d dimensions, Σ sⱼ(2tⱼ-15) is 15d - 2·(the sum).
func (p *Planes) Hammings(dst []int32, rows []byte, stride int) {
	if stride == 0 {
		stride = p.size
	}
	if len(dst) == 0 {
		return
	}
	checkRow(len(dst)-1, stride, p.size, len(rows))
	p.hammings(dst, rows, stride, nil)
}

// HammingsAt is Hammings for row ids[i].
func (p *Planes) HammingsAt(dst []int32, rows []byte, stride int, ids []uint32) {
	sameLen(len(dst), len(ids))
	if stride == 0 {
		stride = p.size
	}
	if len(dst) == 0 {
		return
	}
	checkRow(largest(ids), stride, p.size, len(rows))
	p.hammings(dst, rows, stride, ids)
}

func (p *Planes) hammings(dst []int32, rows []byte, stride int, ids []uint32) {
	if stride < p.size {
		panic(fmt.Sprintf("vec: stride %d is less than the %d bytes of a row", stride, p.size))
	}
	switch {
	case hasVPOPCNT:
		planeHammingsAVX512(dst, unsafe.SliceData(p.data), p.size, unsafe.SliceData(rows), stride, unsafe.SliceData(ids))
		return
	case hasAVX2:
		planeHammingsAVX2(dst, unsafe.SliceData(p.data), p.size, unsafe.SliceData(rows), stride, unsafe.SliceData(ids))
		return
	}
	for i := range dst {
		at := i * stride
		if ids != nil {
			at = int(ids[i]) * stride
		}
		dst[i] = p.hammingGo(rows[at : at+p.size])
	}
}

// hammingGo is the definition of the kernels over planes.
func (p *Planes) hammingGo(row []byte) (s int32) {
	for block := p.data; len(row) > 0; block = block[256:] {
		part := row[:min(64, len(row))]
		row = row[len(part):]
		for plane := range 4 {
			s += hammingGo(part, block[64*plane:64*plane+len(part)]) << plane
		}
	}
	return s
}
