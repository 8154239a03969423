package quantize

import (
	"math/rand/v2"
	"unsafe"
)

// KeepsFloats reports whether the codes of c are float32 values as they lie in this machine's memory, by encoding some:
// then an index can hand them to kernels as they are.
func KeepsFloats(c Codec) bool {
	if c.CodeSize() != 4*c.Dim() {
		return false
	}
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]float32, c.Dim())
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	same := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
	return string(c.Encode(nil, v)) == string(same)
}
