package sentence

import "sync"

// counter tells a caller how far several goroutines are together.
type counter struct {
	mu          sync.Mutex
	done, total int
	f           func(done, total int)
}

func newCounter(f func(done, total int), total int) *counter { return &counter{f: f, total: total} }

func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done += n; c.f != nil {
		c.f(c.done, c.total)
	}
}
