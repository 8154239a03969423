package vec

// Features returns the processor features that kernels use here, such as "avx2"; none means that all are plain Go.
func Features() []string {
	var f []string
	for _, x := range []struct {
		has  bool
		name string
	}{{hasAVX2, "avx2"}, {hasAVX512, "avx512"}, {hasVNNI, "vnni"}, {hasVPOPCNT, "vpopcntdq"}} {
		if x.has {
			f = append(f, x.name)
		}
	}
	return f
}
