//go:build !linux

package hnsw

func largePages[T any]([]T) {}
