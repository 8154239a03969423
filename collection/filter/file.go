package filter

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"slices"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/postings"
	"github.com/latent-go/latent/collection/text"
)

// kind and version of the artifact that holds an index of a field. Its sections: head, JSON; one roaring bitmap for each
// of the sets of an Index; and of terms their bytes, each after its length, how many slots each has, and these; of
// ordered keys, the keys and their slots; of texts, an artifact of package text.
const kindField, versionField = "field", 1

type head struct {
	Key    Path   `json:"key"`
	Schema Schema `json:"schema"`
}

// WriteTo writes the index as an artifact that ReadIndex reads.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	sections := []artifact.Section{artifact.JSON("head", head{x.key, x.schema})}
	for i, set := range x.sets() {
		b, err := set.ToBytes()
		if err != nil {
			return 0, err
		}
		sections = append(sections, artifact.Section{Name: setNames[i], Data: b})
	}
	switch {
	case x.terms != nil:
		var names []byte
		var counts, slots []uint32
		for _, s := range slices.Sorted(maps.Keys(x.terms)) {
			names = append(binary.AppendUvarint(names, uint64(len(s))), s...)
			list := x.terms[s].Slots()
			counts = append(counts, uint32(len(list)))
			slots = append(slots, list...)
		}
		sections = append(sections, artifact.Section{Name: "terms", Data: names}, artifact.Numbers("counts", counts), artifact.Numbers("slots", slots))
	case x.order != nil:
		keys, slots := x.order.pairs()
		sections = append(sections, artifact.Numbers("keys", keys), artifact.Numbers("slots", slots))
	default:
		s, err := artifact.Bytes("text", x.text)
		if err != nil {
			return 0, err
		}
		sections = append(sections, s)
	}
	return artifact.Write(w, kindField, versionField, sections...)
}

// ReadIndex reads an index that WriteTo wrote. What is no sound index gives *artifact.CorruptError.
func ReadIndex(r io.Reader) (*Index, error) {
	return artifact.Load(r, kindField, versionField, indexFromFile)
}

func indexFromFile(f *artifact.File) (*Index, error) {
	var h head
	if err := f.Decode("head", &h); err != nil {
		return nil, err
	}
	x, err := NewIndex(h.Key, h.Schema)
	if err != nil {
		return nil, f.Reject("%v", err)
	}
	for i, set := range x.sets() {
		b, err := postings.ReadBitmap(f, setNames[i])
		if err != nil {
			return nil, err
		}
		*set = *b
	}
	if x.text != nil {
		s, err := f.Raw("text")
		if err != nil {
			return nil, err
		}
		x.text, err = text.Read(bytes.NewReader(s))
		return x, err
	}
	slots, err := artifact.Slice[uint32](f, "slots")
	if err != nil {
		return nil, err
	}
	for _, s := range slots {
		if !x.held.Contains(s) {
			return nil, f.Reject("slot %d has a value and is not said to", s)
		}
	}
	if x.order != nil {
		keys, err := artifact.Slice[uint64](f, "keys")
		if err != nil {
			return nil, err
		}
		if len(keys) != len(slots) {
			return nil, f.Reject("%d keys of %d slots", len(keys), len(slots))
		}
		for i := 1; i < len(keys); i++ {
			if comparePair(keys[i-1], slots[i-1], keys[i], slots[i]) >= 0 {
				return nil, f.Reject("pair %d is out of order", i)
			}
		}
		x.order = newOrdered(slices.Clone(keys), slices.Clone(slots))
		return x, nil
	}
	names, err := f.Raw("terms")
	if err != nil {
		return nil, err
	}
	counts, err := artifact.Slice[uint32](f, "counts")
	if err != nil {
		return nil, err
	}
	// One run of memory for all terms, one for all short lists of slots, one for the sets: there can be a million.
	all, slots := string(names), slices.Clone(slots)
	sets := make([]postings.Set, len(counts))
	x.terms = make(map[string]*postings.Set, len(counts))
	for i, c := range counts {
		n, size := binary.Uvarint(names)
		if size <= 0 || n > uint64(len(names)-size) || int64(c) > int64(len(slots)) {
			return nil, f.Reject("term %d of %d is cut short", i, len(counts))
		}
		for j := 1; j < int(c); j++ {
			if slots[j-1] >= slots[j] {
				return nil, f.Reject("term %d has slots out of order", i)
			}
		}
		sets[i] = postings.SetOf(slots[:c])
		x.terms[all[size:size+int(n)]] = &sets[i]
		names, all, slots = names[size+int(n):], all[size+int(n):], slots[c:]
	}
	if len(names) > 0 || len(slots) > 0 || len(x.terms) != len(counts) {
		return nil, f.Reject("%d bytes of terms and %d slots are left over", len(names), len(slots))
	}
	return x, nil
}
