package dataset

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/vec"
)

// Mapped is vectors in a memory-mapped file: opening it reads nothing, and the system brings in what is looked at. It
// is safe for concurrent use until Close. The vectors must not be written to, nor the file changed, while it is open.
type Mapped struct {
	rows, cols int
	stride     int // from one row to the next, in float32: one more than cols in fvecs, whose rows begin with their length
	data       []float32
	close      func() error
}

// Map maps the float32 vectors of a file into memory: of npy, an npz that is not compressed, safetensors, fbin or
// fvecs. Any other file, one of another type, or in Fortran or big-endian order, gives an error; Load reads those. The
// values are not looked at: whoever needs them finite calls [vec.Matrix.Check].
func Map(path string, o Options) (*Mapped, error) {
	f, err := Open(path, o)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, ok := f.dec.(*raw)
	if !ok || d.num != f4 || d.big || hostBig || f.src.at == nil {
		return nil, f.src.wrap(fmt.Errorf("%s of this kind cannot be mapped, only uncompressed little-endian float32 in C order; load it, or save it as npy", f.format))
	}
	if d.rows < 0 {
		return nil, f.src.wrap(errors.New("its size is no multiple of that of its first row, so it is cut short or rows differ in length"))
	}
	path, _ = splitPath(path, o)
	b, unmap, err := artifact.Map(path)
	if err != nil {
		return nil, f.src.wrap(err)
	}
	at, size := f.src.origin+d.at, int64(f.rows)*d.rowBytes()
	if at+size > int64(len(b)) {
		unmap()
		return nil, f.src.wrap(fmt.Errorf("it shrank to %d bytes while it was opened", len(b)))
	}
	p := unsafe.Pointer(&b[at])
	if uintptr(p)%4 != 0 {
		unmap()
		return nil, f.src.wrap(fmt.Errorf("its numbers begin at byte %d, no multiple of 4, and cannot be mapped; load it, or save it as npy", at))
	}
	m := &Mapped{rows: f.rows, cols: f.dim, stride: f.dim + d.head/4, close: unmap}
	m.data = unsafe.Slice((*float32)(p), size/4)
	for i := 0; d.head > 0 && i < m.rows; i += max(1, m.rows/1000) { // a sample: all of them would be all of the file
		o := at + int64(i)*d.rowBytes()
		if err := checkVecsHead(b[o:], i, m.cols); err != nil {
			unmap()
			return nil, f.src.wrap(err)
		}
	}
	return m, nil
}

// Rows returns how many vectors there are.
func (m *Mapped) Rows() int { return m.rows }

// Dim returns how many values a vector has.
func (m *Mapped) Dim() int { return m.cols }

// Row returns vector i, a view.
func (m *Mapped) Row(i int) []float32 {
	end := (i + 1) * m.stride
	return m.data[end-m.cols : end : end]
}

// Slice returns rows lo to hi, hi excluded: a view, except of fvecs, whose rows do not touch and are copied.
func (m *Mapped) Slice(lo, hi int) vec.Matrix {
	if m.stride == m.cols {
		return vec.Matrix{Rows: m.rows, Cols: m.cols, Data: m.data}.Slice(lo, hi)
	}
	x := vec.NewMatrix(hi-lo, m.cols)
	for i := range x.Rows {
		copy(x.Row(i), m.Row(lo+i))
	}
	return x
}

// Contiguous reports whether Slice gives views.
func (m *Mapped) Contiguous() bool { return m.stride == m.cols }

// Close lets go of the file. Views must not be used afterwards.
func (m *Mapped) Close() error {
	if m.close == nil {
		return nil
	}
	c := m.close
	m.close, m.data = nil, nil
	return c()
}
