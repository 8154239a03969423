package vec

import (
	"fmt"
	"math/bits"
)

//go:generate go -C _avo run ./hadamard -out ../hadamard_amd64.s -stubs ../hadamard_stub_amd64.go -pkg vec

// Hadamard multiplies x in place by the Walsh-Hadamard matrix, whose entry (i,j) is -1 to the number of bits that i and j
// have in common: the fast transform, of n log₂n additions. The length n is 0 or a power of two. Twice is n times x, so
// that a scale of 1/√n makes it orthogonal and its own inverse. It panics for other lengths.
func Hadamard(x []float32) {
	n := len(x)
	if n&(n-1) != 0 {
		panic(fmt.Sprintf("vec: Hadamard transform of %d numbers; want a power of two", n))
	}
	if !hasAVX2 || n < 64 {
		hadamardGo(x, 1)
		return
	}
	hadamard64AVX2(&x[0], n)
	h := 64
	for ; 4*h <= n; h *= 4 {
		hadamardPassAVX2(&x[0], n, h)
	}
	hadamardGo(x, h)
}

// hadamardGo does the levels from h on, two at a time.
func hadamardGo(x []float32, h int) {
	n := len(x)
	for ; 4*h <= n; h *= 4 {
		for at := 0; at < n; at += 4 * h {
			a, b := x[at:at+h:at+h], x[at+h:at+2*h:at+2*h]
			c, d := x[at+2*h:at+3*h:at+3*h], x[at+3*h:at+4*h:at+4*h]
			b, c, d = b[:len(a)], c[:len(a)], d[:len(a)]
			for i := range a {
				s, t := a[i]+b[i], a[i]-b[i]
				u, v := c[i]+d[i], c[i]-d[i]
				a[i], b[i], c[i], d[i] = s+u, t+v, s-u, t-v
			}
		}
	}
	if h < n {
		a, b := x[:h], x[h:]
		for i := range a {
			a[i], b[i] = a[i]+b[i], a[i]-b[i]
		}
	}
}

// PowerOfTwo returns the least power of two that is at least n: the length to pad to for Hadamard. It is 1 for n below 2.
func PowerOfTwo(n int) int {
	if n < 2 {
		return 1
	}
	return 1 << bits.Len(uint(n-1))
}
