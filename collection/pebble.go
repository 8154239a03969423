package collection

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble ends the process after some errors of the disk, and tries others again at once for ever. A collection is to stop
// taking writes then, and go on answering. So such an error ends the goroutine of Pebble's in which it comes, or halts it
// for ever where that cannot be: its log or manifest is written no more, and the database cannot be closed, but it can be
// read.

// stop ends a goroutine of Pebble's; in one of ours it does nothing.
func (c *Collection) stop() {
	if inBackground() {
		c.die()
		runtime.Goexit()
	}
}

// die notes that the database cannot be closed, nor waited for.
func (c *Collection) die() {
	if !c.stuck.Swap(true) {
		close(c.dead)
	}
}

// attempt calls f, which writes to the database, and does not wait for it when it halts.
func (c *Collection) attempt(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("the goroutine was ended")
		defer func() {
			if r := recover(); r != nil { // where a log that failed before is written to once more
				err = fmt.Errorf("%v", r)
				c.fail(err)
				c.die()
			}
			done <- err
		}()
		err = f()
	}()
	select {
	case err := <-done:
		return err
	case <-c.dead:
	}
	select {
	case err := <-done: // it came through all the same
		return err
	default:
		return *c.failure.Load()
	}
}

// inBackground says whether the goroutine was begun by Pebble.
func inBackground() bool {
	pc := make([]uintptr, 256)
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc)])
	first := ""
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			first = f.Function
		}
		if !more {
			return strings.HasPrefix(first, "github.com/cockroachdb/")
		}
	}
}

// backgroundError is told of errors in Pebble's background, where what failed is tried again at once. After some it is
// enough.
func (c *Collection) backgroundError(err error) {
	c.fail(err)
	if c.errors.Add(1) >= 10 {
		c.stop()
	}
}

// dbLog is what Pebble tells.
type dbLog struct{ c *Collection }

func (l dbLog) Infof(string, ...any) {}
func (l dbLog) Errorf(format string, a ...any) {
	l.c.store.log.Error(fmt.Sprintf(format, a...), "collection", l.c.folder)
}

// Fatalf is called where Pebble would end the process.
func (l dbLog) Fatalf(format string, a ...any) {
	l.c.fail(fmt.Errorf(format, a...))
	l.c.stop()
}

// dbFS is the file system as Pebble sees it.
type dbFS struct {
	vfs.FS
	c *Collection
}

// Create makes the name of a manifest durable before anything names it. Pebble makes a manifest and the marker that names
// it durable by one sync of their folder; a file system that may keep one name and lose the other would lose the database.
func (d dbFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	if err == nil && strings.HasPrefix(d.PathBase(name), "MANIFEST-") {
		if err = (files{d.FS}).syncDir(d.PathDir(name)); err != nil {
			f.Close()
			return nil, err
		}
	}
	return d.file(f, name, err)
}

func (d dbFS) ReuseForWrite(from, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(from, name, category)
	return d.file(f, name, err)
}

// file is f, or one whose errors are seen to by fatal.
func (d dbFS) file(f vfs.File, name string, err error) (vfs.File, error) {
	if err != nil {
		return nil, d.fatal(name, err)
	}
	if isTable(name) {
		return f, nil
	}
	return dbFile{f, d, name}, nil
}

type dbFile struct {
	vfs.File
	fs   dbFS
	name string
}

func (f dbFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	return n, f.fs.fatal(f.name, err)
}

func (f dbFile) Sync() error     { return f.fs.fatal(f.name, f.File.Sync()) }
func (f dbFile) SyncData() error { return f.fs.fatal(f.name, f.File.SyncData()) }
func (f dbFile) Close() error    { return f.fs.fatal(f.name, f.File.Close()) }

func (f dbFile) SyncTo(n int64) (bool, error) {
	full, err := f.File.SyncTo(n)
	return full, f.fs.fatal(f.name, err)
}

func (d dbFS) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, d.fatal(name, err)
	}
	return dbDir{f, d, name}, nil
}

type dbDir struct {
	vfs.File
	fs   dbFS
	name string
}

func (d dbDir) Sync() error { return d.fs.fatal(d.name, d.File.Sync()) }

func (d dbFS) Rename(from, to string) error { return d.fatal(to, d.FS.Rename(from, to)) }

// isTable says that a file is written in the background, where an error makes Pebble try again.
func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// fatal halts for ever where Pebble would end the process: when a log cannot be written, or the database's folder not be
// synced; and while it opens, when it closes under its own background what that uses. None of the locks that readers need
// is held then.
func (d dbFS) fatal(name string, err error) error {
	if err == nil {
		return nil
	}
	dir := d.c.path(pointsDir)
	if name != dir && d.PathDir(name) != dir { // a copy
		return err
	}
	if opening := !d.c.open.Load() && !isTable(name); opening || name == dir || strings.HasSuffix(name, ".log") {
		d.c.fail(err)
		d.c.die()
		select {}
	}
	return err
}

func (d dbFS) Unwrap() vfs.FS { return d.FS }
