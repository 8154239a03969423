package postings_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/postings"
)

// Lists come back from a file, and what are no sound lists is refused.
func TestFile(t *testing.T) {
	read := func(sections ...artifact.Section) ([]postings.List[uint16], error) {
		var b bytes.Buffer
		if _, err := artifact.Write(&b, "test", 1, sections...); err != nil {
			t.Fatal(err)
		}
		return artifact.Load(&b, "test", 1, func(f *artifact.File) ([]postings.List[uint16], error) { return postings.FromFile[uint16](f, "w") })
	}
	want := []postings.List[uint16]{{Slots: []uint32{1, 5}, Weights: []uint16{7, 8}}, {Slots: []uint32{0}, Weights: []uint16{9}}}
	if got, err := read(postings.Sections([]*postings.List[uint16]{&want[0], &want[1]}, "w")...); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v became %v, %v", want, got, err)
	}
	for _, c := range []struct {
		counts, slots []uint32
		weights       []uint16
	}{
		{[]uint32{2}, []uint32{1}, []uint16{1}},
		{[]uint32{1}, []uint32{1, 2}, []uint16{1, 2}},
		{[]uint32{2}, []uint32{1, 2}, []uint16{1}},
		{[]uint32{2}, []uint32{2, 1}, []uint16{1, 2}},
		{[]uint32{2}, []uint32{1, 1}, []uint16{1, 2}},
		{[]uint32{1 << 31, 1 << 31}, []uint32{1, 2}, []uint16{1, 2}},
	} {
		got, err := read(artifact.Numbers("counts", c.counts), artifact.Numbers("slots", c.slots), artifact.Numbers("w", c.weights))
		if e := (*artifact.CorruptError)(nil); !errors.As(err, &e) {
			t.Errorf("%v: %v, %v", c, got, err)
		}
	}
}
