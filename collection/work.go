package collection

import (
	"context"
	"sync"
)

// work is a collection's one goroutine in the background, which keeps up what is derived.
type work struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	wake   chan struct{}
}

func (c *Collection) start() {
	c.wake = make(chan struct{}, 1)
}

// nudge says that there is something to do.
func (c *Collection) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Collection) halt() {
	if c.cancel != nil {
		c.cancel()
	}
	c.done.Wait()
}

func (c *Collection) checkpoint(context.Context) error { return nil }

type slotIndex struct{}

func (s *space) free() {}
