package indextest

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/vec"
)

// plain keeps every promise in the plainest way, but for its fault.
type plain struct {
	mu    sync.RWMutex
	dim   int
	m     vec.Metric
	rows  map[uint32][]float32
	calls int
	fault string
}

func (p *plain) Len() int           { p.mu.RLock(); defer p.mu.RUnlock(); return len(p.rows) }
func (p *plain) Dim() int           { return p.dim }
func (p *plain) Metric() vec.Metric { return p.m }
func (p *plain) Vector(id uint32) ([]float32, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	v, ok := p.rows[id]
	if p.fault == "vectors of others" && !ok {
		return make([]float32, p.dim), true
	}
	return slices.Clone(v), ok
}
func (p *plain) SizeBytes() int64 {
	if p.fault == "no size" {
		return 0
	}
	return int64(4 * p.dim * p.Len())
}

func (p *plain) refuse(x vec.Matrix) error {
	if x.Cols != p.dim && p.fault != "any width" {
		return vec.ErrDim
	}
	if err := x.Check(); err != nil && p.fault != "any value" {
		return err
	}
	for i := range x.Rows {
		if p.m == vec.Cosine && vec.Norm(x.Row(i)) == 0 && p.fault != "any direction" {
			return vec.ErrZero
		}
	}
	return nil
}

func (p *plain) Add(ctx context.Context, ids []uint32, x vec.Matrix) error {
	if err := ctx.Err(); err != nil && p.fault != "deaf add" {
		return err
	}
	if x.Rows == 0 && x.Data == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == "half an add" && x.Rows > 1 && x.Cols == p.dim && len(x.Data) == x.Rows*x.Cols && len(ids) == x.Rows {
		p.rows[ids[0]] = slices.Clone(x.Row(0))
	}
	if err := p.refuse(x); err != nil {
		return err
	}
	if ids == nil {
		next := uint64(0)
		for id := range p.rows {
			next = max(next, uint64(id)+1)
		}
		if p.fault == "IDs by count" {
			next = uint64(len(p.rows))
		}
		if next+uint64(x.Rows)-1 > math.MaxUint32 {
			return index.ErrID
		}
		for i := range x.Rows {
			ids = append(ids, uint32(next)+uint32(i))
		}
	}
	if len(ids) != x.Rows {
		return index.ErrID
	}
	for i, id := range ids {
		v := slices.Clone(x.Row(i))
		if p.fault == "keeps x" {
			v = x.Row(i)
		}
		if _, used := p.rows[id]; used && p.fault == "no replacing" {
			continue
		}
		p.rows[id] = v
	}
	if p.fault == "writes x" {
		vec.Normalize(x.Row(0), x.Row(0))
	}
	return nil
}

func (p *plain) Delete(ids ...uint32) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == "counts what it was given" {
		defer func() { n = len(ids) }()
	}
	for _, id := range ids {
		if _, ok := p.rows[id]; ok {
			n++
			if p.fault != "no deleting" {
				delete(p.rows, id)
			}
		}
	}
	return n
}

func (p *plain) Search(ctx context.Context, v []float32, q index.Query) (index.Result, error) {
	if err := ctx.Err(); err != nil && p.fault != "deaf search" {
		return index.Result{}, err
	}
	if q.K < 1 && p.fault != "any k" {
		return index.Result{}, index.ErrQuery
	}
	if err := p.refuse(vec.Matrix{Rows: 1, Cols: len(v), Data: v}); err != nil {
		return index.Result{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	var r index.Result
	for id, row := range p.rows {
		if p.fault == "overlooks" && id%50 == 7 && len(p.rows) > 300 {
			continue
		}
		if q.Keep == nil || q.Keep(id) || p.fault == "keeps all" {
			d := p.m.Distance(v[:min(len(v), len(row))], row[:min(len(v), len(row))])
			if p.fault == "wrong distance" {
				d *= 1.001
			}
			r.Hits = append(r.Hits, index.Hit{ID: id, Distance: d})
		}
	}
	slices.SortFunc(r.Hits, func(a, b index.Hit) int {
		ties := cmp.Compare(a.ID, b.ID)
		if p.fault == "ties by larger ID" {
			ties = -ties
		}
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), ties)
	})
	if p.fault == "farthest first" {
		slices.Reverse(r.Hits)
	}
	r.Distances = len(p.rows)
	if p.fault == "restless" {
		r.Distances += p.calls
	}
	r.Hits = r.Hits[:min(max(q.K, 0), len(r.Hits))]
	return r, nil
}

func (p *plain) WriteTo(w io.Writer) (int64, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(p.rows)))
	ids := make([]uint32, 0, len(p.rows))
	for id := range p.rows {
		ids = append(ids, id)
	}
	if p.fault != "saves in any order" {
		slices.Sort(ids)
	}
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, id)
		for _, v := range p.rows[id] {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	n, err := w.Write(b)
	if p.fault == "miscounts" {
		n--
	}
	return int64(n), err
}

func read(fault string) func(io.Reader, vec.Metric) (index.Index, error) {
	return func(r io.Reader, m vec.Metric) (index.Index, error) {
		b := make([]byte, 4)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		n := binary.LittleEndian.Uint32(b)
		if n > 1<<16 {
			return nil, fmt.Errorf("%d rows", n)
		}
		b = append(b, make([]byte, n*4*(dim+1)+4)...)
		if got, err := io.ReadFull(r, b[4:]); err != nil && (fault != "reads what there is" || got < 400) {
			return nil, err
		}
		body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
		if crc32.ChecksumIEEE(body) != sum && fault != "no checksum" && fault != "reads what there is" {
			return nil, fmt.Errorf("checksum does not match")
		}
		if fault == "reads on" {
			io.Copy(io.Discard, r)
		}
		p := &plain{dim: dim, m: m, rows: map[uint32][]float32{}, fault: fault}
		for b := body[4:]; len(b) > 0; b = b[4*(dim+1):] {
			v := make([]float32, dim)
			for i := range v {
				v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4+4*i:]))
			}
			p.rows[binary.LittleEndian.Uint32(b)] = v
		}
		return p, nil
	}
}

func TestPlain(t *testing.T) {
	Run(t, func(t *testing.T, dim int, m vec.Metric) index.Index {
		return &plain{dim: dim, m: m, rows: map[uint32][]float32{}}
	}, Options{Read: read("")})
}

// TestFaults breaks each promise and sees that the suite notices.
func TestFaults(t *testing.T) {
	for fault, broken := range map[string]string{
		"no size":                  "empty",
		"IDs by count":             "ids",
		"no replacing":             "ids",
		"vectors of others":        "ids",
		"no deleting":              "delete",
		"counts what it was given": "delete",
		"farthest first":           "order",
		"ties by larger ID":        "order",
		"wrong distance":           "order",
		"overlooks":                "recall",
		"keeps all":                "keep",
		"any k":                    "k",
		"any width":                "refuse",
		"any value":                "refuse",
		"any direction":            "refuse",
		"half an add":              "refuse",
		"deaf add":                 "cancel",
		"deaf search":              "cancel",
		"keeps x":                  "untouched",
		"writes x":                 "untouched",
		"restless":                 "twice",
		"miscounts":                "save",
		"saves in any order":       "save",
		"reads on":                 "save",
		"reads what there is":      "damage",
		"no checksum":              "damage",
	} {
		t.Run(fault, func(t *testing.T) {
			s := &suite{metric: vec.Cosine, dir: t.TempDir, Options: Options{Recall: 1, Tolerance: 1e-5, Read: read(fault)}}
			s.create = func(dim int) index.Index {
				return &plain{dim: dim, m: s.metric, rows: map[uint32][]float32{}, fault: fault}
			}
			for _, p := range promises {
				if p.name == broken {
					if err := notice(p.check, s); err == nil {
						t.Errorf("%s did not notice", p.name)
					}
				}
			}
		})
	}
}

// notice runs a check; a panic on the way is noticing too.
func notice(check func(*suite) error, s *suite) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return check(s)
}
