package server

import (
	"context"
	"sync"
	"time"
)

// jobs is work that goes on after its request was answered.
type jobs struct {
	wg     sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc
}

func newJobs() jobs {
	ctx, cancel := context.WithCancel(context.Background())
	return jobs{ctx: ctx, cancel: cancel}
}

func (j *jobs) run(work func(context.Context)) {
	j.wg.Go(func() { work(j.ctx) })
}

// end lets jobs finish for as long as grace, then tells them to stop, and returns when they have.
func (j *jobs) end(grace time.Duration) {
	defer time.AfterFunc(grace, j.cancel).Stop()
	j.wg.Wait()
	j.cancel()
}
