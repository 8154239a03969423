package collection

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latent-go/latent/artifact"
)

// What was found out about the vectors of one name, such as their dimension or the recall of their searches, is seconds of
// work. The last of each kind is kept beside what is derived, in a file of its own:
//
//	found-U-KIND    of the vector whose number is U
//
// so that it goes with the collection, and with the vector.

const foundKind = "store.found"

// Finding says what something was found out of.
type Finding struct {
	At      time.Time
	Version uint64 // of the collection at the time
	Points  int    // that it had
}

// found is the section "meta" of a file of what was found.
type found struct {
	UID uint32
	Finding
}

// Keep writes down what was found out about the vector of a name, in the place of what was of this kind, a short word,
// before. What can be written as JSON can be kept; of a collection that is closed nothing is.
func (c *Collection) Keep(vector, kind string, f Finding, what any) error {
	c.deriving.Lock() // a snapshot may copy the file
	defer c.deriving.Unlock()
	if c.store.o.Still {
		return nil
	}
	v, err := c.view() // the folder stays while somebody reads
	if err != nil {
		return nil // closed
	}
	defer v.release()
	uid, ok := v.settings.UIDs[vector]
	if !ok {
		return noVector(vector)
	}
	if err := c.readOnly(); err != nil {
		return err
	}
	err = c.store.files.write(c.path(derivedDir, foundName(uid, kind)), func(w io.Writer) error {
		_, err := artifact.Write(w, foundKind, 1, artifact.JSON("meta", found{uid, f}), artifact.JSON("found", what))
		return err
	})
	if err != nil {
		return fmt.Errorf("collection: keep %s of vector %q: %w", kind, vector, err)
	}
	return nil
}

// Kept reads what Keep wrote last. There is none if it is false: nothing was kept, or it is of writes that a crash has taken
// since, or damaged, and then removed.
func (c *Collection) Kept(vector, kind string, what any) (Finding, bool) {
	set := c.settingsNow()
	uid, ok := set.UIDs[vector]
	if !ok {
		return Finding{}, false
	}
	path := c.path(derivedDir, foundName(uid, kind))
	var meta found
	a, err := c.store.files.artifact(path, foundKind, 1)
	if err == nil {
		err = errors.Join(a.Decode("meta", &meta), a.Decode("found", what), a.Close())
	}
	if err != nil {
		if !missing(err) {
			c.store.log.Warn("what was found out cannot be read, and is forgotten", "collection", c.Name(), "file", path, "error", err)
			if !c.store.o.Still && c.deriving.TryLock() {
				c.store.files.Remove(path) // or the next time
				c.deriving.Unlock()
			}
		}
		return Finding{}, false
	}
	c.state.RLock()
	defer c.state.RUnlock()
	return meta.Finding, meta.UID == uid && meta.Version <= c.version
}

func foundName(uid uint32, kind string) string { return fmt.Sprintf("found-%d-%s", uid, kind) }

// forgetVectors removes the files of vectors that the collection has no more.
func (c *Collection) forgetVectors() error {
	var err error
	for _, name := range c.derivedNames() {
		part := strings.SplitN(name, "-", 3)
		if !slices.Contains([]string{"rows", "index", "found"}, part[0]) || len(part) < 3 {
			continue
		}
		uid, bad := strconv.ParseUint(part[1], 10, 32)
		if bad == nil && !slices.Contains(slices.Collect(maps.Values(c.settings.UIDs)), uint32(uid)) {
			err = errors.Join(err, c.store.files.RemoveAll(c.path(derivedDir, name)))
		}
	}
	return err
}
