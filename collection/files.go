package collection

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/latent-go/latent/artifact"
)

// files writes what is not Pebble's so that it appears whole or not at all, and reads it back.
type files struct{ vfs.FS }

// category is told to a file system that counts what is written for what.
const category = vfs.DiskWriteCategory("latent")

// write makes a file: beside its place, synced, then renamed.
func (f files) write(path string, write func(io.Writer) error) error {
	tmp := path + ".tmp"
	err := f.fill(tmp, write)
	if err == nil {
		err = f.Rename(tmp, path)
	}
	if err != nil {
		f.Remove(tmp)
		return err
	}
	return f.syncDir(f.PathDir(path))
}

// fill makes a file that is synced, but not its name.
func (f files) fill(path string, write func(io.Writer) error) error {
	w, err := f.Create(path, category)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(owned{w}, 1<<20)
	err = write(b)
	if err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

// owned hands a File copies of what is written: a vfs.File may change what it is given.
type owned struct{ vfs.File }

func (o owned) Write(b []byte) (int, error) {
	return o.File.Write(append([]byte(nil), b...))
}

func (f files) syncDir(dir string) error {
	d, err := f.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// mkdir makes a folder whose name is durable.
func (f files) mkdir(dir string) error {
	if err := f.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return f.syncDir(f.PathDir(dir))
}

// tidy removes what writes that were cut short left in a folder.
func (f files) tidy(dir string) error {
	names, err := f.list(dir)
	for _, name := range names {
		if strings.HasSuffix(name, ".tmp") {
			err = errors.Join(err, f.RemoveAll(f.PathJoin(dir, name)))
		}
	}
	return err
}

// exists says whether there is something at path.
func (f files) exists(path string) (bool, error) {
	_, err := f.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// list returns the names in a folder, none if it is not there.
func (f files) list(dir string) ([]string, error) {
	names, err := f.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// disk says whether paths are those of the operating system, so that files can be mapped.
func (f files) disk() bool { return f.FS == vfs.Default }

// artifact opens an artifact: mapped if it lies on the disk, else read whole.
func (f files) artifact(path, kind string, version uint32) (*artifact.File, error) {
	if f.disk() {
		return artifact.Open(path, kind, version)
	}
	r, err := f.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	a, err := artifact.Read(bufio.NewReader(r), kind, version)
	if c := new(artifact.CorruptError); errors.As(err, &c) && c.File == "" {
		c.File = path
	}
	return a, err
}

// verify reads an artifact of any kind and compares it with its checksums.
func (f files) verify(path string) error {
	r, err := f.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	var head [28]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	a, err := f.artifact(path, strings.TrimRight(string(head[8:24]), "\x00"), binary.LittleEndian.Uint32(head[24:]))
	if err != nil {
		return err
	}
	return a.Close()
}

// missing says that an error is only that a file is not there.
func missing(err error) bool { return errors.Is(err, os.ErrNotExist) }
