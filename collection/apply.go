package collection

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
)

// Op is one change to some points: one of the types below.
type Op interface{ op() }

// Selector says which points an Op is for: those of IDs, or if IDs is nil those that Filter lets through.
type Selector struct {
	IDs    []point.ID
	Filter *filter.Filter
}

// Upsert stores points; one with the ID of another replaces it.
type Upsert struct {
	Points []point.Point
	Mode   Mode
	Only   *filter.Filter // if not nil, points that are there are replaced only if it lets them through
}

// Mode says which points an Upsert stores.
type Mode uint8

const (
	InsertOrUpdate Mode = iota
	InsertOnly          // those that are new
	UpdateOnly          // those that are there
)

// Delete removes points. IDs that are no point's are passed over.
type Delete struct{ Selector }

// SetVectors stores vectors of points that are there, and leaves their other vectors and their payload as they are. An ID
// that is no point's gives ErrNotFound.
type SetVectors struct {
	Points []point.Point  // their payload is not looked at
	Only   *filter.Filter // if not nil, the points that it lets through
}

// DeleteVectors removes the vectors of some names.
type DeleteVectors struct {
	Selector
	Names []string
}

// SetPayload sets the fields of Payload in the payload, or within the object that the path Key leads to, and leaves
// others. An ID that is no point's gives ErrNotFound.
type SetPayload struct {
	Selector
	Payload point.Payload
	Key     string
}

// OverwritePayload replaces the payload. An ID that is no point's gives ErrNotFound.
type OverwritePayload struct {
	Selector
	Payload point.Payload
}

// DeletePayload removes what the paths of Keys lead to.
type DeletePayload struct {
	Selector
	Keys []string
}

// ClearPayload removes the payload.
type ClearPayload struct{ Selector }

func (Upsert) op()           {}
func (Delete) op()           {}
func (SetVectors) op()       {}
func (DeleteVectors) op()    {}
func (SetPayload) op()       {}
func (OverwritePayload) op() {}
func (DeletePayload) op()    {}
func (ClearPayload) op()     {}

// Apply carries out ops in order, as one batch: all of it or, when it returns an error, nothing. The points changed get
// the version it returns. With durable it returns when the batch is on disk; else a crash within Options.FlushInterval may
// undo it.
//
// Bad input gives ErrInput, an ID that is not there, where one is needed, ErrNotFound. After an error of the disk it is not
// known whether the batch is there when the store is opened again; until then it is seen.
func (c *Collection) Apply(ctx context.Context, ops []Op, durable bool) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	p := &preparation{settings: c.settingsNow()}
	if err := p.prepare(ops); err != nil {
		return 0, err
	}
	c.write.Lock()
	unlocked := false
	defer func() {
		if !unlocked {
			c.write.Unlock()
		}
	}()
	if err := c.writable(); err != nil {
		return 0, err
	}
	if now := c.settingsNow(); now != p.settings { // names came or went meanwhile
		p = &preparation{settings: now}
		if err := p.prepare(ops); err != nil {
			return 0, err
		}
	}
	t := &transaction{c: c, ctx: ctx, settings: p.settings, points: map[point.ID]*pending{}}
	defer t.end()
	for i, op := range ops {
		if err := t.do(op, p.upserts[i]); err != nil {
			return 0, err
		}
	}
	b, err := t.batch()
	if err != nil {
		return 0, err
	}
	if err := c.commit(b, durable, t.publish); err != nil {
		return 0, err // b is left to the collector: Pebble may still hold it
	}
	version := c.version
	unlocked = true
	c.write.Unlock()
	if durable {
		err = c.synced(b)
	} else {
		b.Close()
	}
	c.nudge()
	return version, err
}

// commit writes a batch to the log and to memory, and publishes it. c.write is held. What is durable has to wait for
// synced.
func (c *Collection) commit(b *pebble.Batch, durable bool, publish func()) error {
	c.state.Lock()
	defer c.state.Unlock()
	if !c.log(b, durable) {
		return c.readOnly()
	}
	if !durable {
		c.unsynced.Store(true)
	}
	c.changed()
	publish()
	return nil
}

// log writes a batch to the log and to memory; false after an error, which it notes.
func (c *Collection) log(b *pebble.Batch, durable bool) bool {
	err := c.attempt(func() error {
		if durable {
			return c.db.ApplyNoSyncWait(b, pebble.Sync)
		}
		return c.db.Apply(b, pebble.NoSync)
	})
	if err != nil {
		c.fail(err)
	}
	return err == nil
}

// synced waits until a batch is on disk, together with others that wait.
func (c *Collection) synced(b *pebble.Batch) error {
	if err := c.attempt(b.SyncWait); err != nil {
		c.fail(err) // and leave b to the collector: Pebble may still hold it
		return c.writable()
	}
	b.Close()
	return c.writable()
}

// preparation is what can be done to ops before it is their turn.
type preparation struct {
	settings *settings
	upserts  [][]ready // by op: the points of an Upsert or SetVectors
}

type ready struct {
	id      point.ID
	vectors stored
	payload []byte
	values  point.Payload
}

func (p *preparation) prepare(ops []Op) error {
	p.upserts = make([][]ready, len(ops))
	for i, op := range ops {
		var points []point.Point
		switch op := op.(type) {
		case Upsert:
			points = op.Points
		case SetVectors:
			points = op.Points
		case DeleteVectors:
			for _, name := range op.Names {
				if _, ok := p.settings.UIDs[name]; !ok {
					return noVector(name)
				}
			}
		case SetPayload:
			if _, err := payloadPath(op.Key); op.Key != "" && err != nil {
				return err
			}
			if _, err := encodePayload(op.Payload); err != nil {
				return wrong("payload: %v", err)
			}
		case OverwritePayload:
			if _, err := encodePayload(op.Payload); err != nil {
				return wrong("payload: %v", err)
			}
		case DeletePayload:
			for _, key := range op.Keys {
				if _, err := payloadPath(key); err != nil {
					return err
				}
			}
		}
		for _, pt := range points {
			r := ready{id: pt.ID, values: pt.Payload}
			var err error
			if r.vectors, err = p.settings.admit(pt.Vectors); err != nil {
				return err
			}
			if _, ok := op.(Upsert); ok {
				if r.payload, err = encodePayload(pt.Payload); err != nil {
					return wrong("payload of point %s: %v", pt.ID, err)
				}
			}
			p.upserts[i] = append(p.upserts[i], r)
		}
	}
	return nil
}

// admit checks the vectors of a point against the collection's, and returns them as they are kept.
func (s *settings) admit(vs point.Vectors) (stored, error) {
	out := make(stored, 0, len(vs))
	for name, v := range vs {
		var err error
		if c, ok := s.Config.Vectors[name]; ok {
			v, err = admit(v, c)
		} else if _, ok := s.Config.Sparse[name]; ok {
			v, err = admitSparse(v)
		} else {
			err = noVector(name)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, storedVector{s.UIDs[name], v})
	}
	slices.SortFunc(out, func(a, b storedVector) int { return int(a.uid) - int(b.uid) })
	return out, nil
}

// transaction is a batch on its way: the points it has touched, as they will be.
type transaction struct {
	c        *Collection
	ctx      context.Context
	settings *settings
	points   map[point.ID]*pending
	order    []*pending
	v        *view // for filters, once one was met

	version uint64
}

type pending struct {
	id       point.ID
	was, is  bool // there
	oldSlot  uint32
	before   []byte        // payload as it was, JSON
	had      point.Payload // what before says, if the payload alone changes
	slot     uint32        // as it will be
	payload  []byte
	values   point.Payload // what payload says, if decoded
	decoded  bool
	vectors  stored
	loaded   bool // vectors are read
	newRows  bool
	newValue bool
}

func (t *transaction) end() {
	if t.v != nil {
		t.v.release()
	}
}

// point returns a point as it stands in this transaction.
func (t *transaction) point(id point.ID) (*pending, error) {
	if p, ok := t.points[id]; ok {
		return p, nil
	}
	rec, ok, err := readRecord(t.c.db, id)
	if err != nil {
		return nil, err
	}
	p := &pending{id: id, was: ok, is: ok, oldSlot: rec.slot, slot: rec.slot, payload: rec.payload, before: rec.payload}
	t.points[id] = p
	t.order = append(t.order, p)
	return p, nil
}

func (t *transaction) load(p *pending) (err error) {
	if !p.loaded && p.is {
		p.vectors, err = readVectors(t.c.db, p.oldSlot)
	}
	p.loaded = err == nil
	return err
}

func (t *transaction) decode(p *pending) (err error) {
	if !p.decoded {
		p.values, err = p.own()
		p.decoded = err == nil
	}
	return err
}

// own is the payload as values that no one else has.
func (p *pending) own() (point.Payload, error) {
	values, err := decodePayload(p.payload)
	if err != nil {
		return nil, failed(ErrCorrupt, "payload of point %s: %v", p.id, err)
	}
	if values == nil {
		values = point.Payload{}
	}
	return values, nil
}

func payloadPath(key string) (filter.Path, error) {
	path, err := filter.ParsePath(key)
	if err != nil {
		return path, failed(ErrInput, "Invalid json path: '%s': %v", key, err)
	}
	return path, nil
}

func (t *transaction) setPayload(p *pending, values point.Payload) (err error) {
	if p.payload, err = encodePayload(values); err != nil {
		return wrong("payload of point %s: %v", p.id, err)
	}
	p.values, p.decoded, p.newValue = values, true, true
	return nil
}

// passing returns what says whether a filter lets a point through as it stands in this transaction.
func (t *transaction) passing(f *filter.Filter) func(*pending) (bool, error) {
	if f == nil {
		return func(*pending) (bool, error) { return true, nil }
	}
	ok := f.Compile(t.c.fields.Tokenizers())
	return func(p *pending) (bool, error) {
		if err := errors.Join(t.decode(p), t.load(p)); err != nil {
			return false, err
		}
		return ok(&filter.Subject{ID: p.id, Payload: p.values, Has: func(name string) bool {
			uid, ok := t.settings.UIDs[name]
			_, has := p.vectors.of(uid)
			return ok && has
		}}), nil
	}
}

// selected calls f for each point of a selection that is there. With must, an ID that is not is an error.
func (t *transaction) selected(s Selector, must bool, f func(*pending) error) error {
	ids := s.IDs
	if ids == nil {
		var err error
		if ids, err = t.matching(s.Filter); err != nil {
			return err
		}
	}
	for _, id := range ids {
		p, err := t.point(id)
		if err != nil {
			return err
		}
		if !p.is {
			if must && s.IDs != nil {
				return failed(ErrNotFound, "No point with id %s found", id)
			}
			continue
		}
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// matching returns the points that a filter lets through: of those stored the ones that this transaction has not
// touched, and those that it has as they stand in it.
func (t *transaction) matching(f *filter.Filter) ([]point.ID, error) {
	if t.v == nil {
		var err error
		if t.v, err = t.c.view(); err != nil {
			return nil, err
		}
	}
	slots, err := t.v.matching(t.ctx, f)
	if err != nil {
		return nil, err
	}
	var ids []point.ID
	for it := slots.Iterator(); it.HasNext(); {
		id := t.v.ids[it.Next()]
		if t.points[id] == nil {
			ids = append(ids, id)
		}
	}
	passes := t.passing(f)
	for _, p := range t.order {
		if !p.is {
			continue
		}
		if ok, err := passes(p); err != nil {
			return nil, err
		} else if ok {
			ids = append(ids, p.id)
		}
	}
	return ids, nil
}

func (t *transaction) do(op Op, points []ready) error {
	switch op := op.(type) {
	case Upsert:
		passes := t.passing(op.Only)
		for _, r := range points {
			p, err := t.point(r.id)
			if err != nil {
				return err
			}
			if p.is && op.Mode == InsertOnly || !p.is && op.Mode == UpdateOnly {
				continue
			}
			if p.is {
				if ok, err := passes(p); err != nil {
					return err
				} else if !ok {
					continue
				}
			}
			p.is, p.newRows, p.newValue, p.loaded = true, true, true, true
			p.vectors, p.payload, p.values, p.decoded = r.vectors, r.payload, r.values, true
		}
		return nil
	case SetVectors:
		passes := t.passing(op.Only)
		for _, r := range points {
			p, err := t.point(r.id)
			if err != nil {
				return err
			}
			if !p.is {
				return failed(ErrNotFound, "No point with id %s found", r.id)
			}
			if ok, err := passes(p); err != nil {
				return err
			} else if !ok {
				continue
			}
			if err := t.load(p); err != nil {
				return err
			}
			p.vectors = p.vectors.with(r.vectors)
			p.newRows = true
		}
		return nil
	case DeleteVectors:
		return t.selected(op.Selector, false, func(p *pending) error {
			if err := t.load(p); err != nil {
				return err
			}
			kept := make(stored, 0, len(p.vectors))
			for _, v := range p.vectors {
				if !slices.ContainsFunc(op.Names, func(name string) bool { return t.settings.UIDs[name] == v.uid }) {
					kept = append(kept, v)
				}
			}
			p.newRows = p.newRows || len(kept) < len(p.vectors)
			p.vectors = kept
			return nil
		})
	case Delete:
		return t.selected(op.Selector, false, func(p *pending) error {
			*p = pending{id: p.id, was: p.was, oldSlot: p.oldSlot}
			return nil
		})
	case SetPayload:
		return t.selected(op.Selector, true, func(p *pending) error {
			values, err := p.own()
			if err != nil {
				return err
			}
			var path filter.Path // the payload itself
			if op.Key != "" {
				if path, err = payloadPath(op.Key); err != nil {
					return err
				}
			}
			path.Set(values, op.Payload)
			return t.setPayload(p, values)
		})
	case OverwritePayload:
		return t.selected(op.Selector, true, func(p *pending) error { return t.setPayload(p, op.Payload) })
	case DeletePayload:
		return t.selected(op.Selector, true, func(p *pending) error {
			values, err := p.own()
			if err != nil {
				return err
			}
			for _, key := range op.Keys {
				path, err := payloadPath(key)
				if err != nil {
					return err
				}
				path.Remove(values)
			}
			return t.setPayload(p, values)
		})
	case ClearPayload:
		return t.selected(op.Selector, false, func(p *pending) error { return t.setPayload(p, nil) })
	}
	return wrong("no operation %T", op)
}

// with returns the vectors of s with those of o in the place of the same names.
func (s stored) with(o stored) stored {
	out := slices.Clone(o)
	for _, v := range s {
		if _, ok := o.of(v.uid); !ok {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b storedVector) int { return int(a.uid) - int(b.uid) })
	return out
}

// batch writes down what has changed.
func (t *transaction) batch() (*pebble.Batch, error) {
	c := t.c
	b := c.db.NewBatch()
	t.version = c.version + 1
	next := c.n
	var key, value, log []byte
	note := func(kind byte, slot uint32, id point.ID) {
		log = appendChange(log, change{kind, slot, id})
	}
	for _, p := range t.order {
		if p.was && (!p.is || p.newRows) {
			b.Delete(vectorKey(p.oldSlot), nil)
			note(slotDied, p.oldSlot, p.id)
		}
		key = p.id.AppendKey(append(key[:0], keyPoint))
		if !p.is {
			if p.was {
				b.Delete(key, nil)
			}
			continue
		}
		switch {
		case p.newRows:
			if next >= maxSlots {
				b.Close()
				return nil, failed(ErrReadOnly, "collection %q has used up its %d slots; `latent export` and `latent import` give them back", c.Name(), uint32(maxSlots))
			}
			p.slot = next
			next++
			value = appendVectors(value[:0], p.vectors)
			b.Set(vectorKey(p.slot), value, nil)
			note(slotBorn, p.slot, p.id)
		case p.newValue:
			p.had, _ = decodePayload(p.before)
			note(slotPayload, p.slot, p.id)
		default:
			continue
		}
		t.decode(p) // for publish, which holds readers up; what was just encoded or read: no error
		value = appendRecord(value[:0], record{p.slot, t.version, p.payload})
		b.Set(key, value, nil)
	}
	// Also a batch that changes nothing has a version, so that no two have the same.
	b.Set(logKey(t.version), log, nil)
	b.Set(headKey, head{t.version, next}.encode(), nil)
	return b, nil
}

// maxSlots leaves room below 2³², so that a slot and the number of slots fit.
const maxSlots = 1<<32 - 1<<20

// publish makes the batch visible. c.state is held.
func (t *transaction) publish() {
	c := t.c
	for _, p := range t.order {
		if p.was && (!p.is || p.newRows) {
			c.bury(p.oldSlot)
		}
		switch {
		case p.is && p.newRows:
			c.bear(p.slot, p.id, p.vectors)
			c.fields.Put(p.slot, p.values)
		case p.is && p.newValue:
			c.fields.Change(t.version, p.slot, p.had, p.values)
		}
	}
	c.version = t.version
	c.logged++
}

// bury takes a slot out of use. c.state is held.
func (c *Collection) bury(slot uint32) {
	c.live.Remove(slot)
	c.buried.Add(slot)
}

// bear brings the next slot into use. c.state is held.
func (c *Collection) bear(slot uint32, id point.ID, vs stored) {
	c.n = slot + 1
	c.ids = append(c.ids, id)
	c.live.Add(slot)
	for _, s := range c.spaces {
		if v, ok := vs.of(s.uid); ok {
			s.put(slot, v)
		} else {
			s.missing.Add(slot)
		}
	}
	for _, s := range c.sparse {
		if v, ok := vs.of(s.uid); ok {
			s.ix.Put(slot, *v.Sparse)
		}
	}
}
