// Package pages grows long slices into memory of huge pages, where the system has them.
package pages

// Grown returns s with length n, which is at least its own: s itself if it has the room, else a copy with some to spare.
// A search reads from all over the vectors that such slices hold, and each read in another small page costs a look at the
// page table besides.
func Grown[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	out := make([]T, n, max(n, len(s)+len(s)/4))
	huge(out)
	copy(out, s)
	return out
}
