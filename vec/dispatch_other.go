//go:build !amd64 || noasm

package vec

func (f Format) scoreFast(o op, dst, q, step []float32, data []byte, stride int, ids []uint32) bool {
	return false
}

func scoreFast(o op, dst, q, rows []float32, ids []uint32) bool { return false }

// Never called, as the flags are false: these let the text of dot.go compile everywhere.

func dotAVX2(a, b []float32) float32         { panic("vec: no AVX2") }
func dotAVX512(a, b []float32) float32       { panic("vec: no AVX-512") }
func squaredL2AVX2(a, b []float32) float32   { panic("vec: no AVX2") }
func squaredL2AVX512(a, b []float32) float32 { panic("vec: no AVX-512") }
func l1AVX2(a, b []float32) float32          { panic("vec: no AVX2") }
func l1AVX512(a, b []float32) float32        { panic("vec: no AVX-512") }
