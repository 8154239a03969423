package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// latent runs the command and returns what it wrote and its exit code.
func latent(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), &env{out: &out, err: &err}, args)
	return out.String(), err.String(), code
}

// answer runs the command with --json, wants it to succeed, and decodes its answer.
func answer(t *testing.T, v any, args ...string) {
	t.Helper()
	out, errs, code := latent(t, append(args, "--json")...)
	if code != exitDone {
		t.Fatalf("latent %s: exit %d: %s", strings.Join(args, " "), code, errs)
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("latent %s: %v in %s", strings.Join(args, " "), err, out)
	}
}

// vectors writes generated vectors and queries to a folder, and returns their paths.
func vectors(t *testing.T) (train, test string) {
	t.Helper()
	dir := t.TempDir()
	var got gotData
	answer(t, &got, "data", "get", "synthetic:mixture?n=3000&d=5&ambient=32&noise=0.01", "-o", dir)
	if len(got.Files) != 2 {
		t.Fatalf("%+v", got)
	}
	return got.Files[0], got.Files[1]
}

// TestTheMainJob does what the command is for: measure, build, prove, search.
func TestTheMainJob(t *testing.T) {
	train, test := vectors(t)
	dir := t.TempDir()
	page := filepath.Join(dir, "measure.html")

	var m measureAnswer
	answer(t, &m, "measure", train, "--html", page, "--sample", "1000")
	if d := m.Dimension; d.Rows != 3000 || d.Cols != 32 || d.Dimension < 4 || d.Dimension > 6 {
		t.Errorf("dimension %.2f of %d×%d, want about 5 of 3000×32", d.Dimension, d.Rows, d.Cols)
	}
	text, _, code := latent(t, "measure", train, "--sample", "500")
	for _, want := range []string{"3000 vectors of 32 numbers", "TwoNN", "participation ratio", "norms:", "hubness:"} {
		if code != exitDone || !strings.Contains(text, want) {
			t.Errorf("measure does not say %q:\n%s", want, text)
		}
	}
	pageHas(t, page, "Dimension against neighbours", "Dimension against scale", "Local dimension", "Variance of each direction", "Norms", "Hubness")

	ix := filepath.Join(dir, "index")
	page = filepath.Join(dir, "build.html")
	var b buildAnswer
	answer(t, &b, "build", train, "--queries", test, "-o", ix, "--html", page, "--prefer", "bytes")
	if p := b.Manifest.Proof; p == nil || !p.Met || p.Lo < 0.95 || p.Raised > 5 {
		t.Errorf("proof: %+v", p)
	}
	if b.Manifest.Vectors != 3000 || b.Manifest.Bytes.Index > 32 || len(b.Tuning.Trials) < 5 {
		t.Errorf("%+v", b.Manifest)
	}
	pageHas(t, page, "What was tried", "bytes a vector", b.Manifest.Plan.String())

	var s searchAnswer
	answer(t, &s, "search", ix, "--query", test, "--row", "7", "-k", "3")
	if len(s.Hits) != 3 || s.Hits[0].Distance > s.Hits[2].Distance || !strings.HasSuffix(s.Query, "row 7") {
		t.Errorf("%+v", s)
	}
	answer(t, &s, "search", ix, "--row", "11", "-k", "4")
	if len(s.Hits) != 4 || slices.ContainsFunc(s.Hits, func(h searchHit) bool { return h.ID == 11 }) {
		t.Errorf("row 11 is not to find itself: %+v", s)
	}
	text, _, code = latent(t, "search", ix, "--query", test)
	if code != exitDone || strings.Count(text, "row ") != 300 {
		t.Errorf("300 queries: exit %d, %d answers", code, strings.Count(text, "row "))
	}

	text, errs, code := latent(t, "build", train, "-o", ix)
	if code != exitFailed || !strings.Contains(errs, "--replace") {
		t.Errorf("an index was built over another: exit %d, %s%s", code, text, errs)
	}
	text, errs, code = latent(t, "build", train, "-o", ix, "--replace", "--plan", "sq8|hnsw:8", "--queries", test)
	if code != exitDone || !strings.Contains(text, "plan    sq8|hnsw:8") {
		t.Errorf("exit %d: %s%s", code, text, errs)
	}
}

func pageHas(t *testing.T, path string, want ...string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !bytes.Contains(b, []byte(w)) {
			t.Errorf("%s lacks %q", filepath.Base(path), w)
		}
	}
	if bytes.Contains(b, []byte("src=")) || bytes.Contains(b, []byte("url(")) || bytes.Contains(b, []byte("<script")) {
		t.Errorf("%s needs something outside itself", filepath.Base(path))
	}
}

// TestLabels keeps the names of the rows through to the answer.
func TestLabels(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "words.csv")
	os.WriteFile(file, []byte("word,x,y\nnorth,0,1\nsouth,0,-1\neast,1,0\nnortheast,0.7,0.7\n"), 0o600)
	ix := filepath.Join(dir, "index")
	if out, errs, code := latent(t, "build", file, "--plan", "flat", "--metric", "cosine", "-o", ix); code != exitDone {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	text, errs, code := latent(t, "search", ix, "--row", "0", "-k", "1")
	if code != exitDone || !strings.Contains(text, "northeast") || !strings.Contains(text, "row 0 north\n") {
		t.Errorf("exit %d: %s%s", code, text, errs)
	}
}

// TestBadInput gives each kind of bad input, and wants an error that helps and nothing written.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	save := func(name string, x vec.Matrix) string {
		if err := dataset.Save(path(name), &dataset.Set{X: x}); err != nil {
			t.Fatal(err)
		}
		return path(name)
	}
	good := vec.NewMatrix(200, 4)
	for i := range good.Data {
		good.Data[i] = float32((i*7919)%1009) / 1009
	}
	train := save("good.npy", good)
	whole, _ := os.ReadFile(train)
	os.WriteFile(path("cut.npy"), whole[:len(whole)-100], 0o600)
	nan := slices.Clone(whole)
	copy(nan[len(whole)-len(good.Data)*4+(17*4+2)*4:], []byte{0, 0, 0xc0, 0x7f}) // row 17, column 2
	os.WriteFile(path("nan.npy"), nan, 0o600)
	zero := good.Clone()
	clear(zero.Row(5))
	zeros := save("zero.npy", zero)
	narrow := save("narrow.npy", vec.Matrix{Rows: 400, Cols: 2, Data: good.Data})
	os.WriteFile(path("text.csv"), []byte("name,colour\nrose,red\nviolet,blue\n"), 0o600)
	if err := os.Mkdir(path("locked"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	out := path("index")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no such file", []string{"measure", path("none.npy")}, exitFailed, "no such file, and no data set of that name"},
		{"truncated", []string{"build", path("cut.npy"), "-o", out}, exitFailed, "cut.npy"},
		{"NaN", []string{"build", path("nan.npy"), "-o", out}, exitFailed, "row 17"},
		{"NaN measured", []string{"measure", path("nan.npy")}, exitFailed, "row 17"},
		{"no vectors", []string{"measure", path("text.csv")}, exitFailed, "text.csv"},
		{"a folder", []string{"measure", path("locked")}, exitFailed, "locked"},
		{"zero vector", []string{"build", zeros, "--metric", "cosine", "-o", out}, exitFailed, "no direction"},
		{"zero vector, planned", []string{"build", zeros, "--metric", "cosine", "--plan", "sq8|hnsw:8", "-o", out}, exitFailed, "row 5"},
		{"dimensions", []string{"build", train, "--queries", narrow, "-o", out}, exitFailed, "2 dimensions"},
		{"dimensions, planned", []string{"build", train, "--plan", "flat", "--queries", narrow, "-o", out}, exitFailed, "2 dimensions"},
		{"no place", []string{"build", train, "-o", path("a/b/c")}, exitFailed, "make the folder first"},
		{"other files", []string{"build", train, "-o", dir}, exitFailed, "other files"},
		{"page nowhere", []string{"measure", train, "--html", path("a/b.html")}, exitFailed, "make the folder first"},
		{"out of reach", []string{"build", train, "--try", "pca:1|sq4|flat", "-o", out}, exitMissed, "nearest came pca:1|sq4|flat"},
		{"no index", []string{"search", dir, "--row", "1"}, exitFailed, "no index folder"},
		{"no -o", []string{"build", train}, exitMisused, "-o DIR"},
		{"plan", []string{"build", train, "--plan", "sq9", "-o", out}, exitMisused, `no stage "sq9"`},
		{"metric", []string{"build", train, "--metric", "hamming", "-o", out}, exitMisused, "l2, cosine, dot, l1"},
		{"prefer", []string{"build", train, "--prefer", "cheap", "-o", out}, exitMisused, "bytes, balance, speed"},
		{"flag", []string{"measure", train, "--colour"}, exitMisused, "--help"},
		{"arguments", []string{"measure"}, exitMisused, "--help"},
		{"command", []string{"mesure"}, exitMisused, "mesure"},
		{"trial rows", []string{"build", train, "--trial-rows", "-5", "-o", out}, exitMisused, "--trial-rows -5"},
		{"recall", []string{"build", train, "--recall", "7", "-o", out}, exitMisused, "--recall 7"},
		{"half a number", []string{"build", train, "--prefer", "0.5abc", "-o", out}, exitMisused, "0.5abc"},
		{"plan and try", []string{"build", train, "--plan", "flat", "--try", "sq8", "-o", out}, exitMisused, "give one of them"},
		{"rows", []string{"measure", train, "--rows", "-3"}, exitMisused, "--rows -3"},
		{"row", []string{"search", dir, "--row", "4294967299"}, exitMisused, "4294967299"},
		{"over itself", []string{"reduce", train, "--components", "2", "-o", train}, exitMisused, "write to another file"},
		{"no query", []string{"search", dir}, exitMisused, "--row N"},
		{"data set", []string{"data", "get", "mnits"}, exitFailed, "fashion-mnist"},
		{"generator", []string{"measure", "synthetic:swisroll"}, exitMisused, "swissroll"},
		{"recipe", []string{"reproduce", "nothing"}, exitMisused, "reproduce list"},
		{"list and more", []string{"reproduce", "list", "hnsw-order"}, exitMisused, `"list" stands alone`},
		{"all and more", []string{"reproduce", "hnsw-order", "all"}, exitMisused, `"all" stands alone`},
		{"markdown of a recipe", []string{"reproduce", "hnsw-order", "--markdown"}, exitMisused, "--markdown goes with list"},
	} {
		stdout, stderr, code := latent(t, c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s%s", c.name, code, c.code, c.want, stdout, stderr)
		}
		if after := listing(t, dir); !slices.Equal(before, after) {
			t.Errorf("%s: left behind: %v, before %v", c.name, after, before)
		}
	}
}

func listing(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestInterrupted(t *testing.T) {
	train, _ := vectors(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"measure", train}, {"build", train, "-o", filepath.Join(dir, "index")}, {"data", "get", "synthetic:ball", "-o", dir}} {
		var out, errs bytes.Buffer
		if code := run(ctx, &env{out: &out, err: &errs}, args); code != exitInterrupted || !strings.Contains(errs.String(), "interrupted") {
			t.Errorf("%v: exit %d: %s", args, code, &errs)
		}
	}
	if left := listing(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestInterruptedAtWork stops a build sooner and later: either it was done, and its index can be opened, or it says that it
// was interrupted, and nothing is there.
func TestInterruptedAtWork(t *testing.T) {
	train, test := vectors(t)
	dir := t.TempDir()
	stopped := 0
	for wait := time.Millisecond; wait < 3*time.Second; wait = wait * 2 {
		ctx, cancel := context.WithTimeoutCause(t.Context(), wait, nil)
		interrupt, stop := context.WithCancel(t.Context())
		context.AfterFunc(ctx, stop)
		out := filepath.Join(dir, "index")
		var errs bytes.Buffer
		code := run(interrupt, &env{out: io.Discard, err: &errs}, []string{"build", train, "--queries", test, "-o", out})
		cancel()
		stop()
		switch left := listing(t, dir); {
		case code == exitInterrupted && len(left) == 0:
			stopped++
		case code == exitDone && slices.Equal(left, []string{"index"}):
			f, err := plan.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			os.RemoveAll(out)
		default:
			t.Errorf("after %v: exit %d, files %v: %s", wait, code, left, &errs)
		}
	}
	if stopped == 0 {
		t.Error("no build was ever stopped")
	}
}

func TestDataList(t *testing.T) {
	var l listedData
	answer(t, &l, "data", "list")
	names := map[string]bool{}
	for _, s := range l.Sets {
		names[s.Name] = true
		if len(s.Sources) == 0 || s.Licence == "" || s.Citation == "" || s.Home == "" {
			t.Errorf("%s lacks a source, a licence, a citation or a home", s.Name)
		}
	}
	for _, want := range []string{"fashion-mnist", "mnist", "glove-100", "siftsmall", "digits"} {
		if !names[want] {
			t.Errorf("no data set %s", want)
		}
	}
	if text, _, _ := latent(t, "data", "list"); !strings.Contains(text, "swissroll") || !strings.Contains(text, "licence") {
		t.Errorf("the list lacks a generator or a licence:\n%s", text)
	}
}

func TestFallbackSaysSo(t *testing.T) {
	t.Setenv("LATENT_DATA", t.TempDir())
	dir := t.TempDir()
	text, errs, code := latent(t, "data", "get", "siftsmall", "--offline", "--fallback", "synthetic:ball?n=50&d=3", "-o", dir)
	if code != exitDone || !strings.Contains(text, "NOT it but synthetic:ball") {
		t.Errorf("exit %d: %s%s", code, text, errs)
	}
	if got := listing(t, dir); !slices.Equal(got, []string{"test.npy", "train.npy"}) {
		t.Errorf("files: %v", got)
	}
}

// TestRows takes so many rows and no more, of whatever kind of source.
func TestRows(t *testing.T) {
	var m measureAnswer
	answer(t, &m, "measure", "synthetic:ball?n=500&d=3", "--rows", "100")
	if m.Dimension.Rows != 100 {
		t.Errorf("%d rows, want 100", m.Dimension.Rows)
	}
}

// TestNotProven says by its exit code that a plan that was asked for a recall does not have it.
func TestNotProven(t *testing.T) {
	train, test := vectors(t)
	dir := t.TempDir()
	args := []string{"build", train, "--queries", test, "--plan", "pca:2|sq4", "-o", filepath.Join(dir, "a")}
	if out, errs, code := latent(t, args...); code != exitDone {
		t.Errorf("no recall was asked for: exit %d: %s%s", code, out, errs)
	}
	args[len(args)-1] = filepath.Join(dir, "b")
	if _, errs, code := latent(t, append(args, "--recall", "0.9")...); code != exitMissed || !strings.Contains(errs, "not shown to reach 0.9") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAnswerThatGotLost(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"version", "--json"}, {"data", "list"}} {
		var errs bytes.Buffer
		if code := run(t.Context(), &env{out: full{}, err: &errs}, args); code != exitFailed || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%v: exit %d: %s", args, code, &errs)
		}
	}
}

func TestVersion(t *testing.T) {
	var v versionAnswer
	answer(t, &v, "version")
	if v.Version == "" || v.Go == "" {
		t.Errorf("%+v", v)
	}
}

// TestDocs keeps docs/cli.md what the commands say of themselves.
func TestDocs(t *testing.T) {
	const path = "../../docs/cli.md"
	want := cliDoc(newRoot(&env{}))
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/cli.md is not what the commands say; go test ./cmd/latent -run TestDocs -update (%v)", err)
	}
}

// cliDoc is the reference of the command.
func cliDoc(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString("# The command\n\nWritten by `go test ./cmd/latent -run TestDocs -update` from the commands themselves.\n\n" +
		"Answers go to stdout, as text or with `--json` as JSON; progress goes to stderr, and only to a terminal. Exit codes: 0 done,\n" +
		"1 failed, 2 misused, 3 the target was not reached, 130 interrupted. `latent completion SHELL` prints shell completion.\n")
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.IsAdditionalHelpTopicCommand() || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		long := c.Long
		if long == "" {
			long = c.Short
		}
		b.WriteString("\n## " + c.CommandPath() + "\n\n```\n" + strings.TrimSpace(long) + "\n\n" + strings.TrimSpace(c.UsageString()) + "\n```\n")
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return b.Bytes()
}
