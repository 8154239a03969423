//go:build linux

package vec

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guarded returns a function that gives slices of n values that end where readable memory ends, so that a kernel which
// reads beyond its slice dies, and one which gives slices that begin where it begins.
func guarded[T any](t testing.TB, room int) (before, after func(n int) []T) {
	size := int(unsafe.Sizeof(*new(T)))
	page := unix.Getpagesize()
	middle := (room*size + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, middle+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(m) })
	for _, edge := range [][]byte{m[:page], m[page+middle:]} {
		if err := unix.Mprotect(edge, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	at := func(offset, n int) []T {
		if n == 0 {
			return nil
		}
		return unsafe.Slice((*T)(unsafe.Pointer(&m[offset])), n)
	}
	return func(n int) []T { return at(page+middle-n*size, n) }, func(n int) []T { return at(page, n) }
}
