package explorer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/latent-go/latent/collection"
)

// jobs are analyses that go on while pages are asked for, and what they found. They wait for each other. The collection
// keeps what was found, for the next start of the server.
type jobs struct {
	heavy  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	wg     *sync.WaitGroup
	mu     *sync.Mutex
	byKey  map[jobKey]*job
	log    *slog.Logger
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
	points      int    // that it had
}

func newJobs(heavy chan struct{}, log *slog.Logger) jobs {
	ctx, cancel := context.WithCancel(context.Background())
	return jobs{heavy: heavy, ctx: ctx, cancel: cancel, wg: new(sync.WaitGroup), mu: new(sync.Mutex), byKey: map[jobKey]*job{}, log: log}
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
		var of collection.Info
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
			if of, err = col.Info(); err != nil {
				return nil, err
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
		b.running, b.err, b.ended = false, err, time.Now()
		if result != nil {
			b.result, b.version, b.points = result, of.Version, of.Points
		}
		now := *b
		j.mu.Unlock()
		if result != nil {
			j.keep(now, vector, kind)
		}
	})
}

// put keeps what was found elsewhere.
func (j *jobs) put(col *collection.Collection, vector, kind string, result any, err error) {
	info, _ := col.Info()
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.of(col, vector, kind)
	b.result, b.err, b.ended, b.version, b.points = result, err, time.Now(), info.Version, info.Points
	if now := *b; j.ctx.Err() == nil {
		j.wg.Go(func() { j.keep(now, vector, kind) })
	}
}

// keep has the collection keep a result.
func (j *jobs) keep(b job, vector, kind string) {
	if err := b.col.Keep(vector, kind, collection.Finding{At: b.ended, Version: b.version, Points: b.points}, b.result); err != nil {
		j.log.Warn("what was found out is lost with this process", "collection", b.col.Name(), "vector", vector, "kind", kind, "error", err)
	}
}

// remember is get, and looks for what the collection has kept where there was no job yet. empty is a pointer to read it to.
func (j *jobs) remember(col *collection.Collection, vector, kind string, empty any) job {
	if b := j.get(col, vector, kind); b.col != nil {
		return b
	}
	f, ok := col.Kept(vector, kind, empty)
	if !ok {
		return job{}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if b := j.of(col, vector, kind); b.result == nil { // and none came meanwhile
		b.result, b.ended, b.version, b.points = empty, f.At, f.Version, f.Points
	}
	return *j.of(col, vector, kind)
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
