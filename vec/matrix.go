package vec

import (
	"fmt"
	"math"
)

// Matrix is Rows × Cols float32 in one contiguous slice, row after row. The zero Matrix is empty. A Matrix is a view:
// copying the struct shares Data, [Matrix.Clone] does not. It is safe to read from many goroutines.
type Matrix struct {
	Rows, Cols int
	Data       []float32 // len is Rows*Cols
}

// NewMatrix returns a matrix of zeros.
func NewMatrix(rows, cols int) Matrix {
	return Matrix{Rows: rows, Cols: cols, Data: make([]float32, rows*cols)}
}

// FromRows copies rows, all of one length, into a matrix. Rows of differing length give ErrDim.
func FromRows(rows [][]float32) (Matrix, error) {
	if len(rows) == 0 {
		return Matrix{}, nil
	}
	m := NewMatrix(len(rows), len(rows[0]))
	for i, r := range rows {
		if len(r) != m.Cols {
			return Matrix{}, fmt.Errorf("vec: row %d has %d values, row 0 has %d: %w", i, len(r), m.Cols, ErrDim)
		}
		copy(m.Row(i), r)
	}
	return m, nil
}

// Row returns row i, a view with no room to grow into the next row.
func (m Matrix) Row(i int) []float32 {
	return m.Data[i*m.Cols : (i+1)*m.Cols : (i+1)*m.Cols]
}

// Slice returns rows lo to hi, hi excluded, as a view.
func (m Matrix) Slice(lo, hi int) Matrix {
	return Matrix{Rows: hi - lo, Cols: m.Cols, Data: m.Data[lo*m.Cols : hi*m.Cols : hi*m.Cols]}
}

// Clone returns a copy that shares nothing with m.
func (m Matrix) Clone() Matrix {
	m.Data = append(make([]float32, 0, len(m.Data)), m.Data...)
	return m
}

// Gather returns a new matrix of the rows named by ids, in that order.
func (m Matrix) Gather(ids []int) Matrix {
	out := NewMatrix(len(ids), m.Cols)
	for i, id := range ids {
		copy(out.Row(i), m.Row(id))
	}
	return out
}

// Shaped returns m itself if it has the wanted shape and a new matrix of zeros if m is the zero Matrix: what a
// function with a destination argument does first. Any other shape panics.
func (m Matrix) Shaped(rows, cols int) Matrix {
	switch {
	case m.Data == nil && m.Rows == 0 && m.Cols == 0:
		return NewMatrix(rows, cols)
	case m.Rows != rows || m.Cols != cols || len(m.Data) != rows*cols:
		panic(fmt.Sprintf("vec: destination is %d×%d, want %d×%d", m.Rows, m.Cols, rows, cols))
	}
	return m
}

var zeros [4096]float32

// Check returns an error that names the first value of m that is NaN or infinite (ErrNotFinite), or says that Data
// does not have Rows*Cols values (ErrDim).
func (m Matrix) Check() error {
	if m.Rows < 0 || m.Cols < 0 || len(m.Data) != m.Rows*m.Cols {
		return fmt.Errorf("vec: matrix of %d×%d has %d values: %w", m.Rows, m.Cols, len(m.Data), ErrDim)
	}
	for lo := 0; lo < len(m.Data); lo += len(zeros) {
		part := m.Data[lo:min(lo+len(zeros), len(m.Data))]
		if Dot(part, zeros[:len(part)]) == 0 { // 0 times NaN or infinity is NaN
			continue
		}
		for i, v := range part {
			// An exponent of all ones is NaN or infinity.
			if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
				i += lo
				return fmt.Errorf("vec: row %d, column %d is %v: %w", i/m.Cols, i%m.Cols, v, ErrNotFinite)
			}
		}
	}
	return nil
}
