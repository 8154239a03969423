//go:build !amd64 || noasm

package vec

// Never called, as the flags are false.

func argMinSumAVX512(*float32, *float32, int, float32) int { panic("vec: no AVX-512") }
func argMinSumAVX2(*float32, *float32, int, float32) int   { panic("vec: no AVX2") }
