//go:build amd64 && !noasm

package vec

import "testing"

// onEach runs f with the kernels of each kind that this processor has.
func onEach(t *testing.T, f func(t *testing.T)) {
	a2, a5, vn, vp := hasAVX2, hasAVX512, hasVNNI, hasVPOPCNT
	defer func() { hasAVX2, hasAVX512, hasVNNI, hasVPOPCNT = a2, a5, vn, vp }()
	t.Run("best", f)
	if hasVNNI || hasVPOPCNT {
		hasVNNI, hasVPOPCNT = false, false
		t.Run("avx512", f)
	}
	hasAVX512 = false
	t.Run("avx2", f)
	hasAVX2 = false
	t.Run("go", f)
}
