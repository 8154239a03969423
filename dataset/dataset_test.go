package dataset

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latent-go/latent/vec"
)

// loadBytes is Load for a file with this name and content.
func loadBytes(name, content string, o Options) (*Set, string, error) {
	f, err := open(bytesSource(name, []byte(content)), o, true)
	if err != nil {
		return nil, "", err
	}
	s, err := f.load()
	return s, f.Format(), err
}

// TestRecognise reads text as people and programs write it. Vectors are (1,2) and (3,4) in all of it.
func TestRecognise(t *testing.T) {
	for _, c := range []struct {
		name, content, format string
		o                     Options
		ids                   string // joined by |
		columns               string // name=values joined by |; several by a space
	}{
		{name: "x.vec", content: "2 2\nthe 1 2\nof 3 4\n", format: "word2vec", ids: "the|of"},
		{name: "x.vec", content: "2 2 \nthe 1 2 \r\nof 3 4 \r\n", format: "word2vec", ids: "the|of"}, // fastText
		{name: "x.txt", content: ", 1 2\n. 3 4", format: "glove", ids: ",|."},                        // no newline at the end
		{name: "x.txt", content: "[PAD] 1 2\n. . 3 4\n", format: "glove", ids: "[PAD]|. ."},
		{name: "x.txt", content: "7 1 2\n{ 3 4\n", format: "glove", ids: "7|{"},
		{name: "x", content: "1 2\n3 4\n", format: "text"},
		{name: "x", content: "1e0   2.000\n\n 3 4\n", format: "text"},
		{name: "x", content: "# x y\n1 2\n3 4\n", format: "text"},
		{name: "x", content: "1,2\n3,4\n", format: "csv"},
		{name: "x", content: "\xef\xbb\xbfx,y\r\n1,2\r\n3,4\r\n", format: "csv"},
		{name: "x", content: "x;y\n1; 2\n3; 4\n", format: "csv"},
		{name: "x", content: "0,1,2\nr,1,2\ns,3,4\n", format: "csv", columns: "0=r|s"},         // as pandas heads columns without names
		{name: "x", content: ",a,b\n0,1,2\n1,3,4\n", format: "csv", ids: "0|1"},                // as pandas writes its index
		{name: "x", content: "the\t1\t2\nof\t3\t4\n", format: "tsv", ids: "the|of"},            //
		{name: "x", content: "label,x,y\n7,1,2\n8,3,4\n", format: "csv", columns: "label=7|8"}, //
		{name: "x", content: "year,p1,p2\n7,1,2\n8,3,4\n", format: "csv", columns: "year=7|8"}, // a run of numbered columns
		{name: "x", content: "ID,e\na,\"[1, 2]\"\n\"b\"\"c\",\"[3 4\n]\"\n", format: "csv", ids: "a|b\"c"},
		{name: "x", content: "a,b,c\n1,2,9\n3,4,9\n", format: "csv", o: Options{Column: "a,b"}, columns: "c=9|9"},
		{name: "x", content: "u,emb_a,emb_b\n9,1,2\n9,3,4\n", format: "csv", o: Options{Column: "emb_*", VectorsOnly: true}},
		{name: "x", content: "id,a,b\nr,1,2\ns,3,4\n", format: "csv", o: Options{Column: "*"}, ids: "r|s"},
		{name: "x", content: "k,a,b\nr,1,2\ns,3,4\n", format: "csv", o: Options{IDColumn: "k"}, ids: "r|s"},
		{name: "x", content: `{"text":"a\nb","n":7,"v":[1,2],"id":"i"}` + "\n\n" + `{"id":9,"v":[3.0,4e0]}`, format: "jsonl", ids: "i|9", columns: "text=a\nb| n=7|"},
		{name: "x", content: `{"v":[1,2],"w":[3]}` + "\n" + `{"v":[3,4],"w":[3]}`, format: "jsonl", o: Options{Column: "v"}, columns: "w=[3]|[3]"},
		{name: "x", content: "[1,2]\n[3, 4]\n", format: "jsonl"},
		{name: "x", content: "[[1,2],\n[3,4]]", format: "json"},
		{name: "x", content: ` [ {"v": [1, 2]}, {"v": [3, 4]} ] `, format: "json"},
		{name: "x.ivecs", content: "\x02\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00", format: "ivecs"},
		{name: "x.bvecs", content: "\x02\x00\x00\x00\x01\x02\x02\x00\x00\x00\x03\x04", format: "bvecs"},
		{name: "x.i8bin", content: "\x02\x00\x00\x00\x02\x00\x00\x00\x01\x02\x03\x04", format: "i8bin"},
		{name: "x", content: "\x00\x00\x08\x03\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02\x01\x02\x03\x04", format: "idx"},
		{name: "x", content: "2 2\na \x00\x00\x80\x3f\x00\x00\x00\x40\nb \x00\x00\x40\x40\x00\x00\x80\x40\n", format: "word2vec-binary", ids: "a|b"},
		{name: "x", content: "2 2\na \x00\x00\x80\x3f\x00\x00\x00\x40b \x00\x00\x40\x40\x00\x00\x80\x40", format: "word2vec-binary", ids: "a|b"},
	} {
		s, format, err := loadBytes(c.name, c.content, c.o)
		if err != nil {
			t.Errorf("%q: %v", c.content, err)
			continue
		}
		var columns []string
		for _, col := range s.Columns {
			columns = append(columns, col.Name+"="+strings.Join(col.Values, "|"))
		}
		if format != c.format || s.X.Cols != 2 || !slices.Equal(s.X.Data, []float32{1, 2, 3, 4}) ||
			strings.Join(s.IDs, "|") != c.ids || strings.Join(columns, " ") != c.columns {
			t.Errorf("%q: got %s, %v, IDs %q, columns %q", c.content, format, s.X, s.IDs, s.Columns)
		}
	}
}

// TestErrors checks that each mistake is told with its place and what to do.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, content, want string
		is                  error
	}{
		{"x", "", "it is empty", nil},
		{"x", "\n \n", "it is blank", nil},
		{"x", "\x01\x02\x03", "it begins with 01 02 03, which no format known here does", nil},
		{"x.h5", "\x89HDF\r\n\x1a\n", "it is HDF5, which is not read here; convert it", nil},
		{"x.pkl", "\x80\x04\x95", "it is a Python pickle", nil},
		{"x.gz", "\x1f\x8b\x00", "it is no gzip after all", nil},
		{"x.gz", string(gz(gz([]byte("1,2")))), "it is compressed twice", nil},
		{"x.npy", npyMagic + "\x04\x00", "it is npy of version 4.0", nil},
		{"x.npy", npyMagic + "\x01\x00\x10\x00{'descr'", "it is cut short: its header goes on to byte 26, 18 are there", nil},
		{"x.npy", npyMagic + "\x01\x00\x02\x00{}", "a key is missing", nil},
		{"x.zip", "PK\x03\x04", "it is probably cut short", nil},
		{"x.parquet", "PAR1 and nothing more", "it is cut short: Parquet ends with PAR1", nil},
		{"x.fvecs", "\x01\x00\x00\x00\x00\x00\x80\x3f\x02\x00\x00\x00", "row 1 has 2 values, want 1", vec.ErrDim},
		{"x.fvecs", "\x01\x00\x00\x00\x00\x00\x80\x3f\x01\x00\x00\x00\x00", "it is cut short: the bytes end within row 1", nil},
		{"x.fvecs", "\x01\x00\x00\x00\x00\x00\xc0\x7f", "row 0, column 0 is NaN as float32", vec.ErrNotFinite},
		{"x.txt", "a 1 2\nb 3\n", "line 2, row 1: it has 1 values, want 2", vec.ErrDim},
		{"x.txt", "a 1 2\nb 3 4\nc 5 x\n", `line 3, row 2: column 1 is "x", which is no number`, nil},
		{"x.txt", "a 1 2\nb 3 inf\n", "row 1, column 1 is +Inf", vec.ErrNotFinite},
		{"x.vec", "3 2\na 1 2\nb 3 4\n", "it is cut short: its first line promises 3 rows, 2 are there", nil},
		{"x.vec", "1 2\na 1 2\nb 3 4\n", "line 3: more rows than the 1 its first line promises", nil},
		{"x.csv", "x,y\n1,2\n3,\n", `line 3: row 1, column "y" is empty; mend it, or name the columns`, nil},
		{"x.csv", "x,y\n1,2\n3,4,5\n", "line 3, row 1: it has 3 columns, want 2", vec.ErrDim},
		{"x.csv", "x,y\n1,2\n3,1e39\n", "row 1, column 1 is +Inf", vec.ErrNotFinite},
		{"x.csv", "x,y\n1,2,3\n", "line 2 has 3 columns, the header 2", vec.ErrDim},
		{"x.csv", strings.Repeat(",", maxColumns) + "\n", "line 1 has more than 1048576 columns", nil},
		{"x.csv", "x,y\n1,\"" + strings.Repeat("\n", maxLine+1), "a quote is opened and not closed", nil},
		{"x.csv", strings.Repeat("1", maxLine+1<<20), "line 1 is longer than 16 MiB", nil},
		{"x.json", "[[1" + strings.Repeat(" ", maxLine+1<<20), "a value is longer than 16 MiB", nil},
		{"x.csv", "x,y\n", "it has a header and no rows", vec.ErrTooFew},
		{"x.csv", "x,y\na,b\n", "no column of numbers; the columns are x (text), y (text)", vec.ErrTooFew},
		{"x.csv", "x,y\n1,\"2\n", "line 2: a quote is opened and not closed", nil},
		{"x.csv", "x,y\n\"1\"2,3\n", `line 2, column 0: "2,3" follows a closing quote`, nil},
		{"x.csv", "i,e\n1,\"[1,2]\"\n2,\"[1]\"\n", "line 3: row 1 has 1 values, want 2", vec.ErrDim},
		{"x.jsonl", `{"v":[1,2]}` + "\n" + `{"v":[1]}`, "line 2, row 1: it has 1 values, want 2", vec.ErrDim},
		{"x.jsonl", `{"v":[1,2]}` + "\n" + `{"w":[1]}`, `line 2, row 1: it has no field "v"`, nil},
		{"x.jsonl", `{"v":[1,2]}` + "\n" + `{"v":[1,null]}`, `line 2, row 1: value 1 is "null", which is no number`, nil},
		{"x.jsonl", `{"v":[1,2]}` + "\n" + `{"v":[1,NaN]}`, "line 2, row 1: NaN or Infinity, which JSON does not have", vec.ErrNotFinite},
		{"x.jsonl", `{"v":[1,2]}` + "\n" + `[1,2]`, "line 2, row 1: want an object", nil},
		{"x.jsonl", "{\"v\":\n[1,2]}", "JSONL wants one whole value on each line", nil},
		{"x.jsonl", `{"v":"a","w":{}}`, "no field holds vectors; it has v (text), w (nested)", vec.ErrTooFew},
		{"x.jsonl", `{"v":[1],"w":[2]}`, "more than one field holds vectors; choose one by name, as in FILE#v; it has v (array of 1), w (array of 1)", nil},
		{"x.json", `[[1,2],[3,4]`, "it is cut short", nil},
		{"x.bin", "2 1\na \x00\x00\x80\x3f", "it is cut short: its header promises 12 bytes, 10 are there", nil},
	} {
		_, _, err := loadBytes(c.name, c.content, Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "dataset: "+c.name+": ") || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%.200q:\n got %v\nwant %s", c.content, err, c.want)
		}
	}
}

func TestAllowNonFinite(t *testing.T) {
	s, _, err := loadBytes("x.csv", "x,y\n1,nan\n-inf,4\n", Options{AllowNonFinite: true})
	if err != nil || !math.IsNaN(float64(s.X.Data[1])) || !math.IsInf(float64(s.X.Data[2]), -1) {
		t.Errorf("got %v, %v", s, err)
	}
}

// TestChecksums bends a value in what gzip and zip protect.
func TestChecksums(t *testing.T) {
	for _, name := range []string{"plain.npz", "two.npz#a", "f4.npy.gz"} {
		file, member, _ := strings.Cut(name, "#")
		b, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		switch file {
		case "plain.npz": // stored as it is: the last value of x
			at := strings.Index(string(b), "y.npy") - 30 - 1
			b[at] ^= 1
		case "two.npz": // the checksum of a, in the directory
			at := strings.LastIndex(string(b), "PK\x01\x02") // of y
			at = strings.LastIndex(string(b[:at]), "PK\x01\x02")
			at = strings.LastIndex(string(b[:at]), "PK\x01\x02")
			b[at+16] ^= 1
		default: // the checksum at the end
			b[len(b)-8] ^= 1
		}
		f, err := open(bytesSource(file, b), Options{Column: member}, true)
		if err == nil {
			_, err = f.load()
		}
		if err == nil || !strings.Contains(err.Error(), "it is damaged, copy or download it again") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNextAfter(t *testing.T) {
	f, err := open(bytesSource("x.csv", []byte("x\n1\n2\nc\n")), Options{}, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Next(vec.NewMatrix(1, 2)); !errors.Is(err, vec.ErrDim) {
		t.Errorf("a wrong width gave %v", err)
	}
	if n, err := f.Next(vec.NewMatrix(2, 1)); n != 2 || err != nil {
		t.Errorf("after that slip, got %d, %v", n, err)
	}
	_, bad := f.Next(vec.NewMatrix(2, 1))
	if _, again := f.Next(vec.NewMatrix(2, 1)); bad == nil || again != bad {
		t.Errorf("got %v, then %v", bad, again)
	}
	f, _ = open(bytesSource("x.csv", []byte("x\n1\n2\nc\n")), Options{MaxRows: 2}, true)
	for i, want := range []error{nil, io.EOF, io.EOF} {
		if _, err := f.Next(vec.NewMatrix(5, 1)); err != want {
			t.Errorf("call %d gave %v, want %v", i, err, want)
		}
	}
	f.Close()
	if _, err := f.Next(vec.NewMatrix(5, 1)); err == nil {
		t.Error("a closed file gave rows")
	}
}

func TestLabels(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, content, column string
		want                  string // the label of each row
	}{
		{"x.txt", "cat\ndog, big\ncat\n", "", "cat|dog, big|cat"},
		{"x.txt", "cat\ndog\n\n \n", "", "cat|dog"},
		{"x.txt", "# one a row\n\ncat\ndog", "", "cat|dog"},
		{"x.csv", "label\ncat\ndog\n", "", "cat|dog"},
		{"x.csv", "id,label\na,cat\n\nb,dog\n", "", "cat|dog"},
		{"x.txt", "16777216.5\n16777216.6\n", "", "16777216.5|16777216.6"},
		{"x.csv", "label\n10\n9\n", "", "10|9"},
		{"x.csv", "id,x,label\na,1,cat\nb,2,dog\n", "", "cat|dog"},
		{"x.csv", "id,x,y\na,1,cat\nb,2,dog\n", "y", "cat|dog"},
		{"x.csv", "id,x,y\na,1,cat\nb,2,dog\n", "id", "a|b"},
		{"x.csv", "3\n1\n2\n", "", "3|1|2"},
		{"x.tsv", "class\tx\n1\t7\n2\t7\n", "", "1|2"},
		{"x.jsonl", `{"v":[1],"label":"b"}` + "\n" + `{"v":[2],"label":"a"}`, "", "b|a"},
		{"x.jsonl", `{"id":"p"}` + "\n" + `{"id":"q"}`, "id", "p|q"},
		{"x.idx", "\x00\x00\x08\x01\x00\x00\x00\x03\x07\x00\x09", "", "7|0|9"},
		{"x.idx.gz", string(gz([]byte("\x00\x00\x08\x01\x00\x00\x00\x03\x07\x00\x09"))), "", "7|0|9"},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := LoadLabels(path, Options{Column: c.column})
		if err != nil {
			t.Errorf("%q: %v", c.content, err)
			continue
		}
		var got []string
		for _, i := range l.Of {
			got = append(got, l.Names[i])
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%q: got %q, want %s", c.content, got, c.want)
		}
	}
	l := newLabels([]string{"10", "9", "09", "10"})
	if !slices.Equal(l.Names, []string{"09", "9", "10"}) || !slices.Equal(l.Of, []int{2, 1, 0, 2}) {
		t.Errorf("got %+v", l)
	}
	for _, path := range []string{"testdata/f4.npy", "testdata/f32.safetensors", "testdata/gensim.bin", "testdata/plain.npz#x"} {
		if _, err := LoadLabels(path, Options{}); err == nil || !strings.Contains(err.Error(), "labels") {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if _, err := LoadLabels(filepath.Join(dir, "x.tsv"), Options{Column: "z"}); err == nil || !strings.Contains(err.Error(), `no column "z" of labels; it has class, x`) {
		t.Errorf("got %v", err)
	}
}

func TestLabelErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, content, want string
		is                  error
	}{
		{"x.txt", "a\nb\nc\nd\ne\nf\ng\n\ni\n", "line 8 is empty; give a label or leave the row out", nil},
		{"x.txt", "\na\nb\n", "line 1 is empty", nil},
		{"x.txt", "a\n\nb\n", "line 2 is empty", nil},
		{"x.txt", "a\nb\n\nc\n\nd\n", "line 3 is empty", nil},
		{"x.txt", strings.Repeat("a\n", 5000) + " \r\nb\n", "line 5001 is empty", nil},
		{"x.csv", "label\na\n\nb\n", "line 3 is empty", nil},
		{"x.txt", "1\n2\nnan\n", "the label of row 2 is nan; give it one or leave the row out", vec.ErrNotFinite},
		{"x.csv", "label,x\n1,2\n-Inf,2\n", "the label of row 1 is -Inf", vec.ErrNotFinite},
		{"x.jsonl", `{"label":"NaN","x":1}`, "the label of row 0 is NaN", vec.ErrNotFinite},
	} {
		path := filepath.Join(dir, c.name)
		writeFile(t, path, []byte(c.content))
		if l, err := LoadLabels(path, Options{}); err == nil || !strings.Contains(err.Error(), "dataset: "+c.name+": "+c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%.40q: got %v, %v, want %s", c.content, l, err, c.want)
		}
	}
	_, err := LoadLabels("testdata/labels.parquet#bad", Options{})
	if !errors.Is(err, vec.ErrNotFinite) || !strings.Contains(err.Error(), "row 1 is NaN") {
		t.Errorf("a column of doubles gave %v", err)
	}
	if l, err := LoadLabels("testdata/labels.parquet#bad", Options{AllowNonFinite: true}); err != nil || len(l.Names) != 3 {
		t.Errorf("allowed, it gave %v, %v", l, err)
	}
}

func TestMap(t *testing.T) {
	dir := t.TempDir()
	s := seedSet()
	for _, ext := range []string{".npy", ".npz", ".fvecs", ".fbin", ".safetensors"} {
		path := filepath.Join(dir, "x"+ext)
		if err := Save(path, s); err != nil {
			t.Fatal(err)
		}
		m, err := Map(path, Options{MaxRows: 3})
		if ext == ".npz" && err != nil && strings.Contains(err.Error(), "no multiple of 4") {
			continue // where a zip archive puts its bytes is chance
		}
		if err != nil {
			t.Errorf("%s: %v", ext, err)
			continue
		}
		if m.Rows() != 3 || m.Dim() != 3 || m.Contiguous() == (ext == ".fvecs") {
			t.Errorf("%s: %d×%d, contiguous %v", ext, m.Rows(), m.Dim(), m.Contiguous())
		}
		for i := range m.Rows() {
			if !slices.Equal(m.Row(i), s.X.Row(i)) || cap(m.Row(i)) != 3 {
				t.Errorf("%s: row %d is %v", ext, i, m.Row(i))
			}
		}
		if got := m.Slice(1, 3); !slices.Equal(got.Data, s.X.Slice(1, 3).Data) || got.Rows != 2 || got.Cols != 3 {
			t.Errorf("%s: slice is %v", ext, got)
		}
		if err := errors.Join(m.Close(), m.Close()); err != nil {
			t.Errorf("%s: %v", ext, err)
		}
	}
	for _, path := range []string{"testdata/f4_fortran_big.npy", "testdata/i4.npy", "testdata/f4.npy.gz", "testdata/two.npz#a", "testdata/list_float.parquet"} {
		if _, err := Map(path, Options{}); err == nil || !strings.Contains(err.Error(), "load it, or save it as npy") {
			t.Errorf("%s: got %v", path, err)
		}
	}
}
