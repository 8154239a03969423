package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/latent-go/latent/collection/point"
)

// Path is a key that leads into a payload, such as a.b, a[0].b, a[].b or a."b.c": names, a place in an array, or every
// place in it. The zero Path leads nowhere.
type Path struct {
	text  string // in its plainest form, so that equal paths are ==
	steps *[]step
}

type step struct {
	name  string
	index int // of an array; isName and isAll are none
}

const (
	isName = -1
	isAll  = -2
)

// Key is ParsePath for keys that stand in a program. An error panics.
func Key(s string) Path {
	p, err := ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// ParsePath reads a path. A name is of letters, digits, _ and -, or anything but backslashes and quotes within quotes.
func ParsePath(s string) (Path, error) {
	bad := func(at int) (Path, error) {
		return Path{}, fmt.Errorf("key %.100q, at byte %d: %w: want names such as a.b, a[].b, a[0] or \"a b\"", s, at, ErrFilter)
	}
	var steps []step
	for at := 0; at < len(s) || at == 0; {
		rest := s[at:]
		switch {
		case len(steps) > 0 && strings.HasPrefix(rest, "[]"):
			steps = append(steps, step{index: isAll})
			at += 2
			continue
		case len(steps) > 0 && strings.HasPrefix(rest, "["):
			end := strings.IndexByte(rest, ']')
			if end < 0 || strings.Trim(rest[1:end], "0123456789") != "" {
				return bad(at)
			}
			i, err := strconv.Atoi(rest[1:end])
			if err != nil {
				return bad(at)
			}
			steps = append(steps, step{index: i})
			at += end + 1
			continue
		case len(steps) > 0 && rest[0] != '.':
			return bad(at)
		case len(steps) > 0:
			at, rest = at+1, rest[1:]
		}
		if strings.HasPrefix(rest, `"`) {
			end := strings.IndexAny(rest[1:], `"\`)
			if end < 0 || rest[1+end] == '\\' {
				return bad(at)
			}
			steps = append(steps, step{rest[1 : 1+end], isName})
			at += end + 2
			continue
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return !bare(r) })
		if end < 0 {
			end = len(rest)
		}
		if end == 0 {
			return bad(at)
		}
		steps = append(steps, step{rest[:end], isName})
		at += end
	}
	return newPath(steps), nil
}

func bare(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsNumber(r) || r == '_' || r == '-') && r != unicode.ReplacementChar
}

func newPath(steps []step) Path {
	var b strings.Builder
	for i, s := range steps {
		switch {
		case s.index == isAll:
			b.WriteString("[]")
		case s.index >= 0:
			fmt.Fprintf(&b, "[%d]", s.index)
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			if s.name == "" || strings.ContainsFunc(s.name, func(r rune) bool { return !bare(r) }) {
				b.WriteString(`"` + s.name + `"`)
			} else {
				b.WriteString(s.name)
			}
		}
	}
	return Path{b.String(), &steps}
}

func (p Path) list() []step {
	if p.steps == nil {
		return nil
	}
	return *p.steps
}

// String returns the path as ParsePath reads it.
func (p Path) String() string { return p.text }

// Equal says whether two paths are the same.
func (p Path) Equal(q Path) bool { return p.text == q.text }

// IsZero says whether the path leads nowhere.
func (p Path) IsZero() bool { return p.text == "" }

// MarshalText and UnmarshalText make a Path a string in JSON.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText is ParsePath.
func (p *Path) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePath(string(b))
	return err
}

// Values returns what the path leads to. A value that is an array is one value, unless the path ends in [].
func (p Path) Values(payload map[string]any) []any {
	var all []any
	p.visit(payload, func(v any) bool {
		all = append(all, v)
		return true
	})
	return all
}

// visit shows each value to see until that returns false.
func (p Path) visit(payload map[string]any, see func(any) bool) bool {
	if p.IsZero() {
		return true
	}
	return visit(payload, p.list(), see)
}

func visit(v any, steps []step, see func(any) bool) bool {
	if len(steps) == 0 {
		return see(v)
	}
	s := steps[0]
	if s.index == isName {
		m, _ := v.(map[string]any)
		if v, ok := m[s.name]; ok {
			return visit(v, steps[1:], see)
		}
		return true
	}
	list, _ := v.([]any)
	if s.index >= 0 {
		if s.index < len(list) {
			return visit(list[s.index], steps[1:], see)
		}
		return true
	}
	for _, v := range list {
		if !visit(v, steps[1:], see) {
			return false
		}
	}
	return true
}

// single says whether the path leads to one value at most.
func (p Path) single() bool {
	return !slices.ContainsFunc(p.list(), func(s step) bool { return s.index == isAll })
}

// every is the path with [] at its end.
func (p Path) every() Path {
	s := p.list()
	if len(s) > 0 && s[len(s)-1].index == isAll {
		return p
	}
	return newPath(append(slices.Clone(s), step{index: isAll}))
}

// join is the path that goes on with q.
func (p Path) join(q Path) Path {
	if p.IsZero() {
		return q
	}
	return newPath(slices.Concat(p.list(), q.list()))
}

// Set puts the fields of src into the object at the path, which is made if it is not there, and what stands in its way
// replaced. A field that is null in src is removed. The zero Path is the payload itself. dst is changed in place.
func (p Path) Set(dst, src map[string]any) {
	set(dst, p.list(), src)
}

func set(at any, steps []step, src map[string]any) any {
	if len(steps) == 0 {
		m, ok := at.(map[string]any)
		if !ok {
			m = make(map[string]any, len(src))
		}
		for k, v := range src {
			if v == nil {
				delete(m, k)
			} else {
				m[k] = v
			}
		}
		return m
	}
	s := steps[0]
	if s.index == isName {
		m, ok := at.(map[string]any)
		if !ok {
			m = make(map[string]any)
		}
		m[s.name] = set(m[s.name], steps[1:], src)
		return m
	}
	list, ok := at.([]any)
	if !ok {
		return []any{}
	}
	for i := range list {
		if s.index == isAll || s.index == i {
			list[i] = set(list[i], steps[1:], src)
		}
	}
	return list
}

// Remove takes what the path leads to out of the payload, in place. A path that ends in [] empties the array; one that
// ends in a place in an array does nothing, since doing it twice would remove two.
func (p Path) Remove(payload map[string]any) {
	if !p.IsZero() {
		remove(payload, p.list())
	}
}

func remove(at any, steps []step) any {
	s, last := steps[0], len(steps) == 1
	switch v := at.(type) {
	case map[string]any:
		if s.index != isName {
			return v
		}
		if w, ok := v[s.name]; ok && last {
			delete(v, s.name)
		} else if ok {
			v[s.name] = remove(w, steps[1:])
		}
		return v
	case []any:
		switch {
		case s.index == isName:
		case s.index == isAll && last:
			return []any{}
		case last:
		default:
			for i := range v {
				if s.index == isAll || s.index == i {
					v[i] = remove(v[i], steps[1:])
				}
			}
		}
		return v
	}
	return at
}

// Project returns the part of a payload that lies on one of the paths include, or on none of exclude where include is
// nil. What is left shares its values with p. The elements of an array lie on a[], which no a[0] tells apart.
func Project(p point.Payload, include, exclude []Path) point.Payload {
	steps := func(paths []Path) [][]step {
		list := make([][]step, len(paths))
		for i, q := range paths {
			list[i] = q.list()
		}
		return list
	}
	if include != nil {
		return keep(map[string]any(p), steps(include)).(map[string]any)
	}
	if len(exclude) > 0 {
		return drop(map[string]any(p), steps(exclude)).(map[string]any)
	}
	return p
}

// keep returns what of v lies on the paths. What has no fields or elements to tell apart stays.
func keep(v any, paths [][]step) any {
	if ended(paths) {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any)
		for k, w := range v {
			if on := beneath(paths, step{k, isName}); on != nil {
				out[k] = keep(w, on)
			}
		}
		return out
	case []any:
		out := []any{}
		if on := beneath(paths, step{index: isAll}); on != nil {
			for _, w := range v {
				out = append(out, keep(w, on))
			}
		}
		return out
	}
	return v
}

func drop(v any, paths [][]step) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, w := range v {
			if on := beneath(paths, step{k, isName}); on == nil {
				out[k] = w
			} else if !ended(on) {
				out[k] = drop(w, on)
			}
		}
		return out
	case []any:
		on := beneath(paths, step{index: isAll})
		if on == nil {
			return v
		}
		out := []any{}
		for _, w := range v {
			if !ended(on) {
				out = append(out, drop(w, on))
			}
		}
		return out
	}
	return v
}

// beneath returns what is left of the paths that start with s.
func beneath(paths [][]step, s step) (on [][]step) {
	for _, p := range paths {
		if len(p) > 0 && p[0] == s {
			on = append(on, p[1:])
		}
	}
	return on
}

func ended(paths [][]step) bool {
	return slices.ContainsFunc(paths, func(p []step) bool { return len(p) == 0 })
}
