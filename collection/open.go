package collection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
)

// Collection is one collection of a store, safe for concurrent use.
//
// Its locks are taken in the order write, state. Writers hold write from reading what there is to publishing what will
// be; state is held for a moment, to publish or to take a view.
type Collection struct {
	store  *Store
	folder string
	db     *pebble.DB

	write    sync.Mutex
	deriving sync.Mutex  // held by what needs the log to stay: before write
	unsynced atomic.Bool // something was written without durable
	failure  atomic.Pointer[error]
	stuck    atomic.Bool   // Pebble stopped with its locks held: it cannot be closed
	dead     chan struct{} // closed when it is stuck in its background
	errors   atomic.Int32  // in its background
	open     atomic.Bool   // Pebble is

	state    sync.RWMutex
	name     string
	closed   bool
	settings *settings // replaced, never changed
	version  uint64
	n        uint32          // slots given out
	live     *roaring.Bitmap // slots in use
	buried   *roaring.Bitmap // slots that died and may still stand in payload indexes
	ids      []point.ID      // by slot
	spaces   map[string]*space
	fields   *filter.Fields          // payload indexes, with a lock of their own
	sparse   map[string]*sparseSpace // sparse vectors, by name; replaced, never changed: views share it
	logged   int                     // versions since the last checkpoint

	current  *view
	views    []*view
	nextView uint64
	retired  []retired
	drained  *sync.Cond // of views; on state

	notes []string // derived files that could not be used when the collection was opened, and why

	work
}

const settingsFormat = 1

// createCollection makes a collection's folder and database.
func createCollection(s *Store, name, folder string, cfg Config) error {
	dir := s.path(collectionsDir, folder)
	if err := s.files.mkdir(dir); err != nil {
		return fmt.Errorf("collection: create: %w", err)
	}
	set := &settings{Format: settingsFormat, Name: name, UIDs: map[string]uint32{}, Next: 1, Fields: map[string][]byte{}}
	for _, name := range slices.Sorted(maps.Keys(cfg.Vectors)) {
		set.name(name)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Sparse)) {
		set.name(name)
	}
	set.Config = cfg
	c := &Collection{store: s, folder: folder}
	if err := c.openDB(); err != nil {
		return err
	}
	b, err := json.Marshal(set)
	if err != nil {
		return errors.Join(wrong("configuration: %v", err), c.closeDB())
	}
	err = c.attempt(func() error { return c.db.Set(configKey, b, pebble.Sync) })
	return errors.Join(err, c.closeDB(), c.readOnly())
}

// name gives a vector's name its number.
func (s *settings) name(name string) {
	s.UIDs[name] = s.Next
	s.Next++
}

func (c *Collection) path(elem ...string) string {
	return c.store.path(append([]string{collectionsDir, c.folder}, elem...)...)
}

// openDB opens the Pebble of a collection.
func (c *Collection) openDB() (err error) {
	c.dead = make(chan struct{})
	o := &pebble.Options{
		FS:                    dbFS{c.store.o.FS, c},
		Cache:                 c.store.cache,
		FileCache:             c.store.fds,
		DisableTableStats:     true, // collected in a goroutine that panics when Open fails meanwhile
		FormatMajorVersion:    pebble.FormatValueSeparation,
		MemTableSize:          32 << 20,
		L0CompactionThreshold: 4,
		Logger:                dbLog{c},
		EventListener: &pebble.EventListener{
			BackgroundError: c.backgroundError,
		},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	err = c.attempt(func() error {
		db, err := pebble.Open(c.path(pointsDir), o)
		if err == nil {
			c.db = db
			c.open.Store(true)
		}
		return err
	})
	if err == nil {
		return nil
	}
	if text, _, _ := strings.Cut(err.Error(), "\n"); missing(err) && c.failure.Load() == nil { // a file that another names
		return failed(ErrCorrupt, "%s: %s", c.path(pointsDir), text)
	}
	return explainOpen(fmt.Errorf("collection: %s: %w", c.path(pointsDir), err))
}

// fail notes that a write failed, after which there are no more.
func (c *Collection) fail(err error) {
	if c.failure.CompareAndSwap(nil, &err) {
		c.store.log.Error("collection takes no more writes", "collection", c.folder, "error", err)
	}
}

// writable returns why the collection takes no writes, nil if it does.
func (c *Collection) writable() error {
	if c.isClosed() {
		return errClosed
	}
	return c.readOnly()
}

// readOnly is writable for a collection that is open.
func (c *Collection) readOnly() error {
	if err := c.failure.Load(); err != nil {
		return failed(ErrReadOnly, "the collection takes no writes after an error of the disk; see to the disk, then restart: %v", *err)
	}
	return nil
}

func (c *Collection) isClosed() bool {
	c.state.RLock()
	defer c.state.RUnlock()
	return c.closed
}

// Name is the collection's name.
func (c *Collection) Name() string {
	c.state.RLock()
	defer c.state.RUnlock()
	return c.name
}

// Config is what the collection was made with, and changed to since.
func (c *Collection) Config() Config { return c.settingsNow().Config.clone() }

func (c *Collection) settingsNow() *settings {
	c.state.RLock()
	defer c.state.RUnlock()
	return c.settings
}

// openCollection opens a collection and loads what is derived, or makes it again.
func openCollection(s *Store, name, folder string) (_ *Collection, err error) {
	c := &Collection{store: s, folder: folder, name: name, live: roaring.New(), buried: roaring.New(), spaces: map[string]*space{}, sparse: map[string]*sparseSpace{}, fields: &filter.Fields{}}
	c.drained = sync.NewCond(&c.state)
	if err := c.openDB(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.closeDB()
		}
	}()
	set := &settings{}
	ok, err := get(c.db, configKey, func(b []byte) error { return json.Unmarshal(b, set) })
	switch {
	case err != nil:
		return nil, failed(ErrCorrupt, "%s: configuration: %v", c.path(pointsDir), err)
	case !ok:
		return nil, failed(ErrCorrupt, "%s has no configuration", c.path(pointsDir))
	case set.Format != settingsFormat:
		return nil, fmt.Errorf("collection: %s has format %d; this program reads format %d: use the one that wrote it", c.path(), set.Format, settingsFormat)
	}
	c.settings = set
	for name, v := range set.Config.Vectors {
		c.spaces[name] = &space{uid: set.UIDs[name], config: v, missing: roaring.New()}
	}
	for name, v := range set.Config.Sparse {
		c.sparse[name] = newSparseSpace(set.UIDs[name], v)
	}
	if err := c.load(context.Background()); errors.Is(err, ErrCorrupt) {
		return nil, failed(ErrCorrupt, "%s: %v", c.path(pointsDir), err)
	} else if err != nil {
		return nil, err
	}
	c.start()
	return c, nil
}

// flush syncs what was written without durable.
func (c *Collection) flush() {
	if !c.unsynced.Swap(false) || c.writable() != nil {
		return
	}
	if err := c.syncLog(); err != nil {
		c.store.log.Error("what was written last is not on disk", "collection", c.Name(), "error", err)
	}
}

// commitQuietly is commit for a batch that readers cannot see. c.write is held.
func (c *Collection) commitQuietly(b *pebble.Batch, durable bool) error {
	if err := c.writable(); err != nil {
		return err
	}
	c.log(b, durable)
	return c.writable()
}

// close closes the collection; keep says that it will be opened again, so that what is derived is worth writing down.
func (c *Collection) close(keep bool) error {
	c.flush()
	c.halt()
	var err error
	if keep && c.failure.Load() == nil && !c.store.o.Still {
		err = c.settle(context.Background())
	}
	if keep && c.failure.Load() == nil {
		// Tables know damage by their checksums; at the end of a log it looks like a write that a crash cut short.
		err = errors.Join(err, c.attempt(c.db.Flush))
	}
	c.write.Lock()
	defer c.write.Unlock()
	c.state.Lock()
	if c.closed {
		c.state.Unlock()
		return nil
	}
	c.closed = true
	c.changed()
	c.state.Unlock()
	c.drain() // of readers
	for _, s := range c.spaces {
		s.free()
	}
	return errors.Join(err, c.closeDB())
}

// closeDB closes the database, if that can be.
func (c *Collection) closeDB() error {
	if c.stuck.Load() {
		return nil // its locks are held for ever
	}
	return c.attempt(c.db.Close)
}
