package collection

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// work is a collection's one goroutine in the background, which keeps up what is derived.
type work struct {
	cancel  context.CancelFunc
	done    sync.WaitGroup
	wake    chan struct{}
	tending sync.Mutex // held by who changes indexes and chunks
	busy    bool       // there is work that matters for speed; under Collection.state
}

func (c *Collection) start() {
	c.wake = make(chan struct{}, 1)
	if c.store.o.Still {
		return
	}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	c.done.Go(func() { c.tendAlways(ctx) })
	c.nudge()
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

// idle is how long nothing may happen before what is small is tidied up as well.
const idle = 2 * time.Second

func (c *Collection) tendAlways(ctx context.Context) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		quiet := false
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			quiet = true
		case <-c.wake:
		}
		if err := c.tend(ctx, quiet); err != nil && ctx.Err() == nil && c.failure.Load() == nil {
			c.store.log.Error("maintenance", "collection", c.Name(), "error", err)
		}
		if !quiet {
			timer.Reset(idle)
		}
	}
}

// tend brings what is derived up to date: full chunks go to files, what is new into indexes, what is dead out of them. With
// all, also what is so little that it could wait.
func (c *Collection) tend(ctx context.Context, all bool) error {
	c.tending.Lock()
	defer c.tending.Unlock()
	if err := c.writable(); err != nil {
		return err
	}
	err := c.tendChunks(ctx)
	c.state.RLock()
	names := make([]string, 0, len(c.spaces))
	for name := range c.spaces {
		names = append(names, name)
	}
	logged, points := c.logged, int(c.live.GetCardinality())
	c.state.RUnlock()
	for _, name := range names {
		err = errors.Join(err, c.tendIndex(ctx, name, all))
	}
	c.state.Lock()
	c.busy = false
	c.state.Unlock()
	c.forgetMany()
	c.state.RLock()
	oldest := c.oldestLocked()
	c.state.RUnlock()
	c.fields.Trim(oldest)
	if logged > checkpointEvery || all && logged > 100 || all && logged > 0 && points < 1000 {
		err = errors.Join(err, c.checkpoint())
	}
	return err
}

// A checkpoint is written after so many versions, and when nothing happens.
const checkpointEvery = 4096

// forgetMany is forget when there is much to forget.
func (c *Collection) forgetMany() {
	c.state.RLock()
	many := c.buried.GetCardinality() > 10_000+c.live.GetCardinality()/8
	c.state.RUnlock()
	if many {
		c.write.Lock()
		c.forget()
		c.write.Unlock()
	}
}

// settle does all that would be done with time, as far as it spares work at the next opening.
func (c *Collection) settle(ctx context.Context) error {
	c.tending.Lock()
	defer c.tending.Unlock()
	err := c.tendChunks(ctx)
	v, err2 := c.view()
	if err2 != nil {
		return errors.Join(err, err2)
	}
	defer v.release()
	for _, s := range v.spaces {
		if x := s.index; x != nil && x.unsaved() > max(1000, int(x.held.GetCardinality())/50) {
			err = errors.Join(err, c.saveIndex(s, x, v.n))
		}
	}
	return errors.Join(err, c.checkpoint())
}

// unsaved is how many slots an index holds that its files do not, or the other way round.
func (x *slotIndex) unsaved() int {
	if x.saved == nil {
		return int(x.held.GetCardinality())
	}
	return int(roaring.Xor(x.held, x.saved).GetCardinality())
}

// tendChunks writes full chunks to files and lets go of those whose points are all gone.
func (c *Collection) tendChunks(ctx context.Context) error {
	v, err := c.view()
	if err != nil {
		return err
	}
	defer v.release()
	synced := false
	for name, s := range v.spaces {
		for at, ch := range s.chunks[:min(len(s.chunks), int(v.n>>chunkBits))] { // the full ones
			inUse := v.live.IntersectsWithInterval(uint64(at)<<chunkBits, uint64(at+1)<<chunkBits)
			if ch == nil || ch.file != nil && inUse {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if !inUse {
				c.swapChunk(name, s.uid, at, ch, nil)
				if ch.file != nil {
					if err := c.store.files.Remove(c.path(derivedDir, rowsName(s.uid, at))); err != nil {
						return err
					}
				}
				continue
			}
			if !synced {
				if err := c.syncLog(); err != nil {
					return err
				}
				synced = true
			}
			if err := c.writeRows(s, at); err != nil {
				return err
			}
			if !c.store.files.disk() {
				continue // read whole, it would be no smaller
			}
			mapped, err := c.openRows(rowsName(s.uid, at), &space{uid: s.uid, config: s.config}, at)
			if err != nil {
				return err
			}
			c.swapChunk(name, s.uid, at, ch, mapped)
		}
	}
	return nil
}

// swapChunk puts one chunk in the place of another, which goes when no reader has it.
func (c *Collection) swapChunk(name string, uid uint32, at int, old, new *chunk) {
	c.state.Lock()
	defer c.state.Unlock()
	s := c.spaces[name]
	if s == nil || s.uid != uid || s.chunks[at] != old {
		new.close()
		return
	}
	s.replace(at, new)
	c.retire(old.close)
}

// tailLimit is how many vectors may wait to be put into an index: so few that to scan them costs little beside a search.
// A search of a graph measures some 2,000 rows at random; these lie one after another.
func tailLimit(size int) int { return max(256, 1<<17/size) }

// tendIndex brings the index of one vector up to date.
func (c *Collection) tendIndex(ctx context.Context, name string, all bool) error {
	v, err := c.view()
	if err != nil {
		return err
	}
	defer v.release()
	s := v.spaces[name]
	if s == nil {
		return nil
	}
	slots := roaring.AndNot(v.live, s.missing)
	n := int(slots.GetCardinality())
	p, want := planFor(s.config, n)
	x := s.index
	if x != nil && x.asked == asked(s.config) && (want || n >= indexFrom/2) {
		outgrown := x.fitted < fitRows && n >= 4*x.fitted && x.learns()
		if !outgrown {
			return c.catchUp(ctx, v, name, slots, all)
		}
	}
	if !want {
		if x != nil {
			c.setIndex(name, s.uid, nil, 0)
			names, _ := c.indexFolders(s.uid)
			for _, name := range names {
				err = errors.Join(err, c.store.files.RemoveAll(c.path(derivedDir, name)))
			}
		}
		return err
	}
	c.state.RLock()
	tried := 0
	if s := c.spaces[name]; s != nil {
		tried = s.tried
	}
	c.state.RUnlock()
	if tried > 0 && n < tried+tried/10 {
		return nil
	}
	c.setBusy()
	x, err = build(ctx, s, p, slots)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.noteTrial(name, n, err)
		return err
	}
	if !c.setIndex(name, s.uid, x, v.n) {
		x.close()
		return nil
	}
	return c.saveIndex(s, x, v.n)
}

// learns says whether the index depends on the vectors it was begun with.
func (x *slotIndex) learns() bool {
	return x.plan.PCA.Components > 0 || x.plan.PCA.Variance > 0 || x.plan.Index == "ivf" || x.plan.Codec != "f32" && x.plan.Codec != "f16"
}

func (c *Collection) setBusy() {
	c.state.Lock()
	c.busy = true
	c.state.Unlock()
}

// noteTrial notes that no index could be built of so many vectors, until there are more or setIndex has one.
func (c *Collection) noteTrial(name string, n int, err error) {
	c.state.Lock()
	defer c.state.Unlock()
	if s := c.spaces[name]; s != nil {
		s.tried, s.optimizerError = n, err
	}
}

// setIndex makes x the index of a space, holding what it should of slots below reach; false if the space is gone.
func (c *Collection) setIndex(name string, uid uint32, x *slotIndex, reach uint32) bool {
	c.state.Lock()
	defer c.state.Unlock()
	s := c.spaces[name]
	if s == nil || s.uid != uid {
		return false
	}
	old := s.index
	s.index, s.reach = x, reach
	if x != nil {
		s.tried, s.optimizerError = 0, nil
	}
	if old != x {
		c.retire(old.close)
	} else {
		c.changed()
	}
	return true
}

// catchUp takes into the index of a space what is new in v, and out of it what is in no view any more.
func (c *Collection) catchUp(ctx context.Context, v *view, name string, slots *roaring.Bitmap, all bool) error {
	s := v.spaces[name]
	x := s.index
	fresh := roaring.AndNot(slots, x.held)
	if n := int(fresh.GetCardinality()); n > tailLimit(s.config.Size) || all && n > 0 {
		if n > 4*tailLimit(s.config.Size) {
			c.setBusy()
		}
		// In parts, so that searches have less and less to scan.
		for lo := 0; !fresh.IsEmpty(); lo++ {
			part := firstOf(fresh, blockRows)
			if err := x.add(ctx, s, part); err != nil {
				return err
			}
			fresh.AndNot(part)
			reach := v.n
			if !fresh.IsEmpty() {
				reach = fresh.Minimum()
			}
			if !c.setIndex(name, s.uid, x, reach) {
				return nil
			}
		}
	}
	dead := x.held.Clone()
	c.state.RLock()
	dead.AndNot(c.live)
	for _, o := range c.views {
		dead.AndNot(o.live)
	}
	c.state.RUnlock()
	if n := int(dead.GetCardinality()); n > 100 || all && n > 0 {
		x.ix.Delete(dead.ToArray()...)
		x.held.AndNot(dead)
	}
	if n := x.unsaved(); n > max(4096, int(x.held.GetCardinality())/4) || all && n > max(1000, int(x.held.GetCardinality())/50) {
		return c.saveIndex(s, x, v.n)
	}
	return nil
}

// firstOf returns the n least of a bitmap.
func firstOf(b *roaring.Bitmap, n int) *roaring.Bitmap {
	buf := make([]uint32, n)
	return roaring.BitmapOf(buf[:b.ManyIterator().NextMany(buf)]...)
}
