package dataset

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"unsafe"

	"github.com/latent-go/latent/vec"
)

// number is a way to write one number in bytes. The zero number is none.
type number uint8

const (
	i1 number = iota + 1
	u1
	i2
	u2
	i4
	u4
	i8
	u8
	f2
	bf2 // bfloat16: the upper half of a float32
	f4
	f8
)

var numberSize = [...]int{i1: 1, u1: 1, i2: 2, u2: 2, i4: 4, u4: 4, i8: 8, u8: 8, f2: 2, bf2: 2, f4: 4, f8: 8}

func (t number) size() int     { return numberSize[t] }
func (t number) integer() bool { return t >= i1 && t <= u8 }

// float32s turns len(dst) numbers in src into float32, rounded where they have to be. Big-endian ones are turned round in src.
func (t number) float32s(dst []float32, src []byte, big bool) {
	src = src[:len(dst)*t.size()]
	if big {
		turn(src, t.size())
	}
	le := binary.LittleEndian
	switch t {
	case i1:
		for i, b := range src {
			dst[i] = float32(int8(b))
		}
	case u1:
		for i, b := range src {
			dst[i] = float32(b)
		}
	case i2:
		for i := range dst {
			dst[i] = float32(int16(le.Uint16(src[2*i:])))
		}
	case u2:
		for i := range dst {
			dst[i] = float32(le.Uint16(src[2*i:]))
		}
	case i4:
		for i := range dst {
			dst[i] = float32(int32(le.Uint32(src[4*i:])))
		}
	case u4:
		for i := range dst {
			dst[i] = float32(le.Uint32(src[4*i:]))
		}
	case i8:
		for i := range dst {
			dst[i] = float32(int64(le.Uint64(src[8*i:])))
		}
	case u8:
		for i := range dst {
			dst[i] = float32(le.Uint64(src[8*i:]))
		}
	case f2:
		vec.Float16.Decode(dst, src)
	case bf2:
		vec.BFloat16.Decode(dst, src)
	case f4:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case f8:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
		}
	}
}

// turn reverses the bytes of each number in b.
func turn(b []byte, size int) {
	for ; len(b) >= size; b = b[size:] {
		switch size {
		case 2:
			b[0], b[1] = b[1], b[0]
		case 4:
			binary.LittleEndian.PutUint32(b, binary.BigEndian.Uint32(b))
		case 8:
			binary.LittleEndian.PutUint64(b, binary.BigEndian.Uint64(b))
		default:
			return
		}
	}
}

// integerAt reads an integer, as labels are; src is as [number.float32s] has it.
func (t number) integerAt(src []byte, big bool) int64 {
	if big {
		turn(src, t.size())
	}
	le := binary.LittleEndian
	switch t {
	case i1:
		return int64(int8(src[0]))
	case u1:
		return int64(src[0])
	case i2:
		return int64(int16(le.Uint16(src)))
	case u2:
		return int64(le.Uint16(src))
	case i4:
		return int64(int32(le.Uint32(src)))
	case u4:
		return int64(le.Uint32(src))
	}
	return int64(le.Uint64(src))
}

var hostBig = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// asBytes is the memory of s.
func asBytes(s []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*4)
}

// layout says how a matrix lies in the bytes of a source.
type layout struct {
	num     number
	big     bool  // byte order
	at      int64 // where it begins
	rows    int   // -1 where the end of the bytes says
	cols    int
	head    int      // bytes before each row: 4, its length, in fvecs
	fortran []uint64 // the shape of a vector, where values of one column lie together; nil where those of one row do
}

// newLayout checks that an array of this shape can be, and that its bytes are there, as far as that is known. What
// follows the rows is of one vector: 60000×28×28 is 60000 vectors of 784.
func newLayout(src *source, num number, big bool, at int64, shape []uint64, fortran bool) (layout, error) {
	l := layout{num: num, big: big, at: at}
	if len(shape) < 2 {
		return l, fmt.Errorf("an array of shape %s holds no vectors, which take two dimensions: rows and values: %w", shapeString(shape), vec.ErrDim)
	}
	cols := uint64(1)
	for _, n := range shape[1:] {
		hi, lo := bits.Mul64(cols, n)
		if hi != 0 || lo > maxDim {
			return l, fmt.Errorf("vectors of shape %s are past belief, the limit is %d values; is the file damaged?", shapeString(shape[1:]), maxDim)
		}
		cols = lo
	}
	l.cols = int(cols)
	if err := checkBytes(src, at, shape[0], uint64(l.rowBytes())); err != nil {
		return l, err
	}
	l.rows = int(shape[0])
	if fortran {
		l.fortran = shape[1:]
	}
	return l, nil
}

// checkBytes checks that n things of so many bytes each, from at on, are there, as far as that is known.
func checkBytes(src *source, at int64, n, each uint64) error {
	hi, lo := bits.Mul64(n, max(each, 1))
	if hi != 0 || lo > 1<<56 {
		return fmt.Errorf("%d rows of %d bytes are past belief; is the file damaged?", n, each)
	}
	switch need := at + int64(n*each); {
	case src.size >= 0 && need > src.size:
		return fmt.Errorf("it is cut short: its header promises %d bytes, %d are there; copy or download it again", need, src.size)
	case src.most >= 0 && need > src.most:
		return fmt.Errorf("it is cut short: its header promises %d bytes, its compressed ones make %d at the most; copy or download it again", need, src.most)
	}
	return nil
}

func (l layout) rowBytes() int64 { return int64(l.head) + int64(l.cols)*int64(l.num.size()) }

func shapeString(shape []uint64) string {
	s := ""
	for i, n := range shape {
		if i > 0 {
			s += "×"
		}
		s += fmt.Sprint(n)
	}
	return "(" + s + ")"
}

// raw reads a matrix that lies in a source as layout says.
type raw struct {
	layout
	src *source
	row int
	buf []byte
}

// use makes f read the matrix that l describes.
func (f *File) use(format string, l layout, src *source) error {
	f.format, f.dim, f.rows = format, l.cols, l.rows
	if l.fortran != nil && l.cols > 0 {
		d, err := newFortran(l, src)
		f.dec = d
		return err
	}
	f.dec = &raw{layout: l, src: src}
	return src.skipTo(l.at)
}

func (d *raw) next(dst vec.Matrix, _ *block) (int, error) {
	if d.rows >= 0 {
		dst = dst.Slice(0, min(dst.Rows, d.rows-d.row))
	}
	n, err := 0, error(nil)
	if d.num == f4 && !d.big && d.head == 0 && !hostBig { // as they lie
		n, err = io.ReadFull(d.src.r, asBytes(dst.Data))
		n /= int(d.rowBytes())
	} else {
		n, err = d.nextRows(dst)
	}
	d.row += n
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		if d.rows >= 0 {
			return 0, fmt.Errorf("it is cut short: %d rows are promised, the bytes end in row %d; copy or download it again", d.rows, d.row)
		}
		if err == io.ErrUnexpectedEOF {
			return 0, fmt.Errorf("it is cut short: the bytes end within row %d; copy or download it again", d.row)
		}
	case err != nil:
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// nextRows returns how many rows it read, with io.EOF where the bytes ended after a row, and io.ErrUnexpectedEOF
// where they ended within one.
func (d *raw) nextRows(dst vec.Matrix) (int, error) {
	width := int(d.rowBytes())
	step := max(1, min(dst.Rows, readBuffer/width))
	if len(d.buf) < step*width {
		d.buf = make([]byte, step*width)
	}
	for lo := 0; lo < dst.Rows; lo += step {
		got, err := io.ReadFull(d.src.r, d.buf[:min(step, dst.Rows-lo)*width])
		hi := lo + got/width
		for i := lo; i < hi && d.head > 0; i++ {
			row := d.buf[(i-lo)*width:]
			if err := checkVecsHead(row, d.row+i, d.cols); err != nil {
				return i, err
			}
			d.num.float32s(dst.Row(i), row[d.head:width], d.big)
		}
		if d.head == 0 {
			d.num.float32s(dst.Slice(lo, hi).Data, d.buf, d.big)
		}
		if err != nil {
			if rest := got % width; d.head > 0 && rest >= d.head { // a longer row is met as the last one, cut short
				if err := checkVecsHead(d.buf[got-rest:], d.row+hi, d.cols); err != nil {
					return hi, err
				}
			}
			if err == io.ErrUnexpectedEOF && got%width == 0 {
				err = io.EOF
			}
			return hi, err
		}
	}
	return dst.Rows, nil
}

// fortran reads a matrix whose columns lie together, which takes bytes that can be read anywhere.
type fortran struct {
	layout
	src   io.ReaderAt
	place []int // of each value of a vector, among the columns
	row   int
}

func newFortran(l layout, src *source) (*fortran, error) {
	d := &fortran{layout: l, src: src.at}
	if src.at == nil {
		if err := src.skipTo(l.at); err != nil {
			return nil, err
		}
		b, err := readN(src.r, int64(l.rows)*l.rowBytes())
		if err != nil {
			return nil, fmt.Errorf("it is cut short: its header promises %d bytes of data, %d are there: %w", int64(l.rows)*l.rowBytes(), len(b), err)
		}
		d.src, d.at = bytes.NewReader(b), 0
	}
	d.place = fortranPlaces(l.fortran, l.cols)
	return d, nil
}

// fortranPlaces returns for each of the n values of an array, in C order, where it is in Fortran order, in which the
// first index runs fastest.
func fortranPlaces(shape []uint64, n int) []int {
	places := make([]int, n)
	for c := range places {
		rest, after, before := c, n, 1
		for _, size := range shape { // after and before: how many values lie in one step of an index, in C and in Fortran order
			after /= int(size)
			places[c] += rest / after * before
			rest %= after
			before *= int(size)
		}
	}
	return places
}

func (d *fortran) next(dst vec.Matrix, _ *block) (int, error) {
	n := min(dst.Rows, d.rows-d.row)
	if n == 0 {
		return 0, io.EOF
	}
	b := make([]byte, n*d.num.size())
	column := make([]float32, n)
	for c, place := range d.place {
		at := d.at + (int64(place)*int64(d.rows)+int64(d.row))*int64(d.num.size())
		if _, err := d.src.ReadAt(b, at); err != nil {
			return 0, fmt.Errorf("column %d: %w", c, err)
		}
		d.num.float32s(column, b, d.big)
		for i, v := range column {
			dst.Data[i*dst.Cols+c] = v
		}
	}
	d.row += n
	return n, nil
}

// readN reads n bytes, and takes memory for them only as they arrive.
func readN(r io.Reader, n int64) ([]byte, error) {
	var b []byte
	for int64(len(b)) < n {
		step := min(n-int64(len(b)), max(readBuffer, int64(len(b))))
		at := len(b)
		b = append(b, make([]byte, step)...)
		if m, err := io.ReadFull(r, b[at:]); err != nil {
			return b[:at+m], err
		}
	}
	return b, nil
}
