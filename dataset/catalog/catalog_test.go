package catalog

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latent-go/latent/vec"
)

// content is what the test data set holds: long enough to come in many pieces.
var content = bytes.Repeat([]byte("all the world's a stage\n"), 40000)

func entry(sources ...Source) Entry {
	return Entry{Name: "stage", Verified: true, version: 1, convert: asTheyAre, Sources: sources,
		Raw: []Raw{{"stage.txt", int64(len(content)), hexSum(content)}}}
}

func hexSum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func home(base string, files ...string) web {
	w := web{base: base + "/"}
	for _, f := range files {
		w.files = append(w.files, webFile{f, ""})
	}
	return w
}

func options(t testing.TB) Options {
	return Options{Dir: t.TempDir(), retryAfter: time.Millisecond, Log: func(s string) { t.Log(s) }}
}

// leftBehind lists what a cache holds besides locks and the data set itself.
func leftBehind(t testing.TB, o Options, also ...string) []string {
	t.Helper()
	list, err := os.ReadDir(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range list {
		if !strings.HasSuffix(item.Name(), ".lock") && !slices.Contains(also, item.Name()) {
			names = append(names, item.Name())
		}
	}
	return names
}

func wantContent(t testing.TB, d Data, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(d.Path("stage.txt")); err != nil || !bytes.Equal(b, content) {
		t.Fatalf("%d bytes (%v), want the %d that were sent", len(b), err, len(content))
	}
}

func TestWeb(t *testing.T) {
	half := len(content) / 2
	type visit struct {
		w http.ResponseWriter
		r *http.Request
		n int // which visit it is, from 1
	}
	whole := func(v visit) { http.ServeContent(v.w, v.r, "stage.txt", time.Unix(1e9, 0), bytes.NewReader(content)) }
	breakOff := func(v visit) { // promises all, sends half
		v.w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		v.w.Write(content[:half])
	}
	for name, c := range map[string]struct {
		serve  func(v visit)
		visits int    // 0: not counted
		want   string // in the error; "" for success
	}{
		"good": {whole, 1, ""},
		"redirect": {func(v visit) {
			if v.r.URL.Path == "/stage.txt" {
				http.Redirect(v.w, v.r, "/elsewhere", http.StatusFound)
				return
			}
			whole(v)
		}, 2, ""},
		"circle":    {func(v visit) { http.Redirect(v.w, v.r, "/stage.txt", http.StatusFound) }, 0, "in a circle"},
		"missing":   {func(v visit) { http.NotFound(v.w, v.r) }, 1, "the server answers 404 Not Found"},
		"forbidden": {func(v visit) { v.w.WriteHeader(403) }, 1, "403"},
		"busy, then good": {func(v visit) {
			if v.n < 3 {
				v.w.WriteHeader(503)
				return
			}
			whole(v)
		}, 3, ""},
		"always busy":   {func(v visit) { v.w.WriteHeader(503) }, tries, "503"},
		"always breaks": {breakOff, tries, "unexpected EOF"},
		"breaks, then resumes": {func(v visit) {
			v.w.Header().Set("ETag", `"one"`)
			if v.n == 1 {
				breakOff(v)
				return
			}
			if got, want := v.r.Header.Get("Range"), fmt.Sprintf("bytes=%d-", half); got != want || v.r.Header.Get("If-Range") != `"one"` {
				t.Errorf("asked for range %q if %q, want %q", got, v.r.Header.Get("If-Range"), want)
			}
			whole(v)
		}, 2, ""},
		"breaks, then has changed": {func(v visit) { // the half that is there is of other content
			if v.n == 1 {
				v.w.Header().Set("ETag", `"old"`)
				v.w.Header().Set("Content-Length", strconv.Itoa(len(content)))
				v.w.Write(bytes.Repeat([]byte("x"), half))
				return
			}
			v.w.Header().Set("ETag", `"new"`)
			whole(v)
		}, 2, ""},
		"breaks, and has no name for its content": {func(v visit) {
			if v.n == 1 {
				breakOff(v)
				return
			}
			if v.r.Header.Get("Range") != "" {
				t.Error("asked for a range of it knows not what")
			}
			whole(v)
		}, 2, ""},
		"wrong range": {func(v visit) {
			v.w.Header().Set("ETag", `"one"`)
			if v.n == 1 {
				breakOff(v)
				return
			}
			v.w.Header().Set("Content-Range", "bytes 0-9/10")
			v.w.WriteHeader(http.StatusPartialContent)
		}, 0, "206"},
		"range past the end": {func(v visit) {
			v.w.Header().Set("ETag", `"one"`)
			switch v.n {
			case 1:
				breakOff(v)
			case 2:
				v.w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			default:
				whole(v)
			}
		}, 3, ""},
		"other content": {func(v visit) { v.w.Write(bytes.ToUpper(content)) }, 1, "want " + hexSum(content)},
		"too short":     {func(v visit) { v.w.Write(content[:half]) }, 1, "want " + strconv.Itoa(len(content))},
		"too long":      {func(v visit) { v.w.Write(content); v.w.Write(content) }, 1, "want " + strconv.Itoa(len(content))},
	} {
		t.Run(name, func(t *testing.T) {
			var visits atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c.serve(visit{w, r, int(visits.Add(1))})
			}))
			defer srv.Close()
			o := options(t)
			last := -1
			o.Progress = func(done, total int) {
				if done <= 0 || total != 0 && done > total {
					t.Errorf("progress %d of %d", done, total)
				}
				last = done
			}
			d, err := entry(home(srv.URL, "stage.txt")).get(t.Context(), o)
			if c.visits != 0 && int(visits.Load()) != c.visits {
				t.Errorf("%d visits, want %d", visits.Load(), c.visits)
			}
			if c.want == "" {
				wantContent(t, d, err)
				if last != len(content) {
					t.Errorf("the last progress was %d, want %d", last, len(content))
				}
				return
			}
			var all *SourcesError
			if !errors.As(err, &all) || !strings.Contains(err.Error(), c.want) || len(all.Tried) != 1 {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
			if left := leftBehind(t, o); left != nil {
				t.Errorf("it left %v", left)
			}
		})
	}
}

func TestStallAndCancel(t *testing.T) {
	begun := make(chan struct{}, 9)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(content[:1000])
		w.(http.Flusher).Flush()
		begun <- struct{}{}
		<-r.Context().Done()
	}))
	defer srv.Close()
	e := entry(home(srv.URL, "stage.txt"))

	o := options(t)
	o.stall = 20 * time.Millisecond
	if _, err := e.get(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no byte came for 20ms") {
		t.Errorf("error %v, want one about the stall", err)
	}

	for range tries {
		<-begun
	}
	o = options(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := e.get(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if left := leftBehind(t, o); left != nil {
		t.Errorf("it left %v", left)
	}
}

// The next source is asked when one fails, and each failure is told when all do.
func TestSourcesInOrder(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bad/stage.txt":
			w.Write([]byte("something else"))
		case "/good/stage.txt":
			w.Write(content)
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	none, bad, good := home(srv.URL+"/none", "stage.txt"), home(srv.URL+"/bad", "stage.txt"), home(srv.URL+"/good", "stage.txt")

	o := options(t)
	d, err := entry(local{filepath.Join(o.Dir, "nowhere")}, none, bad, good).get(t.Context(), o)
	wantContent(t, d, err)
	if d.Source != good.String() {
		t.Errorf("it came from %s, want %s", d.Source, good)
	}

	o = options(t)
	_, err = entry(none, bad).get(t.Context(), o)
	var all *SourcesError
	if !errors.As(err, &all) || len(all.Tried) != 2 || !errors.Is(all.Tried[1].Err, errUnverified) {
		t.Fatalf("error %v, want both sources in it", err)
	}
	for _, want := range []string{none.String(), bad.String(), "404", "14 bytes", "If you have stage.txt", all.Drop} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}

	// The cure that the error names works, also offline, and with the file compressed.
	if err := os.Mkdir(all.Drop, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(all.Drop, "stage.txt.gz"), gz(content), 0o644); err != nil {
		t.Fatal(err)
	}
	o.Offline = true
	d, err = entry(none, bad).get(t.Context(), o)
	wantContent(t, d, err)
}

func TestOffline(t *testing.T) {
	o := options(t)
	o.Offline = true
	_, err := entry(home("http://localhost:1", "stage.txt")).get(t.Context(), o)
	if !errors.Is(err, ErrOffline) {
		t.Errorf("error %v, want ErrOffline", err)
	}
}

func TestCache(t *testing.T) {
	var visits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits.Add(1)
		w.Write(content)
	}))
	defer srv.Close()
	o := options(t)
	e := entry(home(srv.URL, "stage.txt"))
	get := func(why string, want int32) Data {
		t.Helper()
		visits.Store(0)
		d, err := e.get(t.Context(), o)
		wantContent(t, d, err)
		if visits.Load() != want {
			t.Fatalf("%s: %d visits, want %d", why, visits.Load(), want)
		}
		if left := leftBehind(t, o, "stage"); left != nil {
			t.Fatalf("%s: it left %v", why, left)
		}
		return d
	}
	if e.Cached(o) {
		t.Error("an empty cache holds it")
	}
	d := get("empty cache", 1)
	get("full cache", 0)
	if !e.Cached(o) {
		t.Error("a full cache does not hold it")
	}

	file := d.Path("stage.txt")
	damage := func(f func() error) {
		t.Helper()
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	damage(func() error { return os.WriteFile(file, append([]byte("A"), content[1:]...), 0o644) })
	get("one byte changed", 1)
	damage(func() error { return os.Truncate(file, 100) })
	if e.Cached(o) {
		t.Error("a cache with a torn file holds it")
	}
	get("cut short", 1)
	damage(func() error { return os.Remove(file) })
	get("removed", 1)
	damage(func() error { return os.Remove(d.Path(manifestName)) })
	get("no manifest", 1)
	damage(func() error { return os.WriteFile(d.Path(manifestName), []byte("{"), 0o644) })
	get("torn manifest", 1)
	damage(func() error {
		return os.WriteFile(d.Path(manifestName), []byte(`{"name":"stage","version":1,"files":[{"name":"../../etc/passwd"}]}`), 0o644)
	})
	get("a manifest that points elsewhere", 1)
	e.version = 2
	get("another version of the conversion", 1)

	// What a killed fetch left goes after a day; what may be a live one's stays.
	old, young := filepath.Join(o.Dir, workPrefix("stage")+"1"), filepath.Join(o.Dir, workPrefix("stage")+"2")
	damage(func() error { return errors.Join(os.Mkdir(old, 0o755), os.Mkdir(young, 0o755)) })
	damage(func() error { return os.Chtimes(old, time.Time{}, time.Now().Add(-25*time.Hour)) })
	damage(func() error { return os.Truncate(file, 0) })
	d, err := e.get(t.Context(), o)
	wantContent(t, d, err)
	if left := leftBehind(t, o, "stage"); !slices.Equal(left, []string{filepath.Base(young)}) {
		t.Errorf("left are %v, want the young folder only", left)
	}
}

func TestManyAtOnce(t *testing.T) {
	var visits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits.Add(1)
		time.Sleep(20 * time.Millisecond)
		w.Write(content)
	}))
	defer srv.Close()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			d, err := entry(home(srv.URL, "stage.txt")).get(t.Context(), Options{Dir: dir})
			if err != nil {
				t.Error(err)
			} else if b, err := os.ReadFile(d.Path("stage.txt")); err != nil || !bytes.Equal(b, content) {
				t.Errorf("%d bytes (%v)", len(b), err)
			}
		})
	}
	wg.Wait()
	if visits.Load() != 1 {
		t.Errorf("%d visits, want 1", visits.Load())
	}
}

// Whoever waits for another can be stopped.
func TestWaitingStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, path, func(string) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
	unlock()
	again, err := lock(t.Context(), path, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestCacheThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := entry().get(t.Context(), Options{Dir: file}); err == nil || !strings.Contains(err.Error(), "set LATENT_DATA") {
		t.Errorf("error %v, want one that names LATENT_DATA", err)
	}
	t.Setenv("LATENT_DATA", "/some/where")
	if d, err := Dir(); d != "/some/where" || err != nil {
		t.Errorf("Dir() is %q, %v", d, err)
	}
}

func TestArchives(t *testing.T) {
	// A member's folders are not followed, so that none lands outside; what is not asked for stays out.
	files := map[string][]byte{"../../up/stage.txt": content, "other.txt": []byte("no")}
	zip := zipped(t, files)
	for _, c := range []struct {
		name string
		body []byte
		sum  string
		want string
	}{
		{"a.zip", zip, "sha256:" + hexSum(zip), ""},
		{"a.tar.gz", tarred(t, files), "", ""},
		{"a.tar.gz", tarred(t, files), "md5:00", "want md5:00"},
		{"a.tar.gz", tarred(t, map[string][]byte{"stage.txt.gz": gz(content)}), "", ""},
		{"a.tar.gz", tarred(t, map[string][]byte{"x": nil}), "", "none of the files"},
		{"a.tar.gz", tarred(t, files)[:2000], "", "EOF"},
		{"a.zip", []byte("no archive"), "", "a.zip"},
		{"stage.txt.gz", gz(content)[:500], "", "EOF"},
		{"stage.txt.gz", gz(bytes.Repeat(content, 3)), "", "or more"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(c.body) }))
		o := options(t)
		d, err := entry(web{srv.URL + "/", []webFile{{c.name, c.sum}}}).get(t.Context(), o)
		srv.Close()
		if c.want == "" {
			wantContent(t, d, err)
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.want)
		}
		if left := leftBehind(t, o, "stage"); left != nil {
			t.Errorf("%s: it left %v", c.name, left)
		}
	}
}

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range List() {
		if seen[e.Name] || !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(e.Name) {
			t.Errorf("%q is no name, or met twice", e.Name)
		}
		seen[e.Name] = true
		if e.Title == "" || e.Licence == "" || e.Citation == "" || e.Home == "" || len(e.Sources) == 0 || e.version < 1 || e.convert == nil {
			t.Errorf("%s is not complete", e.Name)
		}
		if _, err := vec.ParseMetric(e.Metric); (e.Dim > 0) != (err == nil) {
			t.Errorf("%s: dimension %d and metric %q", e.Name, e.Dim, e.Metric)
		}
		inArchive := false
		for _, s := range e.Sources {
			if w, ok := s.(web); ok {
				for _, f := range w.files {
					if f.sum == "" {
						continue
					}
					inArchive = true
					if !regexp.MustCompile(`^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$`).MatchString(f.sum) {
						t.Errorf("%s: %s has checksum %q", e.Name, f.name, f.sum)
					}
				}
			}
		}
		for _, r := range e.Raw {
			if r.SHA256 != "" && (len(r.SHA256) != 64 || r.Bytes == 0) {
				t.Errorf("%s: %s has checksum %q and %d bytes", e.Name, r.Name, r.SHA256, r.Bytes)
			}
			if e.Verified != (r.SHA256 != "" || inArchive) {
				t.Errorf("%s: verified is %v, and %s has checksum %q", e.Name, e.Verified, r.Name, r.SHA256)
			}
		}
	}
	for _, name := range []string{"fashion-mnist", "mnist", "glove-100", "siftsmall", "digits"} {
		if !seen[name] {
			t.Errorf("there is no %s", name)
		}
	}
	if _, err := Get(t.Context(), "nonesuch", Options{}); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "glove-100") {
		t.Errorf("error %v, want ErrUnknown and the names", err)
	}
	if _, err := Load(t.Context(), "npl", Options{}); !errors.Is(err, ErrNoVectors) {
		t.Errorf("error %v, want ErrNoVectors", err)
	}
}

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zipped(t testing.TB, files map[string][]byte) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, b := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(b)
	}
	z.Close()
	return out.Bytes()
}

func tarred(t testing.TB, files map[string][]byte) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, b := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(b)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		w.Write(b)
	}
	w.Close()
	return gz(out.Bytes())
}
