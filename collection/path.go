package collection

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/latent-go/latent/collection/point"
)

// step is one part of a path into a payload, such as the three of `a.b[].c`: a key, then perhaps indexes.
type step struct {
	key   string
	index []int // -1 is [], each element
}

// parsePath reads the path of a payload field: keys with dots between, `"quoted"` where they have dots or brackets of their
// own, each followed by [] or [3] as often as needed.
func parsePath(path string) ([]step, error) {
	bad := func() ([]step, error) { return nil, wrong("Invalid json path: '%s'", path) }
	var steps []step
	for rest := path; ; {
		var s step
		if strings.HasPrefix(rest, `"`) {
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				return bad()
			}
			s.key, rest = rest[1:1+end], rest[end+2:]
		} else {
			end := strings.IndexAny(rest, `.["`)
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return bad()
			}
			s.key, rest = rest[:end], rest[end:]
		}
		for strings.HasPrefix(rest, "[") {
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return bad()
			}
			i := -1
			if end > 1 {
				var err error
				if i, err = strconv.Atoi(rest[1:end]); err != nil || i < 0 {
					return bad()
				}
			}
			s.index = append(s.index, i)
			rest = rest[end+1:]
		}
		steps = append(steps, s)
		if rest == "" {
			return steps, nil
		}
		if rest[0] != '.' {
			return bad()
		}
		rest = rest[1:]
	}
}

// withPayload returns p with the fields of add, or with these at the objects that the path key leads to. Objects on the way
// that are not there are made; elements of arrays are not. p itself stays as it is.
func withPayload(p, add point.Payload, key string) (point.Payload, error) {
	if key == "" {
		out := maps.Clone(map[string]any(p))
		if out == nil {
			out = map[string]any{}
		}
		maps.Copy(out, add)
		return out, nil
	}
	path, err := parsePath(key)
	if err != nil {
		return nil, err
	}
	return merge(map[string]any(p), path, add).(map[string]any), nil
}

// merge returns v, which is to be an object, with add at path.
func merge(v any, path []step, add point.Payload) any {
	old, _ := v.(map[string]any)
	out := maps.Clone(old)
	if out == nil {
		out = map[string]any{}
	}
	if len(path) == 0 {
		maps.Copy(out, add)
		return out
	}
	s := path[0]
	if next, ok := at(out[s.key], s.index, func(e any) any { return merge(e, path[1:], add) }); ok {
		out[s.key] = next
	}
	return out
}

// at returns v with f done to the elements that index leads to; false if there are none.
func at(v any, index []int, f func(any) any) (any, bool) {
	if len(index) == 0 {
		return f(v), true
	}
	list, ok := v.([]any)
	if !ok || index[0] >= len(list) {
		return v, false
	}
	list = slices.Clone(list)
	for i, e := range list {
		if index[0] < 0 || index[0] == i {
			list[i], _ = at(e, index[1:], f)
		}
	}
	return list, true
}

// without returns v without what path leads to.
func without(v any, path []step) any {
	old, ok := v.(map[string]any)
	if !ok {
		return v
	}
	s := path[0]
	e, ok := old[s.key]
	if !ok {
		return v
	}
	out := maps.Clone(old)
	switch {
	case len(path) > 1:
		out[s.key], _ = at(e, s.index, func(e any) any { return without(e, path[1:]) })
	case len(s.index) == 0:
		delete(out, s.key)
	default:
		last := len(s.index) - 1
		out[s.key], _ = at(e, s.index[:last], func(e any) any { return cut(e, s.index[last]) })
	}
	return out
}

// cut returns an array without element i, or empty if i is -1.
func cut(v any, i int) any {
	list, ok := v.([]any)
	switch {
	case !ok || i >= len(list):
		return v
	case i < 0:
		return []any{}
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}
