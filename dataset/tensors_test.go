package dataset

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// safetensorsOf is a file of the header and data given.
func safetensorsOf(header string, data ...float32) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b, _ = binary.Append(append(b, header...), binary.LittleEndian, data)
	return b
}

const twoTensors = `{"b":{"dtype":"F32","shape":[3],"data_offsets":[16,28]},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},` +
	`"ids":{"dtype":"I32","shape":[1],"data_offsets":[28,32]}}`

func TestLoadTensors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	load := func(b []byte) (string, error) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		ts, err := LoadTensors(path)
		return fmt.Sprint(ts), err
	}
	got, err := load(safetensorsOf(twoTensors, 1, 2, 3, 4, 5, 6, 7, 0))
	if want := "map[b:{1 3 [5 6 7]} w:{2 2 [1 2 3 4]}]"; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for want, b := range map[string][]byte{
		"cut short":           safetensorsOf(twoTensors, 1, 2, 3, 4, 5),
		"where another lies":  safetensorsOf(strings.Replace(twoTensors, "[16,28]", "[8,20]", 1), 1, 2, 3, 4, 5, 6, 7, 0),
		"has 12 bytes":        safetensorsOf(strings.Replace(twoTensors, `"shape":[3]`, `"shape":[4]`, 1), 1, 2, 3, 4, 5, 6, 7, 0),
		"lies from 28 to 16":  safetensorsOf(strings.Replace(twoTensors, "[16,28]", "[28,16]", 1), 1, 2, 3, 4, 5, 6, 7, 0),
		"not a safetensors":   []byte("something else"),
		"its header is damag": safetensorsOf("{,}"),
	} {
		if _, err := load(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func FuzzLoadTensors(f *testing.F) {
	f.Add(safetensorsOf(twoTensors, 1, 2, 3, 4, 5, 6, 7, 0))
	for _, b := range goldenFiles(f, "*.safetensors") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ts, err := loadTensors(bytesSource("m.safetensors", b))
		total := 0
		for _, x := range ts {
			total += len(x.Data)
		}
		if err == nil && total > 2*len(b) { // two bytes a value at the least
			t.Errorf("%d values from %d bytes", total, len(b))
		}
	})
}
