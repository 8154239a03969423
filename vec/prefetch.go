package vec

import "unsafe"

// Prefetch asks for the memory of s to be brought near, and waits for nothing: for what will be read, from anywhere, a
// little later. It changes only how long that takes.
func Prefetch[T any](s []T) {
	if n := len(s) * int(unsafe.Sizeof(*new(T))); n > 0 {
		prefetch((*byte)(unsafe.Pointer(unsafe.SliceData(s))), n)
	}
}
