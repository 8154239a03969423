package collection

import (
	"context"
	"encoding/json"
	"errors"
	"maps"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/filter"
)

// changeSettings replaces the settings by what change makes of a copy; on disk first, then publish is called, under
// c.state. change is called with c.write held.
func (c *Collection) changeSettings(change func(*settings) error, publish func()) error {
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.writable(); err != nil {
		return err
	}
	next := c.settingsNow().clone()
	if err := change(&next); err != nil {
		return err
	}
	raw, err := json.Marshal(next)
	if err != nil {
		return wrong("configuration: %v", err)
	}
	b := c.db.NewBatch()
	b.Set(configKey, raw, nil)
	if err := c.commit(b, true, func() {
		c.settings = &next
		publish()
	}); err != nil {
		return err
	}
	if err := c.synced(b); err != nil {
		return err
	}
	c.nudge()
	return nil
}

// SetConfig changes what can be changed of a collection that is there: plans and the shape of graphs, IDF, Metadata and
// Wire. Vectors come and go with AddVector, AddSparse and DropVector.
func (c *Collection) SetConfig(ctx context.Context, cfg Config) error {
	if err := errors.Join(ctx.Err(), cfg.check()); err != nil {
		return err
	}
	cfg = cfg.clone()
	sparse := map[string]*sparseSpace{}
	return c.changeSettings(func(s *settings) error {
		if len(cfg.Vectors) != len(s.Config.Vectors) || len(cfg.Sparse) != len(s.Config.Sparse) {
			return wrong("vectors cannot come or go with a change of configuration")
		}
		for name, v := range cfg.Vectors {
			old, ok := s.Config.Vectors[name]
			if !ok {
				return noVector(name)
			}
			if old.Size != v.Size || old.Distance != v.Distance || old.Multi != v.Multi {
				return wrong("vector %q: size, distance and multivectors cannot be changed; make another vector or collection", name)
			}
		}
		for name, v := range cfg.Sparse {
			old, ok := s.Config.Sparse[name]
			if !ok {
				return noVector(name)
			}
			if old != v {
				made := newSparseSpace(s.UIDs[name], v)
				if err := c.feedSparse(ctx, made, c.live); err != nil {
					return err
				}
				sparse[name] = made
			}
		}
		s.Config = cfg
		return nil
	}, func() {
		for name, v := range cfg.Vectors {
			s := c.spaces[name]
			s.config, s.tried, s.optimizerError = v, 0, nil
		}
		c.sparse = maps.Clone(c.sparse)
		maps.Copy(c.sparse, sparse)
	})
}

// AddVector gives a collection one more named vector, which its points do not have yet.
func (c *Collection) AddVector(ctx context.Context, name string, v VectorConfig) error {
	if err := errors.Join(ctx.Err(), v.check(name)); err != nil {
		return err
	}
	var uid uint32
	return c.changeSettings(func(s *settings) error {
		if err := s.vacant(name); err != nil {
			return err
		}
		if s.Config.Vectors == nil {
			s.Config.Vectors = map[string]VectorConfig{}
		}
		s.Config.Vectors[name] = v
		uid = s.Next
		s.name(name)
		return s.Config.check()
	}, func() {
		missing := roaring.New()
		missing.AddRange(0, uint64(c.n))
		c.spaces = maps.Clone(c.spaces)
		c.spaces[name] = &space{uid: uid, config: v, missing: missing}
	})
}

// AddSparse is AddVector for a sparse vector.
func (c *Collection) AddSparse(ctx context.Context, name string, v SparseConfig) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var uid uint32
	return c.changeSettings(func(s *settings) error {
		if err := s.vacant(name); err != nil {
			return err
		}
		if s.Config.Sparse == nil {
			s.Config.Sparse = map[string]SparseConfig{}
		}
		s.Config.Sparse[name] = v
		uid = s.Next
		s.name(name)
		return s.Config.check()
	}, func() {
		c.sparse = maps.Clone(c.sparse)
		c.sparse[name] = newSparseSpace(uid, v)
	})
}

func (s *settings) vacant(name string) error {
	if _, ok := s.UIDs[name]; ok {
		return failed(ErrExists, "Vector `%s` already exists!", name)
	}
	return nil
}

// DropVector takes a named vector away from all points.
func (c *Collection) DropVector(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.changeSettings(func(s *settings) error {
		if _, ok := s.UIDs[name]; !ok {
			return failed(ErrNotFound, "Not existing vector name error: %s", name)
		}
		delete(s.UIDs, name)
		delete(s.Config.Vectors, name)
		delete(s.Config.Sparse, name)
		return nil
	}, func() {
		if s := c.spaces[name]; s != nil {
			c.spaces = maps.Clone(c.spaces)
			delete(c.spaces, name)
			c.retire(s.free)
		}
		c.sparse = maps.Clone(c.sparse)
		delete(c.sparse, name)
	})
}

// Status says whether what is derived has caught up.
type Status string

const (
	Green  Status = "green"  // it has
	Yellow Status = "yellow" // it is being worked on; searches scan meanwhile, and find the same
	Red    Status = "red"    // the collection takes no writes
)

// Info is what there is to know of a collection at one moment.
type Info struct {
	Points         int
	Vectors        int // dense ones, of all names
	IndexedVectors int // of these, in an index
	Segments       int // indexes, and what is scanned of each name
	Status         Status
	OptimizerError string            // why an index could not be built; "" if there is nothing to tell
	Plans          map[string]string // by vector: the plan of the index in use, "f32|flat" where all is scanned
	Fields         map[string]FieldInfo
	Version        uint64
	Bytes          int64 // on disk, of points
}

// FieldInfo is what there is to know of a payload index.
type FieldInfo struct {
	Schema json.RawMessage
	Points int // that have a value in it
}

// Info tells about the collection.
func (c *Collection) Info() (Info, error) {
	v, err := c.view()
	if err != nil {
		return Info{}, err
	}
	defer v.release()
	in := Info{Points: int(v.live.GetCardinality()), Status: Green, Plans: map[string]string{}, Fields: c.fieldInfo(v), Version: v.version}
	for name, s := range v.spaces {
		all := roaring.AndNot(v.live, s.missing)
		n := int(all.GetCardinality())
		in.Vectors += n
		in.Plans[name] = "f32|flat"
		in.Segments++
		if s.index != nil {
			all.RemoveRange(uint64(s.reach), 1<<32)
			in.IndexedVectors += int(all.GetCardinality())
			in.Plans[name] = s.index.plan.String()
			in.Segments++
		}
	}
	c.state.RLock()
	for _, s := range c.spaces {
		if s.optimizerError != nil {
			in.OptimizerError = s.optimizerError.Error()
		}
	}
	if c.busy {
		in.Status = Yellow
	}
	c.state.RUnlock()
	if c.failure.Load() != nil {
		in.Status = Red
		in.OptimizerError = c.writable().Error()
	}
	in.Bytes = int64(c.db.Metrics().DiskSpaceUsage())
	return in, nil
}

func (c *Collection) fieldInfo(v *view) map[string]FieldInfo {
	out := map[string]FieldInfo{}
	c.fields.Read(func(ix *filter.Index) error { // which returns no error of its own
		field := ix.Key().String()
		out[field] = FieldInfo{v.settings.Fields[field], ix.Count(v.live)}
		return nil
	})
	return out
}
