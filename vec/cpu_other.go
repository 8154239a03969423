//go:build !amd64 || noasm

package vec

const (
	hasAVX2    = false
	hasAVX512  = false
	hasVNNI    = false
	hasVPOPCNT = false
)
