package collection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/latent-go/latent/artifact"
)

// Options say how a store works. The zero Options are the recommended ones.
type Options struct {
	FS            vfs.FS        // nil: the disk
	Log           *slog.Logger  // nil: nothing is logged
	FlushInterval time.Duration // what was written without durable is on disk after this; 0 means a second
	CacheBytes    int64         // of database blocks, for all collections; 0 means 128 MiB
	Still         bool          // build and write nothing derived, so that a check finds what there is
}

// Store is a folder of collections. It is safe for concurrent use; one process at a time can have it open.
type Store struct {
	o     Options
	files files
	dir   string
	log   *slog.Logger
	lock  io.Closer
	cache *pebble.Cache
	fds   *pebble.FileCache // of database files that are open

	change sync.Mutex // held by what changes the catalogue, throughout

	mu          sync.RWMutex
	catalogue   catalogue
	collections map[string]*Collection
	broken      map[string]error // collections that cannot be opened, and why
	closed      bool

	stop  context.CancelFunc
	tasks sync.WaitGroup
}

// The names in a store's folder.
const (
	catalogueFile  = "catalogue"
	lockFile       = "LOCK"
	collectionsDir = "collections"
	snapshotsDir   = "snapshots"
	pointsDir      = "points"  // in a collection's: its Pebble
	derivedDir     = "derived" // in a collection's: what can be made again
)

const catalogueKind = "store.catalogue"

// catalogue says which collections there are. It is one small artifact, replaced as a whole.
type catalogue struct {
	Collections map[string]string // name to folder
	Aliases     map[string]string // to name
	Next        uint64            // folder
}

func (c catalogue) clone() catalogue {
	c.Collections, c.Aliases = maps.Clone(c.Collections), maps.Clone(c.Aliases)
	return c
}

// place gives a collection a folder of its own.
func (c *catalogue) place(name string) (folder string) {
	folder = fmt.Sprintf("%06d", c.Next)
	c.Next++
	c.Collections[name] = folder
	return folder
}

// Open opens the store in a folder, which is made if it is not there. A collection that cannot be opened does not keep
// the others from it: Collection gives its error.
func Open(dir string, o Options) (_ *Store, err error) {
	s := &Store{o: o, dir: dir, collections: map[string]*Collection{}, broken: map[string]error{}}
	s.defaults()
	defer func() {
		if err != nil {
			s.shut()
			err = fmt.Errorf("collection: open %s: %w", dir, explainOpen(err))
		}
	}()
	if err := s.files.mkdir(dir); err != nil {
		return nil, err
	}
	if s.lock, err = s.files.Lock(s.path(lockFile)); err != nil {
		return nil, fmt.Errorf("another process has it open: %w", err)
	}
	if err := s.readCatalogue(); err != nil {
		return nil, err
	}
	if err := s.sweep(); err != nil {
		return nil, err
	}
	s.makeCaches()
	var wg sync.WaitGroup
	for name, folder := range s.catalogue.Collections {
		wg.Go(func() {
			c, err := openCollection(s, name, folder)
			s.mu.Lock()
			defer s.mu.Unlock()
			if err != nil {
				s.broken[name] = err
				s.log.Error("collection cannot be opened", "collection", name, "error", err)
				return
			}
			s.collections[name] = c
		})
	}
	wg.Wait()
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.tasks.Go(func() { s.flushEvery(ctx, s.o.FlushInterval) })
	return s, nil
}

// defaults fills in the options that were left to us.
func (s *Store) defaults() {
	o := &s.o
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FlushInterval <= 0 {
		o.FlushInterval = time.Second
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 128 << 20
	}
	s.files, s.log = files{o.FS}, o.Log
}

// makeCaches makes what all collections' databases share.
func (s *Store) makeCaches() {
	s.cache, s.fds = pebble.NewCache(s.o.CacheBytes), pebble.NewFileCache(4, 1000)
}

// explainOpen makes damage that Pebble or artifact met ErrCorrupt.
func explainOpen(err error) error {
	if c := new(artifact.CorruptError); errors.As(err, &c) {
		return failed(ErrCorrupt, "%v", err)
	}
	if pebble.IsCorruptionError(err) {
		return failed(ErrCorrupt, "%v", err)
	}
	return err
}

func (s *Store) path(elem ...string) string {
	return s.files.PathJoin(append([]string{s.dir}, elem...)...)
}

func (s *Store) readCatalogue() error {
	a, err := s.files.artifact(s.path(catalogueFile), catalogueKind, 1)
	if missing(err) {
		// A store that had one always has one: it is replaced by renaming.
		if names, err := s.files.list(s.path(collectionsDir)); err != nil {
			return err
		} else if len(names) > 0 {
			return failed(ErrCorrupt, "the file %q is missing, but there are collections: %q", catalogueFile, names)
		}
		s.catalogue = catalogue{Collections: map[string]string{}, Aliases: map[string]string{}, Next: 1}
		if err := s.files.mkdir(s.path(collectionsDir)); err != nil {
			return err
		}
		return s.writeCatalogue(s.catalogue)
	} else if err != nil {
		return err
	}
	defer a.Close()
	return a.Decode("catalogue", &s.catalogue)
}

// writeCatalogue makes next the catalogue, on disk first.
func (s *Store) writeCatalogue(next catalogue) error {
	err := s.files.write(s.path(catalogueFile), func(w io.Writer) error {
		_, err := artifact.Write(w, catalogueKind, 1, artifact.JSON("catalogue", next))
		return err
	})
	if err != nil {
		return fmt.Errorf("collection: write %s: %w", s.path(catalogueFile), err)
	}
	s.mu.Lock()
	s.catalogue = next
	s.mu.Unlock()
	return nil
}

// sweep removes what a crash left: folders of a collection on its way in or out, which no catalogue names, and snapshots
// that were not finished.
func (s *Store) sweep() error {
	names, err := s.files.list(s.path(collectionsDir))
	if err != nil {
		return err
	}
	known := slices.Collect(maps.Values(s.catalogue.Collections))
	for _, name := range names {
		if !slices.Contains(known, name) {
			if err := s.files.RemoveAll(s.path(collectionsDir, name)); err != nil {
				return err
			}
		}
	}
	folders, err := s.files.list(s.path(snapshotsDir, collectionsDir))
	if err != nil {
		return err
	}
	for _, name := range folders {
		if err := s.files.tidy(s.path(snapshotsDir, collectionsDir, name)); err != nil {
			return err
		}
	}
	return s.files.tidy(s.snapshots().dir)
}

// Close writes down what would otherwise be worked out again at the next Open, and closes the store. Requests under way
// end with errors.
func (s *Store) Close() error {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	return s.shut()
}

func (s *Store) shut() error {
	if s.stop != nil {
		s.stop()
	}
	s.tasks.Wait()
	var errs []error
	for _, c := range s.collections {
		errs = append(errs, c.close(true))
	}
	if s.cache != nil {
		s.fds.Unref()
		s.cache.Unref()
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// flushEvery syncs what was written without durable.
func (s *Store) flushEvery(ctx context.Context, d time.Duration) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, c := range s.all() {
			c.flush()
		}
	}
}

func (s *Store) all() []*Collection {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.collections))
}

var errClosed = errors.New("collection: the store is closed")

func (s *Store) open() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	return nil
}

// Create makes a collection. It is on disk when Create returns nil. A name in use gives ErrExists.
func (s *Store) Create(ctx context.Context, name string, cfg Config) error {
	if err := checkName("Collection", name); err != nil {
		return err
	}
	if err := cfg.check(); err != nil {
		return err
	}
	s.change.Lock()
	defer s.change.Unlock()
	if err := errors.Join(ctx.Err(), s.open(), s.free(name)); err != nil {
		return err
	}
	next := s.catalogue.clone()
	folder := next.place(name)
	if err := createCollection(s, name, folder, cfg.clone()); err != nil {
		return errors.Join(err, s.files.RemoveAll(s.path(collectionsDir, folder)))
	}
	c, err := openCollection(s, name, folder)
	if err != nil {
		return err
	}
	if err := s.writeCatalogue(next); err != nil {
		return errors.Join(err, c.close(false))
	}
	s.mu.Lock()
	s.collections[name] = c
	s.mu.Unlock()
	return nil
}

// free says whether a name can be given to a collection.
func (s *Store) free(name string) error {
	if _, ok := s.catalogue.Collections[name]; ok {
		return failed(ErrExists, "Collection `%s` already exists!", name)
	}
	if _, ok := s.catalogue.Aliases[name]; ok {
		return wrong("Can't create collection with name %s. Alias with the same name already exists", name)
	}
	return nil
}

// Delete removes a collection and its aliases; false if there was none. Its snapshots stay.
func (s *Store) Delete(ctx context.Context, name string) (bool, error) {
	s.change.Lock()
	defer s.change.Unlock()
	if err := errors.Join(ctx.Err(), s.open()); err != nil {
		return false, err
	}
	folder, ok := s.catalogue.Collections[name]
	if !ok {
		return false, nil
	}
	next := s.catalogue.clone()
	delete(next.Collections, name)
	maps.DeleteFunc(next.Aliases, func(_, to string) bool { return to == name })
	if err := s.writeCatalogue(next); err != nil {
		return false, err
	}
	s.mu.Lock()
	c := s.collections[name]
	delete(s.collections, name)
	delete(s.broken, name)
	s.mu.Unlock()
	if c != nil {
		if err := c.close(false); err != nil {
			s.log.Warn("closing a deleted collection", "collection", name, "error", err)
		}
	}
	if err := s.files.RemoveAll(s.path(collectionsDir, folder)); err != nil {
		s.log.Warn("removing a deleted collection's files; the next start tries again", "collection", name, "error", err)
	}
	return true, nil
}

// Collection returns the collection of a name or an alias.
func (s *Store) Collection(name string) (*Collection, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	if to, ok := s.catalogue.Aliases[name]; ok {
		name = to
	}
	if c, ok := s.collections[name]; ok {
		return c, nil
	}
	if err, ok := s.broken[name]; ok {
		return nil, err
	}
	return nil, failed(ErrNotFound, "Collection `%s` doesn't exist!", name)
}

// Names returns the names of the collections, sorted.
func (s *Store) Names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.catalogue.Collections))
}

// Aliases returns which collection each alias stands for.
func (s *Store) Aliases() map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.catalogue.Aliases)
}

// AliasChange is one of three: with Create and Collection, that alias is made, or moved to that collection; with Delete it
// is removed; with Rename and To it gets another name.
type AliasChange struct {
	Create, Collection string
	Delete             string
	Rename, To         string
}

// ChangeAliases carries out changes in order, all of them or none.
func (s *Store) ChangeAliases(ctx context.Context, changes []AliasChange) error {
	s.change.Lock()
	defer s.change.Unlock()
	if err := errors.Join(ctx.Err(), s.open()); err != nil {
		return err
	}
	next := s.catalogue.clone()
	add := func(alias, collection string) error {
		if err := checkName("Alias", alias); err != nil {
			return err
		}
		if _, ok := next.Collections[alias]; ok {
			return wrong("Can't create alias with name %s. Collection with the same name already exists", alias)
		}
		next.Aliases[alias] = collection
		return nil
	}
	for _, ch := range changes {
		var err error
		switch {
		case ch.Create != "":
			if _, ok := next.Collections[ch.Collection]; !ok {
				return failed(ErrNotFound, "Collection `%s` doesn't exist!", ch.Collection)
			}
			err = add(ch.Create, ch.Collection)
		case ch.Rename != "":
			to, ok := next.Aliases[ch.Rename]
			if !ok {
				return failed(ErrNotFound, "Alias %s does not exists!", ch.Rename)
			}
			delete(next.Aliases, ch.Rename)
			err = add(ch.To, to)
		default:
			delete(next.Aliases, ch.Delete)
		}
		if err != nil {
			return err
		}
	}
	if maps.Equal(next.Aliases, s.catalogue.Aliases) {
		return nil
	}
	return s.writeCatalogue(next)
}
