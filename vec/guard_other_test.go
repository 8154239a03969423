//go:build !linux

package vec

import "testing"

// guarded gives plain slices where pages cannot be closed to reading.
func guarded[T any](t testing.TB, room int) (before, after func(n int) []T) {
	f := func(n int) []T { return make([]T, n) }
	return f, f
}
