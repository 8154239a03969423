//go:build !amd64 || noasm

package vec

// Never called, as the flags are false.

func tableSums4AVX512(*float32, *byte, *byte, int, int, float32, float32) { panic("vec: no AVX-512") }
func tableSums4AVX2(*float32, *byte, *byte, int, int, float32, float32)   { panic("vec: no AVX2") }
func tableRangesAVX2(*float32, *float32, *float32, int)                   { panic("vec: no AVX2") }
func roundTablesAVX2(*byte, *float32, *float32, int, float32)             { panic("vec: no AVX2") }
