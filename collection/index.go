package collection

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/postings"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/muvera"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

// slotIndex finds near slots without looking at all. Re-ranking with the rows is the space's.
type slotIndex struct {
	ix     *plan.Index
	closer io.Closer // of the files it was opened from; nil if it was built
	plan   plan.Plan // with the re-ranking that ix leaves to us
	asked  string    // of the configuration it was made for
	fitted int       // vectors that its map and codec were fitted to
	enc    *muvera.Encoder
	held   *roaring.Bitmap // slots in ix; the maintainer's alone
	saved  *roaring.Bitmap // slots in its files; nil if there are none
}

func (x *slotIndex) close() {
	if x != nil && x.closer != nil {
		x.closer.Close() // of a mapping that was only read: nothing can be lost
	}
}

func (s *space) free() {
	s.index.close()
	for _, c := range s.chunks {
		c.close()
	}
}

func (c *chunk) close() {
	if c != nil && c.file != nil {
		c.file.Close()
	}
}

// Below these many vectors, or numbers in all of them, a scan is as quick as a graph. Variables, for tests to be quick.
var indexFrom, indexFromNumbers = 5000, 2 << 20

const (
	// So many candidates for each document wanted are found by encodings, where each point has several vectors.
	multiCandidates = 10
	// What a search that names no effort uses.
	defaultEffort = 128
	fitRows       = 100_000 // rows that an index is begun with, and its map and codec fitted to
	blockRows     = 1024    // rows added between two looks at the world
)

// asked is the part of a configuration that an index depends on.
func asked(c VectorConfig) string { return fmt.Sprint(c.Plan, "|", c.M, "|", c.EfConstruction) }

// planFor is how n vectors are to be searched; false if by looking at all of them.
func planFor(c VectorConfig, n int) (plan.Plan, bool) {
	if c.Multi && c.Distance != vec.Cosine && c.Distance != vec.InnerProduct {
		return plan.Plan{}, false // encodings estimate inner products
	}
	if c.Plan != "" {
		p := plan.MustParse(c.Plan) // checked when it came in
		return p, !p.Exact() && n >= indexFrom
	}
	if n < indexFrom || n*c.Size < indexFromNumbers {
		return plan.Plan{}, false
	}
	p := plan.Plan{Codec: "f32", Index: "hnsw", M: c.M, EfC: c.EfConstruction}
	if c.Distance == vec.Cosine {
		p.Codec, p.Rerank = "f16", 1 // of length 1: no number is out of its range
	}
	return plan.MustParse(p.String()), true
}

// metric is what nearness means among rows as they are stored: of length 1 under cosine, where the inner product is the same
// and knows zero vectors.
func (c VectorConfig) metric() vec.Metric {
	if c.Distance == vec.Cosine {
		return vec.InnerProduct
	}
	return c.Distance
}

// encoder returns what makes one vector of several; nil if there is one.
func encoder(c VectorConfig) (*muvera.Encoder, error) {
	if !c.Multi {
		return nil, nil
	}
	return muvera.New(c.Size, muvera.Options{Repetitions: 10, Bits: 4, Inner: min(8, c.Size), Seed: 1})
}

// rowsFor gathers what an index stores for some slots.
func (x *slotIndex) rowsFor(s *spaceView, slots []uint32) (vec.Matrix, error) {
	if x.enc == nil {
		return s.rows(slots), nil
	}
	m := vec.NewMatrix(len(slots), x.enc.Dim())
	for i, slot := range slots {
		if _, err := x.enc.EncodeDocument(m.Row(i), s.multi(slot)); err != nil {
			return m, err
		}
	}
	return m, nil
}

// build makes an index of some slots.
func build(ctx context.Context, s *spaceView, p plan.Plan, slots *roaring.Bitmap) (*slotIndex, error) {
	x := &slotIndex{plan: p, asked: asked(s.config), held: roaring.New()}
	var err error
	if x.enc, err = encoder(s.config); err != nil {
		return nil, err
	}
	all := slots.ToArray()
	first := all
	if len(all) > fitRows { // spread over all, so that it stands for all
		first = make([]uint32, fitRows)
		for i := range first {
			first[i] = all[i*len(all)/fitRows]
		}
	}
	rows, err := x.rowsFor(s, first)
	if err != nil {
		return nil, err
	}
	inner := p
	inner.Rerank = 0
	metric := s.config.metric()
	if x.ix, err = plan.Build(ctx, inner, rows, plan.Options{Metric: metric, Seed: 1, IDs: first}); err != nil {
		return nil, err
	}
	x.plan = x.ix.Plan()
	x.plan.Rerank = p.Rerank
	x.fitted = len(first)
	x.held.AddMany(first)
	return x, x.add(ctx, s, roaring.AndNot(slots, x.held))
}

// add adds slots to the index.
func (x *slotIndex) add(ctx context.Context, s *spaceView, slots *roaring.Bitmap) error {
	buf := make([]uint32, blockRows)
	for it := slots.ManyIterator(); ; {
		n := it.NextMany(buf)
		if n == 0 {
			return nil
		}
		rows, err := x.rowsFor(s, buf[:n])
		if err == nil {
			err = x.ix.Add(ctx, buf[:n], rows)
		}
		if err != nil {
			return err
		}
		x.held.AddMany(buf[:n])
	}
}

// receipt is the section "meta" of the file "held" of an index's folder, which is written last.
type receipt struct {
	UID    uint32
	Plan   plan.Plan
	Asked  string
	Fitted int
	N      uint32 // slots given out when it was written
}

const (
	heldFile = "held"
	heldKind = "store.held"
)

func indexPrefix(uid uint32) string { return fmt.Sprintf("index-%d-", uid) }

// indexFolders returns the folders of a space's indexes, the newest last, and the number of the next.
func (c *Collection) indexFolders(uid uint32) (names []string, next int) {
	number := map[string]int{}
	for _, name := range c.derivedNames() {
		rest, ok := strings.CutPrefix(name, indexPrefix(uid))
		n, err := strconv.Atoi(rest)
		if ok && err == nil {
			names = append(names, name)
			number[name] = n
			next = max(next, n+1)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return number[a] - number[b] })
	return names, next
}

// saveIndex writes an index to a folder of its own, and removes the one before.
func (c *Collection) saveIndex(s *spaceView, x *slotIndex, n uint32) error {
	if err := c.syncLog(); err != nil {
		return err
	}
	f := c.store.files
	old, next := c.indexFolders(s.uid)
	dir := c.path(derivedDir, indexPrefix(s.uid)+strconv.Itoa(next))
	if err := f.mkdir(dir); err != nil {
		return err
	}
	m := plan.Manifest{Built: time.Now().UTC().Truncate(time.Second), Seed: 1}
	held := x.held.Clone()
	for name, part := range x.ix.Files(&m) {
		if err := f.write(f.PathJoin(dir, name), func(w io.Writer) error { _, err := part.WriteTo(w); return err }); err != nil {
			return err
		}
	}
	sec, err := artifact.Bytes("held", held)
	if err != nil {
		return err
	}
	if err := f.write(f.PathJoin(dir, heldFile), func(w io.Writer) error {
		_, err := artifact.Write(w, heldKind, 1, artifact.JSON("meta", receipt{s.uid, x.plan, x.asked, x.fitted, n}), sec)
		return err
	}); err != nil {
		return err
	}
	x.saved = held
	for _, name := range old {
		if err := f.RemoveAll(c.path(derivedDir, name)); err != nil {
			return err
		}
	}
	return nil
}

// loadIndex opens the newest whole index of a space, if there is one that its configuration asks for.
func (c *Collection) loadIndex(s *space) {
	names, _ := c.indexFolders(s.uid)
	for _, name := range slices.Backward(names) {
		x, err := c.openIndex(s, name)
		if err != nil {
			if !missing(err) { // else it was not finished
				c.rebuilding(name, err)
			}
			continue
		}
		s.index = x
		// What it lacks of what it should hold, and holds of what it should lack, is for the maintainer.
		wanted := roaring.AndNot(c.live, s.missing)
		wanted.AndNot(x.held)
		s.reach = c.n
		if !wanted.IsEmpty() {
			s.reach = wanted.Minimum()
		}
		return
	}
}

func (c *Collection) openIndex(s *space, name string) (*slotIndex, error) {
	f := c.store.files
	dir := c.path(derivedDir, name)
	a, err := f.artifact(f.PathJoin(dir, heldFile), heldKind, 1)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	var r receipt
	if err := a.Decode("meta", &r); err != nil {
		return nil, err
	}
	held, err := postings.ReadBitmap(a, "held")
	if err != nil {
		return nil, err
	}
	if r.UID != s.uid || r.N > c.n || !held.IsEmpty() && held.Maximum() >= r.N {
		return nil, a.Reject("it is of vector %d and %d slots, want %d and at most %d", r.UID, r.N, s.uid, c.n)
	}
	var folder *plan.Folder
	if f.disk() {
		folder, err = plan.Open(dir)
	} else {
		folder, err = plan.OpenFS(subFS{f, dir})
	}
	if err != nil {
		if missing(err) {
			err = fmt.Errorf("%v", err) // it is missing though the receipt is there
		}
		return nil, err
	}
	x := &slotIndex{ix: folder.Index, closer: folder, plan: r.Plan, asked: r.Asked, fitted: r.Fitted, held: held, saved: held.Clone()}
	x.enc, err = encoder(s.config)
	dim := s.config.Size
	if x.enc != nil {
		dim = x.enc.Dim()
	}
	if err == nil && (folder.Dim() != dim || folder.Metric() != s.config.metric() || folder.Len() != int(held.GetCardinality())) {
		err = fmt.Errorf("an index of %d vectors of %d dimensions under %s, want %d of %d under %s", folder.Len(), folder.Dim(), folder.Metric(), held.GetCardinality(), dim, s.config.metric())
	}
	if err != nil {
		folder.Close()
		return nil, err
	}
	return x, nil
}

// subFS is a folder as the standard library's fs.FS.
type subFS struct {
	files files
	dir   string
}

func (s subFS) Open(name string) (fs.File, error) {
	f, err := s.files.Open(s.files.PathJoin(s.dir, name))
	if err != nil {
		return nil, err
	}
	return fsFile{f}, nil
}

// fsFile has the Stat that fs.File asks for.
type fsFile struct{ io.ReadCloser }

func (fsFile) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// readWhole reads a file as read does.
func readWhole[T any](f files, path string, read func(io.Reader) (T, error)) (T, error) {
	r, err := f.Open(path)
	if err != nil {
		var none T
		return none, err
	}
	defer r.Close()
	return read(bufio.NewReaderSize(r, 1<<20))
}

// candidates asks the index for slots near a query, among those that slots has below reach.
func (s *spaceView) candidates(ctx context.Context, m *measure, slots *roaring.Bitmap, filtered bool, k int, p Params) ([]index.Hit, error) {
	x := s.index
	q := m.q.Dense
	fetch := k * max(x.plan.Rerank, 1)
	if p.Oversampling >= 1 {
		fetch = int(float64(k) * p.Oversampling)
	}
	if x.enc != nil {
		fetch = max(fetch, multiCandidates*k, 100)
		rows, err := vec.FromRows(m.q.Multi)
		if err != nil {
			return nil, err
		}
		if q, err = x.enc.EncodeQuery(nil, rows); err != nil {
			return nil, err
		}
	}
	query := index.Query{K: fetch, Effort: s.effort(p)}
	among := func(id uint32) bool { return id < s.reach && slots.Contains(id) }
	if !filtered {
		// What dies leaves the index soon after; until then a search that finds some is repeated.
		res, err := x.ix.Search(ctx, q, query)
		if err != nil || !slices.ContainsFunc(res.Hits, func(h index.Hit) bool { return !among(h.ID) }) {
			return res.Hits, err
		}
	}
	query.Keep = among
	res, err := x.ix.Search(ctx, q, query)
	return res.Hits, err
}
