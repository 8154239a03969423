package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/latent-go/latent/vec"
)

// vecsKinds are the formats of the TEXMEX corpora: each row is its length, an int32, then its values. They have no
// magic, so that only the name tells.
var vecsKinds = map[string]number{".fvecs": f4, ".bvecs": u1, ".ivecs": i4}

// binKinds are the formats of the big-ann-benchmarks: rows and columns, two uint32, then the rows.
var binKinds = map[string]number{".fbin": f4, ".u8bin": u1, ".i8bin": i1}

func openVecs(f *File, src *source) error {
	head := src.peek(4)
	if len(head) < 4 {
		return fmt.Errorf("it is cut short: the first row begins with its length in 4 bytes, %d are there", len(head))
	}
	dim := int32(binary.LittleEndian.Uint32(head))
	if dim < 1 || dim > maxDim {
		return fmt.Errorf("row 0 has %d values by its length, which must be 1 to %d; is it %s at all?", dim, maxDim, src.ext[1:])
	}
	l := layout{num: vecsKinds[src.ext], cols: int(dim), head: 4, rows: -1}
	if err := checkBytes(src, 0, 1, uint64(l.rowBytes())); err != nil {
		return err
	}
	if src.size >= 0 && src.size%l.rowBytes() == 0 { // otherwise reading finds the row that is not like the others
		l.rows = int(src.size / l.rowBytes())
	}
	return f.use(src.ext[1:], l, src)
}

func checkVecsHead(row []byte, i, dim int) error {
	if n := int32(binary.LittleEndian.Uint32(row)); int(n) != dim {
		return fmt.Errorf("row %d has %d values, want %d: %w", i, n, dim, vec.ErrDim)
	}
	return nil
}

func openBin(f *File, src *source) error {
	head, err := src.take(8)
	if err != nil {
		return err
	}
	shape := []uint64{uint64(binary.LittleEndian.Uint32(head)), uint64(binary.LittleEndian.Uint32(head[4:]))}
	l, err := newLayout(src, binKinds[src.ext], false, 8, shape, false)
	if err != nil {
		return err
	}
	if end := l.at + int64(l.rows)*l.rowBytes(); src.size > end {
		return fmt.Errorf("it has %d bytes, its header promises %d; is it %s at all?", src.size, end, src.ext[1:])
	}
	return f.use(src.ext[1:], l, src)
}

// writeVecs writes fvecs, bvecs or ivecs.
func writeVecs(w io.Writer, x vec.Matrix, num number) error {
	var b []byte
	for i := range x.Rows {
		b = binary.LittleEndian.AppendUint32(b[:0], uint32(x.Cols))
		var err error
		if b, err = appendNumbers(b, x.Row(i), num, i); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// writeBin writes fbin, u8bin or i8bin.
func writeBin(w io.Writer, x vec.Matrix, num number) error {
	if x.Rows > math.MaxUint32 {
		return errors.New("the format holds at most 2³²-1 rows")
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(x.Rows))
	b = binary.LittleEndian.AppendUint32(b, uint32(x.Cols))
	for i := range x.Rows {
		var err error
		if b, err = appendNumbers(b, x.Row(i), num, i); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	return nil
}

// appendNumbers appends row i as numbers of one kind, and refuses what that kind cannot hold.
func appendNumbers(b []byte, row []float32, num number, i int) ([]byte, error) {
	lo, hi := math.Inf(-1), math.Inf(1)
	switch num {
	case u1:
		lo, hi = 0, math.MaxUint8
	case i1:
		lo, hi = math.MinInt8, math.MaxInt8
	case i4:
		lo, hi = math.MinInt32, math.MaxInt32
	}
	for c, v := range row {
		if num.integer() && (float64(v) != math.Trunc(float64(v)) || !(lo <= float64(v) && float64(v) <= hi)) {
			return nil, fmt.Errorf("row %d, column %d is %v, the format holds integers from %v to %v", i, c, v, lo, hi)
		}
		switch num {
		case u1:
			b = append(b, uint8(v))
		case i1:
			b = append(b, uint8(int8(v)))
		case i4:
			b = binary.LittleEndian.AppendUint32(b, uint32(int32(v)))
		default:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return b, nil
}
