package catalog

import (
	"os"
	"strings"
	"testing"
	"time"
)

// Data sets from their real sources: LATENT_TEST_SOURCES=fashion-mnist,digits or all of them, in $LATENT_DATA or a
// temporary folder.
func TestRealSources(t *testing.T) {
	names := splitList(os.Getenv("LATENT_TEST_SOURCES"))
	if len(names) == 0 {
		t.Skip("LATENT_TEST_SOURCES names no data set")
	}
	dir := os.Getenv("LATENT_DATA")
	if dir == "" {
		dir = t.TempDir()
	}
	for _, name := range names {
		begin := time.Now()
		d, err := Get(t.Context(), name, Options{Dir: dir, Log: func(s string) { t.Log(s) }})
		if err != nil {
			t.Error(err)
			continue
		}
		t.Logf("%s: %v from %s", name, time.Since(begin).Round(time.Millisecond), d.Source)
		for _, f := range d.Files {
			t.Logf("  %s %d bytes, sha256 %s", f.Name, f.Bytes, f.SHA256)
		}
		if d.Dim == 0 {
			continue
		}
		begin = time.Now()
		s, err := Load(t.Context(), name, Options{Dir: dir, Offline: true})
		if err != nil {
			t.Error(err)
			continue
		}
		t.Logf("  loaded in %v", time.Since(begin).Round(time.Millisecond))
		if s.Train.Rows != d.Rows || s.Train.Cols != d.Dim || s.Test.Rows != d.Queries {
			t.Errorf("%s: %d×%d and %d queries, want %d×%d and %d", name, s.Train.Rows, s.Train.Cols, s.Test.Rows, d.Rows, d.Dim, d.Queries)
		}
	}
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}
