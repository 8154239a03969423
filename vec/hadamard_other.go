//go:build !amd64 || noasm

package vec

// Never called, as the flag is false.

func hadamard64AVX2(*float32, int)        { panic("vec: no AVX2") }
func hadamardPassAVX2(*float32, int, int) { panic("vec: no AVX2") }
