package collection

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

// TestLarge imports LATENT_LARGE points of 128 dimensions (1 is a million), waits for the index, restarts and searches.
// LATENT_PLAN is the plan to hold the collection to; "f32|flat" builds no index.
func TestLarge(t *testing.T) {
	var n int
	if fmt.Sscan(os.Getenv("LATENT_LARGE"), &n); n == 0 {
		t.Skip("takes minutes: LATENT_LARGE=1")
	}
	if n == 1 {
		n = 1_000_000
	}
	const d, batch = 128, 256
	plan := os.Getenv("LATENT_PLAN")
	dir := t.TempDir()
	s := must[*Store](t)(Open(dir, Options{}))
	if err := s.Create(ctx, "c", Config{Vectors: map[string]VectorConfig{"": {Size: d, Distance: vec.Cosine, Plan: plan}}}); err != nil {
		t.Fatal(err)
	}
	c := must[*Collection](t)(s.Collection("c"))
	start := time.Now()
	for at := 0; at < n; at += batch {
		pts := pointsOf(clustered(min(batch, n-at), d, uint64(10+at)), at)
		for i := range pts {
			pts[i].Payload = point.Payload{"n": int64(at + i)}
		}
		if _, err := c.Apply(ctx, []Op{Upsert{Points: pts}}, false); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d points written in %v, %.0f a second, the index being built beside; %s", n, time.Since(start).Round(time.Second/10), float64(n)/time.Since(start).Seconds(), memory())
	for in := must[Info](t)(c.Info()); in.IndexedVectors < n*99/100 && n >= 20_000 && plan != "f32|flat"; in = must[Info](t)(c.Info()) {
		time.Sleep(time.Second)
	}
	t.Logf("indexed after %v; %s", time.Since(start).Round(time.Second), memory())
	queries := clustered(100, d, 2)
	r := recall(t, c, queries[:20], 10, nil, Params{})
	start = time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("recall@10 %.3f; closed in %v", r, time.Since(start).Round(time.Millisecond))
	start = time.Now()
	s = must[*Store](t)(Open(dir, Options{}))
	defer s.Close()
	c = must[*Collection](t)(s.Collection("c"))
	v := must[*view](t)(c.view())
	must[[]slotHit](t)(v.nearest(ctx, "", point.Dense(queries[0]), 10, Params{}, nil))
	t.Logf("first answer %v after the start of opening; %s", time.Since(start).Round(time.Millisecond), memory())
	start = time.Now()
	for _, q := range queries {
		must[[]slotHit](t)(v.nearest(ctx, "", point.Dense(q), 10, Params{}, nil))
	}
	t.Logf("%v a search", time.Since(start)/time.Duration(len(queries)))
	v.release()
	if after := recall(t, c, queries[:20], 10, nil, Params{}); after < r-0.005 {
		t.Errorf("recall fell from %.4f to %.4f over the restart", r, after)
	}
}

func memory() string {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return fmt.Sprintf("heap %d MB, from the system %d MB", m.HeapAlloc>>20, m.Sys>>20)
}

// BenchmarkApply stores batches of 256 points.
func BenchmarkApply(b *testing.B) {
	for _, durable := range []bool{true, false} {
		b.Run(fmt.Sprintf("n=256/d=128/durable=%v", durable), func(b *testing.B) {
			s := must[*Store](b)(Open(b.TempDir(), Options{Still: true}))
			defer s.Close()
			if err := s.Create(ctx, "c", Config{Vectors: map[string]VectorConfig{"": {Size: 128, Distance: vec.Cosine}}}); err != nil {
				b.Fatal(err)
			}
			c := must[*Collection](b)(s.Collection("c"))
			x := rows(256, 128, 1)
			at := 0
			for b.Loop() {
				pts := pointsOf(x, at)
				if at += len(pts); at > 1<<20 {
					at = 0
				}
				if _, err := c.Apply(ctx, []Op{Upsert{Points: pts}}, durable); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(256*float64(b.N)/b.Elapsed().Seconds(), "points/s")
		})
	}
}
