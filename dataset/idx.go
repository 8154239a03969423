package dataset

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/latent-go/latent/vec"
)

// idxNumbers are the types of IDX, the format of MNIST: two zeros, a type, how many dimensions, each as uint32, then
// the values, all big-endian.
var idxNumbers = map[byte]number{0x08: u1, 0x09: i1, 0x0b: i2, 0x0c: i4, 0x0d: f4, 0x0e: f8}

func isIDX(head []byte) bool {
	return len(head) >= 4 && head[0] == 0 && head[1] == 0 && idxNumbers[head[2]] != 0 && head[3] >= 1 && head[3] <= 8
}

func openIDX(f *File, src *source, vectors bool) error {
	head, err := src.take(4)
	if err != nil {
		return err
	}
	num, at := idxNumbers[head[2]], 4+4*int64(head[3])
	dims, err := src.take(at - 4)
	if err != nil {
		return err
	}
	shape := make([]uint64, head[3])
	for i := range shape {
		shape[i] = uint64(binary.BigEndian.Uint32(dims[4*i:]))
	}
	if !vectors {
		if len(shape) != 1 || !num.integer() {
			return fmt.Errorf("it holds an array of shape %s; labels are integers in an array of one dimension: %w", shapeString(shape), vec.ErrDim)
		}
		if err := checkBytes(src, at, shape[0], uint64(num.size())); err != nil {
			return err
		}
		f.useLabels("idx", int(shape[0]), &labelReader{src: src, size: num.size(), text: func(b []byte) string {
			return strconv.FormatInt(num.integerAt(b, true), 10)
		}})
		return nil
	}
	l, err := newLayout(src, num, true, at, shape, false)
	if err != nil {
		return err
	}
	return f.use("idx", l, src)
}

// writeIDX writes x as float32.
func writeIDX(w io.Writer, x vec.Matrix) error {
	if x.Rows > math.MaxUint32 {
		return fmt.Errorf("the format holds at most 2³²-1 rows")
	}
	b := []byte{0, 0, 0x0d, 2}
	b = binary.BigEndian.AppendUint32(b, uint32(x.Rows))
	b = binary.BigEndian.AppendUint32(b, uint32(x.Cols))
	for i := range x.Rows {
		for _, v := range x.Row(i) {
			b = binary.BigEndian.AppendUint32(b, math.Float32bits(v))
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	return nil
}
