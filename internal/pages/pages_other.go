//go:build !linux

package pages

func huge[T any]([]T) {}
