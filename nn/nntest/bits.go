package nntest

import "github.com/latent-go/latent/vec"

// Bits returns a matrix of zeros and ones, each half the time: rows that a decoder can hit exactly.
func Bits(rows, cols int, seed uint64) vec.Matrix {
	x := Random(rows, cols, seed)
	for i, v := range x.Data {
		x.Data[i] = 0
		if v > 0 {
			x.Data[i] = 1
		}
	}
	return x
}
