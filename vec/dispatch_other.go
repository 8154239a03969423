//go:build !amd64 || noasm

package vec

func (f Format) scoreFast(o op, dst, q, step []float32, data []byte, stride int, ids []uint32) bool {
	return false
}

func scoreFast(o op, dst, q, rows []float32, ids []uint32) bool { return false }

func encodeFast(f Format, dst []byte, v []float32) int   { return 0 }
func decodeFast(f Format, dst []float32, row []byte) int { return 0 }

func prefetch(p *byte, n int) {}

// Never called, as the flags are false: these let one text of each kernel compile everywhere.

func dotAVX2(a, b []float32) float32                                          { panic("vec: no AVX2") }
func dotAVX512(a, b []float32) float32                                        { panic("vec: no AVX512") }
func squaredL2AVX2(a, b []float32) float32                                    { panic("vec: no AVX2") }
func squaredL2AVX512(a, b []float32) float32                                  { panic("vec: no AVX512") }
func l1AVX2(a, b []float32) float32                                           { panic("vec: no AVX2") }
func l1AVX512(a, b []float32) float32                                         { panic("vec: no AVX512") }
func dotInt8AVX2(a, b []int8) int32                                           { panic("vec: no AVX2") }
func dotInt8AVX512(a, b []int8) int32                                         { panic("vec: no AVX512") }
func dotUint8AVX2(a, b []uint8) int32                                         { panic("vec: no AVX2") }
func dotUint8AVX512(a, b []uint8) int32                                       { panic("vec: no AVX512") }
func dotUint8Int8AVX2(a []uint8, b []int8) int32                              { panic("vec: no AVX2") }
func dotUint8Int8AVX512(a []uint8, b []int8) int32                            { panic("vec: no AVX512") }
func squaredL2Int8AVX2(a, b []int8) int32                                     { panic("vec: no AVX2") }
func squaredL2Int8AVX512(a, b []int8) int32                                   { panic("vec: no AVX512") }
func squaredL2Uint8AVX2(a, b []uint8) int32                                   { panic("vec: no AVX2") }
func squaredL2Uint8AVX512(a, b []uint8) int32                                 { panic("vec: no AVX512") }
func l1Int8AVX2(a, b []int8) int32                                            { panic("vec: no AVX2") }
func l1Int8AVX512(a, b []int8) int32                                          { panic("vec: no AVX512") }
func l1Uint8AVX2(a, b []uint8) int32                                          { panic("vec: no AVX2") }
func l1Uint8AVX512(a, b []uint8) int32                                        { panic("vec: no AVX512") }
func hammingAVX2(a, b []byte) int32                                           { panic("vec: no AVX2") }
func hammingAVX512(a, b []byte) int32                                         { panic("vec: no AVX512") }
func hammingsAVX2(dst []int32, q []byte, rows *byte, stride int, ids *uint32) { panic("vec: no AVX2") }
func hammingsAVX512(dst []int32, q []byte, rows *byte, stride int, ids *uint32) {
	panic("vec: no AVX512")
}
func planeHammingsAVX2(dst []int32, planes *byte, size int, rows *byte, stride int, ids *uint32) {
	panic("vec: no AVX2")
}
func planeHammingsAVX512(dst []int32, planes *byte, size int, rows *byte, stride int, ids *uint32) {
	panic("vec: no AVX512")
}
func scaleAVX2(dst, a []float32, s float32)       { panic("vec: no AVX2") }
func scaleAVX512(dst, a []float32, s float32)     { panic("vec: no AVX512") }
func addScaledAVX2(dst, a []float32, s float32)   { panic("vec: no AVX2") }
func addScaledAVX512(dst, a []float32, s float32) { panic("vec: no AVX512") }
