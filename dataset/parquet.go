package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/latent-go/latent/vec"
)

// parquetReader reads a column of lists of numbers, and columns of text beside it.
type parquetReader struct {
	vector *cursor // nil where only text is read
	name   string
	null   int // definition levels below this one stand for a list that is null or empty
	dim    int
	id     *cursor
	text   []*cursor
	row    int
	total  int
}

func openParquet(f *File, src *source, o Options, vectors bool) (err error) {
	if src.at == nil {
		return errors.New("it is Parquet, which is read from its end, in gzip, an archive or a pipe; unpack it to a file first")
	}
	defer recovered(&err)
	file, err := openParquetFile(src)
	if err != nil {
		return err
	}
	d := &parquetReader{total: int(file.NumRows())}
	if n := file.NumRows(); n < 0 || n > src.size*maxDim { // rows that repeat may take less than a byte, but not as little as that
		return fmt.Errorf("%d rows in %d bytes are past belief; is the file damaged?", file.NumRows(), src.size)
	}
	if d.total == 0 {
		return fmt.Errorf("it holds no rows: %w", vec.ErrTooFew)
	}
	var lists, texts []*parquet.Column
	var listNames, textNames, described []string
	halves := halfColumns(file)
	for i, c := range leaves(file.Root()) {
		name := columnName(c)
		switch {
		case c.MaxRepetitionLevel() == 1 && (numeric(c.Type()) || halves[i]):
			what := "list of " + strings.ToLower(c.Type().String())
			whole := isList(file, c)
			if !whole {
				what += ", in a struct: read if named"
			}
			if whole || name == o.Column {
				lists, listNames = append(lists, c), append(listNames, name)
			}
			described = append(described, name+" ("+what+")")
			continue
		case c.MaxRepetitionLevel() == 0 && textual(c.Type()):
			texts, textNames = append(texts, c), append(textNames, name)
		}
		described = append(described, fmt.Sprintf("%s (%s)", name, strings.ToLower(c.Type().String())))
	}
	if vectors {
		i, err := pickVectors("column", listNames, o, described)
		if err != nil {
			return err
		}
		d.name, d.null = listNames[i], lists[i].MaxDefinitionLevel()
		if lists[i].Optional() {
			d.null--
		}
		if d.vector, err = newCursor(file, lists[i]); err != nil {
			return err
		}
		d.dim, err = d.list(nil) // the first one
		d.vector.close()
		if err != nil {
			return err
		}
		if d.vector, err = newCursor(file, lists[i]); err != nil {
			return err
		}
		src.closers = append(src.closers, d.vector.close)
	}
	id, err := pickID(textNames, o)
	if err != nil {
		return err
	}
	if id >= 0 && !vectors && textNames[id] == o.Column {
		id = -1
	}
	for i, c := range texts {
		if o.VectorsOnly {
			break
		}
		t, err := newCursor(file, c)
		if err != nil {
			return err
		}
		src.closers = append(src.closers, t.close)
		if i == id {
			f.hasIDs, d.id = true, t
			continue
		}
		f.columns = append(f.columns, textNames[i])
		d.text = append(d.text, t)
	}
	f.format, f.rows, f.dim, f.dec = "parquet", d.total, d.dim, d
	return nil
}

// recovered turns a panic of the library, which some damaged files lead to, into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("it is damaged: %v", r)
	}
}

func openParquetFile(src *source) (*parquet.File, error) {
	tail := make([]byte, 8)
	if src.size < 12 {
		return nil, fmt.Errorf("it is cut short: %d bytes are no Parquet file", src.size)
	}
	if _, err := src.at.ReadAt(tail, src.size-8); err != nil {
		return nil, err
	}
	if string(tail[4:]) != "PAR1" {
		return nil, errors.New("it is cut short: Parquet ends with PAR1, it does not; copy or download it again")
	}
	if n := int64(binary.LittleEndian.Uint32(tail)); n > src.size-12 {
		return nil, fmt.Errorf("it is damaged: its footer is said to have %d bytes, the file has %d", n, src.size)
	}
	file, err := parquet.OpenFile(src.at, src.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(256<<10))
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	return file, nil
}

func leaves(c *parquet.Column) []*parquet.Column {
	if c.Leaf() {
		return []*parquet.Column{c}
	}
	var out []*parquet.Column
	for _, child := range c.Columns() {
		out = append(out, leaves(child)...)
	}
	return out
}

// columnName returns the name that a person knows a column by: of a list, without list.element and its older names.
func columnName(c *parquet.Column) string {
	path := c.Path()
	for len(path) > 1 && c.MaxRepetitionLevel() > 0 && slices.Contains([]string{"list", "element", "item", "array", "bag"}, path[len(path)-1]) {
		path = path[:len(path)-1]
	}
	return strings.Join(path, ".")
}

// isList tells a column that is a list of leaf and nothing else, whatever its writer calls the two levels within, from a
// list in a struct, a field of a list of structs, and the keys and values of a map.
func isList(file *parquet.File, leaf *parquet.Column) bool {
	path := leaf.Path()
	for c := file.Root().Column(path[0]); c != nil && !c.Leaf(); c = c.Columns()[0] {
		if len(c.Columns()) != 1 {
			return false
		}
	}
	return len(path) <= 3
}

func numeric(t parquet.Type) bool {
	switch t.Kind() {
	case parquet.Float, parquet.Double, parquet.Int32, parquet.Int64:
		return true
	}
	return false
}

// halfColumns tells of each leaf whether it holds float16, which the library's types do not say.
func halfColumns(file *parquet.File) []bool {
	var out []bool
	for _, e := range file.Metadata().Schema {
		if e.Type.Valid {
			half, ok := e.LogicalType.Value.(*format.Float16Type)
			out = append(out, ok && half != nil && e.TypeLength.V == 2)
		}
	}
	return append(out, make([]bool, len(file.Metadata().Schema))...) // a damaged schema may have leaves without a type
}

func textual(t parquet.Type) bool {
	switch t.Kind() {
	case parquet.ByteArray: // bytes that are no text, such as images, are left alone
		return slices.Contains([]string{"STRING", "ENUM", "JSON"}, t.String())
	case parquet.FixedLenByteArray, parquet.Int96:
		return false
	}
	return true
}

// cursor goes through the values of one column.
type cursor struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    []parquet.Value // values lo to hi are still to be taken
	lo, hi int
	// Instead of buf, of a page of numbers as they lie: no dictionary, no nulls. There lo and hi are places in these.
	floats  []float32
	doubles []float64
	levels  []byte // 0 where a row begins
}

// newCursor refuses LZ4: to learn how long a page is, the library doubles a buffer until it fits, which of a damaged
// page never ends, and of LZ4 as Hadoop frames it makes garbage.
func newCursor(file *parquet.File, c *parquet.Column) (*cursor, error) {
	for _, g := range file.Metadata().RowGroups {
		if codec := g.Columns[c.Index()].MetaData.Codec; codec == format.Lz4 || codec == format.Lz4Raw {
			return nil, fmt.Errorf("column %q is written with LZ4, which is not read here; write it with zstd or snappy", columnName(c))
		}
	}
	return &cursor{pages: c.Pages(), buf: make([]parquet.Value, 1024)}, nil
}

func (c *cursor) close() error {
	c.release()
	return c.pages.Close()
}

func (c *cursor) release() {
	if c.page != nil {
		parquet.Release(c.page)
	}
	c.page, c.floats, c.doubles, c.levels, c.lo, c.hi = nil, nil, nil, nil, 0, 0
}

// fill sees to it that there is a value to take; io.EOF at the end.
func (c *cursor) fill() error {
	for c.lo == c.hi {
		if c.page != nil && c.levels == nil {
			n, err := c.values.ReadValues(c.buf)
			if err != nil && err != io.EOF {
				return err
			}
			if c.lo, c.hi = 0, n; n > 0 {
				return nil
			}
		}
		c.release()
		page, err := c.pages.ReadPage()
		if err != nil {
			return err
		}
		c.page, c.values = page, page.Values()
		c.spread()
	}
	return nil
}

// spread lays a page open whose numbers can be taken as they lie.
func (c *cursor) spread() {
	levels, kind := c.page.RepetitionLevels(), c.page.Type().Kind()
	if len(levels) == 0 || c.page.Dictionary() != nil || c.page.NumNulls() != 0 || kind != parquet.Float && kind != parquet.Double {
		return
	}
	data := c.page.Data()
	if kind == parquet.Float {
		c.floats = data.Float()
	} else {
		c.doubles = data.Double()
	}
	if len(c.floats)+len(c.doubles) != len(levels) {
		c.floats, c.doubles = nil, nil
		return
	}
	c.levels, c.hi = levels, len(levels)
}

// copy copies numbers lo to hi of a page that is spread out, as many as dst has room for.
func (c *cursor) copy(dst []float32, lo, hi int) {
	if c.doubles == nil {
		copy(dst, c.floats[lo:hi])
		return
	}
	for i := range min(len(dst), hi-lo) {
		dst[i] = float32(c.doubles[lo+i])
	}
}

// list reads the list of one row to dst, as far as it has room, and returns how many values the list has.
func (d *parquetReader) list(dst []float32) (n int, err error) {
	c := d.vector
	for {
		if err := c.fill(); err == io.EOF && n > 0 {
			return n, nil
		} else if err != nil {
			return n, d.damaged(err)
		}
		if c.levels != nil {
			if n > 0 && c.levels[c.lo] == 0 {
				return n, nil
			}
			end := c.hi
			if i := bytes.IndexByte(c.levels[c.lo+1:], 0); i >= 0 {
				end = c.lo + 1 + i
			}
			c.copy(dst[min(n, len(dst)):], c.lo, end)
			n, c.lo = n+end-c.lo, end
			continue
		}
		v := &c.buf[c.lo]
		if n > 0 && v.RepetitionLevel() == 0 {
			return n, nil
		}
		if v.IsNull() {
			if v.DefinitionLevel() < d.null {
				return n, fmt.Errorf("row %d of column %q is null or empty; leave the row out: %w", d.row, d.name, vec.ErrDim)
			}
			return n, fmt.Errorf("row %d, column %d is null; mend or leave out the row: %w", d.row, n, vec.ErrNotFinite)
		}
		if n < len(dst) {
			setFloat32(dst[n:n+1], v)
		}
		n++
		c.lo++
	}
}

func (d *parquetReader) next(dst vec.Matrix, b *block) (_ int, err error) {
	defer recovered(&err)
	n := min(dst.Rows, d.total-d.row)
	if n <= 0 {
		return 0, io.EOF
	}
	for i := range n {
		if d.vector != nil {
			got, err := d.list(dst.Row(i))
			if err == nil && got != d.dim {
				err = fmt.Errorf("row %d has %d values, want %d: %w", d.row, got, d.dim, vec.ErrDim)
			}
			if err != nil {
				return 0, err
			}
		}
		if d.id != nil {
			s, err := d.id.text()
			if err != nil {
				return 0, d.damaged(err)
			}
			b.ids = append(b.ids, s)
		}
		for j, c := range d.text {
			s, err := c.text()
			if err != nil {
				return 0, d.damaged(err)
			}
			b.columns[j] = append(b.columns[j], s)
		}
		d.row++
	}
	return n, nil
}

func (d *parquetReader) damaged(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("row %d cannot be read, the file is damaged: %w", d.row, err)
}

func setFloat32(dst []float32, v *parquet.Value) {
	switch v.Kind() {
	case parquet.Float:
		dst[0] = v.Float()
	case parquet.Double:
		dst[0] = float32(v.Double())
	case parquet.Int32:
		dst[0] = float32(v.Int32())
	case parquet.Int64:
		dst[0] = float32(v.Int64())
	default:
		vec.Float16.Decode(dst, v.ByteArray())
	}
}

func (c *cursor) text() (string, error) {
	if err := c.fill(); err != nil {
		return "", err
	}
	v := &c.buf[c.lo]
	c.lo++
	if v.IsNull() {
		return "", nil
	}
	return v.String(), nil
}

// ordered is a group whose fields keep their order; parquet.Group sorts them.
type ordered struct {
	parquet.Group
	names []string
}

func (g ordered) Fields() []parquet.Field {
	fields := g.Group.Fields()
	out := make([]parquet.Field, len(g.names))
	for i, name := range g.names {
		out[i] = fields[slices.IndexFunc(fields, func(f parquet.Field) bool { return f.Name() == name })]
	}
	return out
}

// writeParquet writes id, the columns, then the vectors as a list of float.
func writeParquet(w io.Writer, s *Set) error {
	g := ordered{Group: parquet.Group{}}
	add := func(name string, n parquet.Node) {
		g.Group[name] = n
		g.names = append(g.names, name)
	}
	var texts [][]string
	if s.IDs != nil {
		add("id", parquet.String())
		texts = append(texts, s.IDs)
	}
	for _, c := range s.Columns {
		add(c.Name, parquet.String())
		texts = append(texts, c.Values)
	}
	add(vectorName, parquet.List(parquet.Leaf(parquet.FloatType)))
	pw := parquet.NewGenericWriter[any](w, parquet.NewSchema("vectors", g), parquet.Compression(&parquet.Snappy))
	const step = 64
	rows := make([]parquet.Row, 0, step)
	for i := range s.X.Rows {
		var row parquet.Row
		if len(rows) < cap(rows) {
			row = rows[:len(rows)+1][len(rows)][:0]
		}
		for c, values := range texts {
			row = append(row, parquet.ByteArrayValue([]byte(values[i])).Level(0, 0, c))
		}
		for j, v := range s.X.Row(i) {
			row = append(row, parquet.FloatValue(v).Level(min(j, 1), 1, len(texts)))
		}
		rows = append(rows, row)
		if len(rows) == step || i == s.X.Rows-1 {
			if _, err := pw.WriteRows(rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return pw.Close()
}
