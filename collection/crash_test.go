package collection

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
)

// ledger is what a client knows of a store while it talks to it.
type ledger struct {
	mu sync.Mutex
	known
}

// known is what a client asked for and what was acknowledged.
type known struct {
	history map[uint64]plain // of collection c, by version, also of the one under way
	acked   uint64           // version that is on disk for sure
	exists  []bool           // whether c may be there
	alias   []string         // what the alias may stand for
	saved   []string         // snapshots that are on disk
}

// moment is a copy of what a ledger says.
func (l *ledger) moment() known {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := map[uint64]plain{}
	for v, m := range l.history {
		h[v] = m
	}
	return known{history: h, acked: l.acked, exists: slices.Clone(l.exists), alias: slices.Clone(l.alias), saved: slices.Clone(l.saved)}
}

func (l *ledger) note(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// play is a short life of a store, seeded. It stops at the first error and returns it, and the store, perhaps open.
func play(fs vfs.FS, l *ledger, steps int) (s *Store, err error) {
	r := rand.New(rand.NewPCG(7, 7))
	d := choices{r.IntN}
	l.exists, l.alias, l.history = []bool{false}, []string{""}, map[uint64]plain{0: {}}
	if s, err = Open("db", Options{FS: fs, Still: true, FlushInterval: time.Hour}); err != nil {
		return nil, err
	}
	l.note(func() { l.exists = []bool{false, true} })
	if err := s.Create(ctx, "c", modelConfig); err != nil {
		return s, err
	}
	l.note(func() { l.exists = []bool{true} })
	c, err := s.Collection("c")
	if err != nil {
		return s, err
	}
	m := plain{}
	for i := range steps {
		switch {
		case i == 5:
			l.note(func() { l.alias = []string{"", "c"} })
			if err := s.ChangeAliases(ctx, []AliasChange{{Create: "a", Collection: "c"}}); err != nil {
				return s, err
			}
			l.note(func() { l.alias = []string{"c"} })
		case i%9 == 7:
			if err := c.tend(ctx, true); err != nil {
				return s, err
			}
		case i == 12:
			if err := c.CreateFieldIndex(ctx, "k", filter.Schema{Type: "integer"}); err != nil {
				return s, err
			}
		case i == 17:
			in, err := c.Snapshot(ctx)
			if err != nil {
				return s, err
			}
			l.note(func() { l.saved = append(l.saved, in.Name) })
			rd, err := c.OpenSnapshot(in.Name)
			if err != nil {
				return s, err
			}
			b, err := io.ReadAll(rd)
			if err := errors.Join(err, rd.Close()); err != nil {
				return s, err
			}
			if err := s.Restore(ctx, "c2", bytes.NewReader(b), in.Checksum); err != nil {
				return s, err
			}
		case i == 20:
			if _, err := s.Delete(ctx, "c2"); err != nil {
				return s, err
			}
		case i == 22:
			if err := s.Close(); err != nil {
				return s, err
			}
			if s, err = Open("db", Options{FS: fs, Still: true, FlushInterval: time.Hour}); err != nil {
				return nil, err
			}
			if c, err = s.Collection("c"); err != nil {
				return s, err
			}
		case i%9 == 3:
			var flushed <-chan struct{}
			if err := c.attempt(func() (err error) {
				flushed, err = c.db.AsyncFlush()
				return err
			}); err != nil {
				return s, err
			}
			select {
			case <-flushed:
			case <-c.dead:
			}
			if err := c.writable(); err != nil {
				return s, err
			}
		default:
			ops := []Op{d.op(false), d.op(false)}
			next, ok := m.clone(), true
			for _, op := range ops {
				ok = ok && next.apply(op)
			}
			if !ok {
				continue
			}
			wait := d.n(2) == 0
			l.note(func() { l.history[c.version+1] = next.clone() })
			v, err := c.Apply(ctx, ops, wait)
			if err != nil {
				return s, err
			}
			if m = next; wait {
				l.note(func() { l.acked = v })
			}
		}
	}
	return s, nil
}

// recovered opens what a crash left and compares it with the ledger; then once more, which must change nothing.
func recovered(fs *vfs.MemFS, l known) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w (acknowledged: version %d)", err, l.acked)
		}
	}()
	var before string
	for again := range 2 {
		s, err := Open("db", Options{FS: fs, Still: again == 0})
		if err != nil {
			return err
		}
		defer s.Close()
		c, err := s.Collection("c")
		if !slices.Contains(l.exists, err == nil) {
			return fmt.Errorf("collection c: %w", err)
		}
		if !slices.Contains(l.alias, s.Aliases()["a"]) {
			return fmt.Errorf("alias stands for %q, want one of %q", s.Aliases()["a"], l.alias)
		}
		if err == nil {
			m, ok := l.history[c.version]
			if !ok || c.version < l.acked {
				return fmt.Errorf("version %d, acknowledged was %d", c.version, l.acked)
			}
			var out strings.Builder
			hits, err := c.Get(ctx, m.ids(), Select{All: true}, Select{All: true})
			if err != nil {
				return err
			}
			if in, err := c.Info(); err != nil || in.Points != len(m) || len(hits) != len(m) {
				return fmt.Errorf("%d points are there and %d found, want %d: %w", in.Points, len(hits), len(m), err)
			}
			for _, h := range hits {
				if asJSON(h.Point) != asJSON(m[h.ID]) {
					return fmt.Errorf("point %s is %s, want %s", h.ID, asJSON(h.Point), asJSON(m[h.ID]))
				}
				fmt.Fprintln(&out, h.Version, asJSON(h.Point))
			}
			if again == 1 && out.String() != before {
				return errors.New("the second recovery changed something")
			}
			before = out.String()
			list, err := c.Snapshots()
			if err != nil {
				return err
			}
			for _, name := range l.saved {
				if !slices.ContainsFunc(list, func(in SnapshotInfo) bool { return in.Name == name }) {
					return fmt.Errorf("snapshot %s is gone", name)
				}
			}
		}
		report, err := s.Check(ctx)
		if err != nil || len(report.Problems) > 0 {
			return fmt.Errorf("check: %v, %w", report.Problems, err)
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

// TestCrashAtEverySync takes the power away before each sync of a life, with none, half and all of what was not synced on
// the disk, and after some other writes.
func TestCrashAtEverySync(t *testing.T) {
	smallIndexes(t)
	steps := 32
	if testing.Short() {
		steps = 14
	}
	mem := vfs.NewCrashableMem()
	var l ledger
	type crash struct {
		fs   *vfs.MemFS
		l    known
		what string
	}
	var mu sync.Mutex
	var crashes []crash
	n := 0
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if !sync && n%11 != 0 {
			return nil
		}
		for i, percent := range []int{0, 50, 100} {
			at := l.moment() // before the copy: what is acknowledged by then is in it
			crashes = append(crashes, crash{mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(n), uint64(i)))}), at, fmt.Sprintf("write %d, %v of %s, %d %%", n, op.Kind, op.Path, percent)})
		}
		return nil
	}))
	s, err := play(fs, &l, steps)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d crashes", len(crashes))
	for i, c := range crashes {
		if testing.Short() && i%7 > 0 {
			continue
		}
		if err := recovered(c.fs, c.l); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestErrorAtEveryWrite lets the n-th write of a life fail, for every n, and in a second round all from there on, for every
// third; with LATENT_LARGE for every n too.
func TestErrorAtEveryWrite(t *testing.T) {
	smallIndexes(t)
	steps := 32
	if testing.Short() {
		steps = 10
	}
	for _, forever := range []bool{false, true} {
		for n, done := 1, false; !done; n++ {
			if testing.Short() && n%5 > 0 || forever && n%3 > 0 && os.Getenv("LATENT_LARGE") == "" {
				continue
			}
			mem := vfs.NewCrashableMem()
			var l ledger
			var mu sync.Mutex
			count, off := 0, false
			var hit string
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				if off {
					return nil
				}
				count++
				if count == n || forever && count > n {
					if hit == "" {
						hit = fmt.Sprint(op.Kind, " of ", op.Path)
					}
					return errorfs.ErrInjected
				}
				return nil
			}))
			finished := make(chan struct{})
			var problem error
			go func() {
				defer close(finished)
				problem = failing(fs, &l, steps)
			}()
			select {
			case <-finished:
			case <-time.After(20 * time.Second):
				stacks := make([]byte, 1<<20)
				t.Fatalf("write %d, %s: it hangs\n%s", n, hit, stacks[:runtime.Stack(stacks, true)])
			}
			mu.Lock()
			done, off = count < n, true
			mu.Unlock()
			if problem != nil {
				t.Errorf("write %d (%s), forever %v: %v", n, hit, forever, problem)
			}
			left := mem.CrashClone(vfs.CrashCloneCfg{})
			if err := recovered(left, l.moment()); err != nil {
				t.Errorf("write %d (%s), forever %v, then a crash: %v", n, hit, forever, err)
			}
			if t.Failed() && n > 20 {
				break
			}
		}
	}
}

// failing plays, and after an error looks whether the store still reads what it should and refuses what it must.
func failing(fs vfs.FS, l *ledger, steps int) error {
	s, err := play(fs, l, steps)
	if s == nil || err == nil {
		if s != nil {
			s.Close()
		}
		return nil
	}
	defer s.Close()
	c, err := s.Collection("c")
	if err != nil {
		return nil // it was being made, or opened
	}
	m, ok := l.history[c.version]
	if !ok {
		return fmt.Errorf("version %d never was", c.version)
	}
	read := func() error {
		hits, err := c.Get(ctx, m.ids(), Select{All: true}, Select{All: true})
		if err != nil {
			return fmt.Errorf("reading after the error: %w", err)
		}
		if len(hits) != len(m) {
			return fmt.Errorf("reading after the error: %d of %d points", len(hits), len(m))
		}
		for _, h := range hits {
			if asJSON(h.Point) != asJSON(m[h.ID]) {
				return fmt.Errorf("reading after the error: point %s is %s, want %s", h.ID, asJSON(h.Point), asJSON(m[h.ID]))
			}
		}
		return nil
	}
	if err := read(); err != nil {
		return err
	}
	next := m.clone()
	op := Upsert{Points: []point.Point{{ID: point.Num(99), Vectors: point.Vectors{}, Payload: point.Payload{"k": int64(9)}}}}
	next.apply(op)
	l.note(func() { l.history[c.version+1] = next })
	v, err := c.Apply(ctx, []Op{op}, true)
	switch {
	case err == nil: // the error was of something that can be done again
		m = next
		l.note(func() { l.acked = v })
	case !errors.Is(err, ErrReadOnly):
		return fmt.Errorf("writing after the error: %w, want ErrReadOnly", err)
	default:
		if v, ok := l.history[c.version]; ok {
			m = v
		}
		if _, err := c.Apply(ctx, []Op{op}, true); !errors.Is(err, ErrReadOnly) {
			return fmt.Errorf("writing once more: %v, want ErrReadOnly", err)
		}
	}
	return read()
}
