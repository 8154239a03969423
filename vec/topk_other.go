//go:build !amd64 || noasm

package vec

// Never called, as the flags are false.

func atMostAVX512(*uint32, *float32, int, float32) int { panic("vec: no AVX-512") }
func atMostAVX2(*uint32, *float32, int, float32) int   { panic("vec: no AVX2") }
func atMostSumAVX512(*uint32, *float32, *float32, int, float32, float32, float32) int {
	panic("vec: no AVX-512")
}
func atMostSumAVX2(*uint32, *float32, *float32, int, float32, float32, float32) int {
	panic("vec: no AVX2")
}
func keyRangeAVX512(*uint64, int) (uint64, uint64)               { panic("vec: no AVX-512") }
func countBelowAVX512(*uint64, int, uint64) int                  { panic("vec: no AVX-512") }
func keepBelowAVX512(*uint64, int, uint64) int                   { panic("vec: no AVX-512") }
func topKeysAVX512(*uint64, *float32, *uint32, int, float32) int { panic("vec: no AVX-512") }
