package collection

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

// The key space of a collection's Pebble; FORMAT.md draws it. Integers in keys are big-endian, in values little-endian.
const (
	keyConfig = 'c' // the one key of the collection's configuration: JSON, as settings
	keyHead   = 'h' // the one key of how far the collection has come: version, slots given out
	keyLog    = 'l' // version: what that Apply changed, for what is derived to catch up
	keyPoint  = 'p' // ID: where the point is, and its payload
	keyVector = 'v' // slot: the vectors of one incarnation of a point; never changed
)

var configKey, headKey = []byte{keyConfig}, []byte{keyHead}

// head is how far a collection has come.
type head struct {
	version uint64
	n       uint32 // slots given out
}

func (h head) encode() []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, h.version), h.n)
}

func (h *head) decode(b []byte) error {
	if len(b) != 12 {
		return failed(ErrCorrupt, "the head has %d bytes, want 12", len(b))
	}
	h.version, h.n = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])
	return nil
}

func pointKey(id point.ID) []byte { return id.AppendKey([]byte{keyPoint}) }

func vectorKey(slot uint32) []byte { return binary.BigEndian.AppendUint32([]byte{keyVector}, slot) }

func slotOfKey(key []byte) (uint32, error) {
	if len(key) != 5 {
		return 0, failed(ErrCorrupt, "key %x is no slot's", key)
	}
	return binary.BigEndian.Uint32(key[1:]), nil
}

func logKey(version uint64) []byte { return binary.BigEndian.AppendUint64([]byte{keyLog}, version) }

// after is the least key behind all that begin with kind.
func after(kind byte) []byte { return []byte{kind + 1} }

// record is what lies under a point's key.
type record struct {
	slot    uint32
	version uint64
	payload []byte // JSON; empty if there is none
}

const recordHead = 1 + 4 + 8

func appendRecord(b []byte, r record) []byte {
	b = append(b, 1)
	b = binary.LittleEndian.AppendUint32(b, r.slot)
	b = binary.LittleEndian.AppendUint64(b, r.version)
	return append(b, r.payload...)
}

// decodeRecord reads what appendRecord wrote; the payload is a view of b.
func decodeRecord(b []byte) (record, error) {
	if len(b) < recordHead || b[0] != 1 {
		return record{}, fmt.Errorf("a point's record of %d bytes does not begin as one", len(b))
	}
	return record{binary.LittleEndian.Uint32(b[1:]), binary.LittleEndian.Uint64(b[5:]), b[recordHead:]}, nil
}

func encodePayload(p point.Payload) ([]byte, error) {
	if len(p) == 0 {
		return nil, nil
	}
	return point.AppendJSON(nil, map[string]any(p))
}

func decodePayload(b []byte) (p point.Payload, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	err = p.UnmarshalJSON(b)
	return p, err
}

// stored is a point's vectors by the number that the collection gave each name.
type stored []storedVector

type storedVector struct {
	uid uint32
	point.Vector
}

func (s stored) of(uid uint32) (point.Vector, bool) {
	for _, v := range s {
		if v.uid == uid {
			return v.Vector, true
		}
	}
	return point.Vector{}, false
}

const (
	kindDense = iota
	kindMulti
	kindSparse
)

// appendVectors writes vectors: their number, then of each its uid, its kind, its size and its values.
func appendVectors(b []byte, vs stored) []byte {
	b = append(b, 1)
	b = binary.AppendUvarint(b, uint64(len(vs)))
	for _, v := range vs {
		b = binary.AppendUvarint(b, uint64(v.uid))
		switch {
		case v.Sparse != nil:
			b = append(b, kindSparse)
			b = binary.AppendUvarint(b, uint64(len(v.Sparse.Indices)))
			for _, i := range v.Sparse.Indices {
				b = binary.LittleEndian.AppendUint32(b, i)
			}
			b = appendFloats(b, v.Sparse.Values)
		case v.Multi != nil:
			b = append(b, kindMulti)
			b = binary.AppendUvarint(b, uint64(len(v.Multi)))
			b = binary.AppendUvarint(b, uint64(len(v.Multi[0])))
			for _, row := range v.Multi {
				b = appendFloats(b, row)
			}
		default:
			b = append(b, kindDense)
			b = binary.AppendUvarint(b, uint64(len(v.Dense)))
			b = appendFloats(b, v.Dense)
		}
	}
	return b
}

func appendFloats(b []byte, v []float32) []byte {
	b = slices.Grow(b, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// decodeVectors reads what appendVectors wrote. What comes back shares nothing with b.
func decodeVectors(b []byte) (stored, error) {
	d := decoder{b: b}
	if d.byte() != 1 {
		return nil, fmt.Errorf("vectors of %d bytes do not begin as such", len(b))
	}
	n := d.count(3)
	vs := make(stored, 0, n)
	for range n {
		v := storedVector{uid: uint32(d.uvarint())}
		switch kind := d.byte(); kind {
		case kindDense:
			v.Dense = d.floats(d.count(4))
		case kindMulti:
			rows := d.count(4)
			dim := d.count(4)
			if !d.bad && (rows == 0 || dim == 0 || rows > len(d.b)/4/dim) {
				d.bad = true
			}
			for range rows {
				if d.bad {
					break
				}
				v.Multi = append(v.Multi, d.floats(dim))
			}
		case kindSparse:
			v.Sparse = &point.Sparse{}
			m := d.count(8)
			v.Sparse.Indices = make([]uint32, m)
			for i := range v.Sparse.Indices {
				v.Sparse.Indices[i] = d.uint32()
			}
			v.Sparse.Values = d.floats(m)
		default:
			d.bad = true
		}
		vs = append(vs, v)
	}
	if d.bad || len(d.b) > 0 {
		return nil, fmt.Errorf("vectors of %d bytes do not read as such", len(b))
	}
	return vs, nil
}

// decoder reads numbers off the front of b; after one that is not there it is bad and gives zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || n < 0 || n > len(d.b) {
		d.bad = true
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.take(n)
	return x
}

// count reads how many things of at least size bytes follow.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if d.bad || n > uint64(len(d.b)/size) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) floats(n int) []float32 {
	b := d.take(4 * n)
	if b == nil {
		d.bad = d.bad || n > 0
		return nil
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

// change is one entry of the log: what happened to a slot.
type change struct {
	kind byte
	slot uint32
	id   point.ID
}

const (
	slotBorn    = iota + 1 // the slot is the point's now
	slotDied               // the point has another slot, or is gone
	slotPayload            // the point has another payload
)

const changeSize = 1 + 4 + 17

func appendChange(b []byte, c change) []byte {
	b = append(b, c.kind)
	b = binary.LittleEndian.AppendUint32(b, c.slot)
	return c.id.AppendKey(b)
}

func decodeChanges(b []byte) ([]change, error) {
	if len(b)%changeSize != 0 {
		return nil, fmt.Errorf("a log entry of %d bytes is not one of changes", len(b))
	}
	out := make([]change, 0, len(b)/changeSize)
	for ; len(b) > 0; b = b[changeSize:] {
		id, err := point.FromKey(b[5:changeSize])
		if err != nil || b[0] < slotBorn || b[0] > slotPayload {
			return nil, fmt.Errorf("a log entry has a change that is none")
		}
		out = append(out, change{b[0], binary.LittleEndian.Uint32(b[1:]), id})
	}
	return out, nil
}

// settings is what lies under configKey.
type settings struct {
	Format int
	Name   string // of the collection, should the catalogue be lost
	Config Config
	UIDs   map[string]uint32 // of the vectors' names; a name that is dropped and comes back has another
	Next   uint32            // uid
	Fields map[string][]byte `json:",omitempty"` // of payload indexes: their schema, as package filter writes it
}

func (s settings) clone() settings {
	s.Config = s.Config.clone()
	uids, fields := make(map[string]uint32), make(map[string][]byte)
	for k, v := range s.UIDs {
		uids[k] = v
	}
	for k, v := range s.Fields {
		fields[k] = v
	}
	s.UIDs, s.Fields = uids, fields
	return s
}

// admit checks a vector that comes in against its configuration, and returns it as it is kept: a copy, of length 1 under
// cosine. A zero vector has no direction; under cosine it is kept as it is, and has similarity 0 to all, as in Qdrant.
func admit(v point.Vector, c VectorConfig) (point.Vector, error) {
	if v.Sparse != nil {
		return v, wrong("Conversion between sparse and regular vectors failed")
	}
	if !c.Multi {
		if v.Multi != nil {
			return v, wrong("Conversion between multi and regular vectors failed")
		}
		row, err := admitRow(v.Dense, c)
		return point.Dense(row), err
	}
	rows := v.Multi
	if rows == nil && len(v.Dense) > 0 {
		rows = [][]float32{v.Dense}
	}
	if len(rows) == 0 {
		return v, wrong("Validation error: multivector must not be empty")
	}
	out := make([][]float32, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = admitRow(row, c); err != nil {
			return v, err
		}
	}
	return point.Multi(out), nil
}

func admitRow(row []float32, c VectorConfig) ([]float32, error) {
	if len(row) != c.Size {
		return nil, failed(ErrInput, "Vector dimension error: expected dim: %d, got %d", c.Size, len(row))
	}
	for i, x := range row {
		if d := x - x; d != 0 {
			return nil, wrong("Vector value error: value %d is %v, expected a finite number", i, x)
		}
	}
	row = slices.Clone(row)
	// What was read from a collection is of length 1 up to rounding, and is to come back as it is when it is written again.
	if c.Distance == vec.Cosine && !(math.Abs(float64(vec.Dot(row, row))-1) <= 1e-6) {
		vec.Normalize(row, row)
	}
	return row, nil
}

// admitSparse checks a sparse vector and returns a copy, sorted by index.
func admitSparse(v point.Vector) (point.Vector, error) {
	s := v.Sparse
	if s == nil {
		return v, wrong("Conversion between sparse and regular vectors failed")
	}
	if len(s.Indices) != len(s.Values) {
		return v, wrong("Validation error: sparse vector has %d indices and %d values, must be the same length", len(s.Indices), len(s.Values))
	}
	order := make([]int, len(s.Indices))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case s.Indices[a] < s.Indices[b]:
			return -1
		case s.Indices[a] > s.Indices[b]:
			return 1
		}
		return 0
	})
	out := &point.Sparse{Indices: make([]uint32, len(order)), Values: make([]float32, len(order))}
	for i, at := range order {
		out.Indices[i], out.Values[i] = s.Indices[at], s.Values[at]
		if i > 0 && out.Indices[i] == out.Indices[i-1] {
			return v, wrong("Validation error: sparse vector has index %d twice, must be unique", out.Indices[i])
		}
		if x := out.Values[i]; x-x != 0 {
			return v, wrong("Vector value error: value %d is %v, expected a finite number", i, x)
		}
	}
	return point.Vector{Sparse: out}, nil
}
