package vec

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// Blocks splits 0..n into blocks of at most size and calls f(lo, hi) for each, from up to GOMAXPROCS goroutines, which
// take the blocks in order as they become free. It returns the first error of f, or ctx's own if ctx ends first;
// after either no new block is begun. It returns when every call of f has.
func Blocks(ctx context.Context, n, size int, f func(lo, hi int) error) error {
	if n <= 0 {
		return ctx.Err()
	}
	size = max(size, 1)
	blocks := (n + size - 1) / size
	workers := min(runtime.GOMAXPROCS(0), blocks)
	if workers == 1 {
		for lo := 0; lo < n; lo += size {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f(lo, min(lo+size, n)); err != nil {
				return err
			}
		}
		return nil
	}
	var (
		next  atomic.Int64
		once  sync.Once
		first error
		stop  atomic.Bool
		wg    sync.WaitGroup
	)
	fail := func(err error) {
		once.Do(func() { first = err })
		stop.Store(true)
	}
	for range workers {
		wg.Go(func() {
			for !stop.Load() {
				b := int(next.Add(1)) - 1
				if b >= blocks {
					return
				}
				err := ctx.Err()
				if err == nil {
					err = f(b*size, min((b+1)*size, n))
				}
				if err != nil {
					fail(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}
