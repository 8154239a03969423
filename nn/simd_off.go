//go:build !goexperiment.simd

package nn

const simd = false
