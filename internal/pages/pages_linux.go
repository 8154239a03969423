package pages

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// huge asks for huge pages under s, fresh memory not yet touched. It is advice only; nothing is different if it is not
// taken.
func huge[T any](s []T) {
	s = s[:cap(s)]
	var zero T
	size := len(s) * int(unsafe.Sizeof(zero))
	if size < 2*hugePage {
		return
	}
	p := unsafe.Pointer(unsafe.SliceData(s))
	skip := int(-uintptr(p) % hugePage) // to the first whole one
	b := unsafe.Slice((*byte)(p), size)[skip:]
	unix.Madvise(b[:len(b)&^(hugePage-1)], unix.MADV_HUGEPAGE)
}
