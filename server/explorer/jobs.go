package explorer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/latent-go/latent/collection"
)

// jobs are analyses that go on while pages are asked for, and what they found. They wait for each other.
type jobs struct {
	heavy  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	wg     *sync.WaitGroup
	mu     *sync.Mutex
	byKey  map[jobKey]*job
}

type jobKey struct{ collection, vector, kind string }

// job is one analysis; its fields below col are guarded by jobs.mu.
type job struct {
	col         *collection.Collection // a collection made anew under the same name has none of its jobs
	running     bool
	stage       string
	done, total int
	result      any   // of the last run that went well
	err         error // of the last run
	ended       time.Time
	version     uint64 // of the collection when the result was begun
}

func newJobs(heavy chan struct{}) jobs {
	ctx, cancel := context.WithCancel(context.Background())
	return jobs{heavy: heavy, ctx: ctx, cancel: cancel, wg: new(sync.WaitGroup), mu: new(sync.Mutex), byKey: map[jobKey]*job{}}
}

func (j *jobs) close() {
	j.mu.Lock()
	j.cancel()
	j.mu.Unlock()
	j.wg.Wait()
}

// progress tells a job how far it is.
type progress func(stage string) func(done, total int)

// get returns a copy of a job as it is now, the zero job if there was none for col.
func (j *jobs) get(col *collection.Collection, vector, kind string) job {
	j.mu.Lock()
	defer j.mu.Unlock()
	if b := j.byKey[jobKey{col.Name(), vector, kind}]; b != nil && b.col == col {
		return *b
	}
	return job{}
}

// start runs work, unless it is running.
func (j *jobs) start(col *collection.Collection, vector, kind string, work func(context.Context, progress) (any, error)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.of(col, vector, kind)
	if b.running || j.ctx.Err() != nil {
		return
	}
	b.running, b.stage, b.done, b.total = true, "waiting for another analysis", 0, 0
	j.wg.Go(func() {
		var version uint64
		result, err := func() (_ any, err error) {
			defer func() {
				if p := recover(); p != nil { // must not end the server
					err = fmt.Errorf("a bug was met: %v", p)
				}
			}()
			select {
			case j.heavy <- struct{}{}:
				defer func() { <-j.heavy }()
			case <-j.ctx.Done():
				return nil, j.ctx.Err()
			}
			if info, err := col.Info(); err == nil {
				version = info.Version
			}
			return work(j.ctx, func(stage string) func(int, int) {
				set := func(done, total int) {
					j.mu.Lock()
					b.stage, b.done, b.total = stage, done, total
					j.mu.Unlock()
				}
				set(0, 0)
				return set
			})
		}()
		j.mu.Lock()
		defer j.mu.Unlock()
		b.running, b.err, b.ended = false, err, time.Now()
		if result != nil {
			b.result, b.version = result, version
		}
	})
}

// put keeps what was found elsewhere.
func (j *jobs) put(col *collection.Collection, vector, kind string, result any, err error) {
	info, _ := col.Info()
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.of(col, vector, kind)
	b.result, b.err, b.ended, b.version = result, err, time.Now(), info.Version
}

// of returns a job to write to.
func (j *jobs) of(col *collection.Collection, vector, kind string) *job {
	key := jobKey{col.Name(), vector, kind}
	b := j.byKey[key]
	if b == nil || b.col != col {
		b = &job{col: col}
		j.byKey[key] = b
	}
	return b
}

// prune forgets jobs of collections that are gone.
func (j *jobs) prune(there func(*collection.Collection) bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, b := range j.byKey {
		if !b.running && !there(b.col) {
			delete(j.byKey, key)
		}
	}
}
