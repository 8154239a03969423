package filter_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
)

var update = flag.Bool("update", false, "write testdata/v1 anew; only when a format that nobody has yet is changed")

// Files of version 1 go on opening, and hold what they did.
func TestGolden(t *testing.T) {
	live := roaring.New()
	live.AddRange(0, 50)
	asks := []filter.Test{filter.Equal{Value: "red"}, filter.Equal{Value: int64(1)}, filter.Equal{Value: true}, filter.Text("fox"), filter.Empty(false), filter.Prefix("re"),
		filter.Times{}, filter.Range{}, filter.GeoRadius{Center: filter.Geo{Lon: 5, Lat: 5}, Radius: 1e6}, filter.Except{Strings: []string{"red"}}}
	for _, kind := range filter.Types {
		made, _ := filter.NewIndex(filter.Key("a"), filter.Schema{Type: kind})
		for slot := range uint32(50) {
			made.Put(slot, point.Payload{"a": []any{words[slot%10], numbers[slot%12], times[slot%4], places[slot%7], slot%2 == 0, nil}[slot%6:]})
		}
		file := filepath.Join("testdata", "v1", kind)
		if *update {
			if err := artifact.Save(file, made); err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := filter.ReadIndex(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var fields [2]filter.Fields
		fields[0].Set(made)
		fields[1].Set(got)
		for _, ask := range asks {
			f := &filter.Filter{Must: []filter.Condition{filter.Field{Key: filter.Key("a"), Test: ask}}}
			s0, m0 := fields[0].Bounds(f, filter.Reader{Live: live})
			s1, m1 := fields[1].Bounds(f, filter.Reader{Live: live})
			if !s0.Equals(s1) || !m0.Equals(m1) {
				t.Errorf("%s: %#v gives %v to %v, made anew %v to %v", file, ask, s1, m1, s0, m0)
			}
		}
	}
}
