// Command serve measures what `latent serve` does under load, against a process that it starts itself. Each answer is a line
// of JSON.
//
//	make build
//	go run ./bench/serve import -dir DIR -data 'synthetic:mixture?n=1000000&d=16&ambient=128'   rate, peak memory, restart to first answer
//	go run ./bench/serve search -dir DIR                                   latency over 1, 8 and 64 connections, and in-process
//	go run ./bench/serve upsert -dir OTHER                                 points a second, waiting for the disk and not
//	go run ./bench/serve soak -dir DIR -time 10m                           mixed load: memory, goroutines, file handles
//
// import leaves the store in DIR and a thousand queries beside it, in DIR.queries.npy; search and soak take both up.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/latent-go/latent/client"
	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/vec"
)

const (
	name    = "load"
	queries = 1000
	k       = 10
)

var connections = []int{1, 8, 64}

type options struct {
	latent, dir, data string
	time              time.Duration
	batch             int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	fs := flag.NewFlagSet("serve", flag.ExitOnError)
	fs.StringVar(&o.latent, "latent", "bin/latent", "the command")
	fs.StringVar(&o.dir, "dir", "", "folder of the store")
	fs.StringVar(&o.data, "data", "synthetic:mixture?n=20000&d=16&ambient=128", "what import and upsert store")
	fs.DurationVar(&o.time, "time", 5*time.Second, "of each measurement, or of the soak")
	fs.IntVar(&o.batch, "batch", 256, "points of a request of import")
	stages := map[string]func(context.Context, options) error{"import": load, "search": search, "upsert": upsert, "soak": soak}
	err := errors.New("want import, search, upsert or soak, then flags; see the comment on top of bench/serve/main.go")
	if len(os.Args) > 1 && stages[os.Args[1]] != nil {
		fs.Parse(os.Args[2:])
		if err = errors.New("-dir: say where the store is"); o.dir != "" {
			err = stages[os.Args[1]](ctx, o)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

// told is one line of the answer.
type told map[string]any

func say(t told) {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(b))
}

func seconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e6 }

// process is latent serve.
type process struct {
	cmd     *exec.Cmd
	c       *client.Client
	http    *http.Client
	address string
	began   time.Time
}

func start(o options) (*process, error) {
	p := &process{began: time.Now()}
	p.cmd = exec.Command(o.latent, "serve", o.dir, "--json", "--http", "127.0.0.1:0", "--grpc", "off", "--log-level", "warn")
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w; make build writes the command", err)
	}
	var a struct{ HTTP string }
	if err := json.NewDecoder(out).Decode(&a); err != nil {
		return nil, errors.Join(fmt.Errorf("latent serve does not start: %w", err), p.cmd.Wait())
	}
	p.address = a.HTTP
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = slices.Max(connections)
	p.http = &http.Client{Transport: t}
	if p.c, err = client.New(a.HTTP, client.Options{HTTP: p.http, Timeout: 10 * time.Minute}); err != nil {
		p.cmd.Process.Kill()
		return nil, err
	}
	return p, nil
}

// stop ends the process in order, and says how long that took.
func (p *process) stop() (time.Duration, error) {
	began := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	err := p.cmd.Wait()
	return time.Since(began), err
}

// peak is the most memory that the process has had, in MiB.
func (p *process) peak() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[0] == "VmHWM:" {
			kib, _ := strconv.ParseFloat(f[1], 64)
			return kib / 1024
		}
	}
	return 0
}

// metrics reads what the server tells of its process.
func (p *process) metrics() (told, error) {
	res, err := p.http.Get(p.address + "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out := told{}
	for s := bufio.NewScanner(res.Body); s.Scan(); {
		metric, value, _ := strings.Cut(s.Text(), " ")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch metric {
		case "process_resident_memory_bytes":
			out["rss_mib"] = v / (1 << 20)
		case "go_memstats_heap_alloc_bytes":
			out["heap_mib"] = v / (1 << 20)
		case "go_goroutines":
			out["goroutines"] = v
		case "process_open_fds":
			out["open_files"] = v
		}
	}
	return out, nil
}

// generate makes what is stored, and queries of the same law.
func generate(ctx context.Context, o options) (x, q vec.Matrix, err error) {
	spec, err := synthetic.Parse(o.data)
	if err != nil {
		return x, q, err
	}
	spec.N += queries
	set, err := spec.Generate(ctx)
	if err != nil {
		return x, q, err
	}
	n := set.X.Rows - queries
	return set.X.Slice(0, n), set.X.Slice(n, set.X.Rows), nil
}

func pointsOf(x vec.Matrix, lo, hi int) []client.Point {
	points := make([]client.Point, 0, hi-lo)
	for i := lo; i < hi; i++ {
		points = append(points, client.Point{ID: point.Num(uint64(i)), Vectors: point.Vectors{"": point.Dense(x.Row(i))}, Payload: point.Payload{"n": int64(i)}})
	}
	return points
}

func create(ctx context.Context, c *client.Client, dim int) error {
	return c.CreateCollection(ctx, name, client.Config{Vectors: client.Vectors{"": {Size: dim, Distance: client.Euclid}}})
}

func load(ctx context.Context, o options) error {
	x, q, err := generate(ctx, o)
	if err != nil {
		return err
	}
	if err := dataset.Save(o.dir+".queries.npy", &dataset.Set{X: q}); err != nil {
		return err
	}
	p, err := start(o)
	if err != nil {
		return err
	}
	defer func() { p.cmd.Process.Kill() }()
	if err := create(ctx, p.c, x.Cols); err != nil {
		return err
	}
	began := time.Now()
	var at int
	var mu sync.Mutex
	next := func() (lo, hi int) {
		mu.Lock()
		defer mu.Unlock()
		lo = at
		at = min(at+o.batch, x.Rows)
		return lo, at
	}
	if err := together(2, func(int) error {
		for {
			lo, hi := next()
			if lo == hi {
				return nil
			}
			if err := p.c.Upsert(ctx, name, pointsOf(x, lo, hi), hi == x.Rows); err != nil {
				return err
			}
		}
	}); err != nil {
		return err
	}
	took := time.Since(began)
	say(told{"measured": "import", "rows": x.Rows, "dim": x.Cols, "seconds": seconds(took), "points_per_second": float64(x.Rows) / took.Seconds(), "peak_mib": p.peak()})
	if err := p.c.Wait(ctx, name); err != nil {
		return err
	}
	say(told{"measured": "indexed", "rows": x.Rows, "seconds": seconds(time.Since(began)), "peak_mib": p.peak()})
	for _, how := range []string{"stopped", "killed"} {
		ended := time.Duration(0)
		if how == "stopped" {
			if ended, err = p.stop(); err != nil {
				return err
			}
		} else {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
		again, err := start(o)
		if err != nil {
			return err
		}
		p = again
		hits, err := p.c.Query(ctx, name, client.Query{Query: client.Near(q.Row(0)), Limit: k})
		if err != nil || len(hits) != min(k, x.Rows) {
			return fmt.Errorf("first answer after the restart: %d hits: %v", len(hits), err)
		}
		say(told{"measured": "restart", "after_it_was": how, "to_first_answer_seconds": seconds(time.Since(p.began)), "stopping_seconds": seconds(ended)})
	}
	_, err = p.stop()
	return err
}

// together runs n workers, and returns their errors.
func together(n int, work func(i int) error) error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = work(i) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// timed calls do from n goroutines for d, and tells the latencies.
func timed(n int, d time.Duration, do func(worker, i int) error) (told, error) {
	all := make([][]time.Duration, n)
	began := time.Now()
	err := together(n, func(w int) error {
		for i := 0; time.Since(began) < d; i++ {
			t := time.Now()
			if err := do(w, i); err != nil {
				return err
			}
			all[w] = append(all[w], time.Since(t))
		}
		return nil
	})
	took := time.Since(began)
	each := slices.Concat(all...)
	if err != nil || len(each) == 0 {
		return nil, errors.Join(err, errors.New("no request was answered"))
	}
	slices.Sort(each)
	at := func(q float64) float64 { return float64(each[int(q*float64(len(each)-1))].Microseconds()) / 1000 }
	return told{"connections": n, "requests": len(each), "per_second": float64(len(each)) / took.Seconds(), "p50_ms": at(.5), "p99_ms": at(.99), "max_ms": at(1)}, nil
}

// resume starts the server of a store that import left, and returns it when all is indexed, with the queries beside it.
func resume(ctx context.Context, o options) (*process, vec.Matrix, error) {
	set, err := dataset.Load(o.dir+".queries.npy", dataset.Options{})
	if err != nil {
		return nil, vec.Matrix{}, err
	}
	p, err := start(o)
	if err != nil {
		return nil, vec.Matrix{}, err
	}
	if err := p.c.Wait(ctx, name); err != nil {
		p.cmd.Process.Kill()
		return nil, vec.Matrix{}, err
	}
	return p, set.X, nil
}

// searches times ask, which says how many hits a vector had, with the queries q over each number of connections.
func searches(measured string, d time.Duration, q vec.Matrix, ask func(v []float32) (hits int, err error)) error {
	for _, n := range connections {
		t, err := timed(n, d, func(w, i int) error {
			hits, err := ask(q.Row((w*131 + i) % q.Rows))
			if err == nil && hits != k {
				err = fmt.Errorf("%d hits", hits)
			}
			return err
		})
		if err != nil {
			return err
		}
		t["measured"] = measured
		say(t)
	}
	return nil
}

func search(ctx context.Context, o options) error {
	p, q, err := resume(ctx, o)
	if err != nil {
		return err
	}
	defer func() { p.cmd.Process.Kill() }()
	plan, err := p.c.Plan(ctx, name)
	if err != nil {
		return err
	}
	recall, err := p.c.Recall(ctx, name, client.RecallQuery{K: k})
	if err != nil {
		return err
	}
	say(told{"measured": "recall", "points": plan.Points, "plan": plan.Vectors[""].Plan, "recall": recall.Mean, "lo": recall.Lo, "hi": recall.Hi, "effort": recall.Effort})
	if err := searches("search over HTTP", o.time, q, func(v []float32) (int, error) {
		hits, err := p.c.Query(ctx, name, client.Query{Query: client.Near(v), Limit: k})
		return len(hits), err
	}); err != nil {
		return err
	}
	if _, err := p.stop(); err != nil {
		return err
	}

	store, err := collection.Open(o.dir, collection.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	col, err := store.Collection(name)
	if err != nil {
		return err
	}
	return searches("search in-process", o.time, q, func(v []float32) (int, error) {
		to := point.Dense(v)
		hits, err := col.Query(ctx, collection.Query{Ask: collection.Nearest{To: collection.Input{Vector: &to}}, Limit: k})
		return len(hits), err
	})
}

func upsert(ctx context.Context, o options) error {
	x, _, err := generate(ctx, o)
	if err != nil {
		return err
	}
	p, err := start(o)
	if err != nil {
		return err
	}
	defer func() { p.cmd.Process.Kill() }()
	for _, points := range []int{1, 100} {
		for _, wait := range []bool{true, false} {
			for _, n := range connections {
				if _, err := p.c.DeleteCollection(ctx, name); err != nil {
					return err
				}
				if err := create(ctx, p.c, x.Cols); err != nil {
					return err
				}
				t, err := timed(n, o.time, func(w, i int) error {
					lo := (w*10007 + i*points) % (x.Rows - points)
					return p.c.Upsert(ctx, name, pointsOf(x, lo, lo+points), wait)
				})
				if err != nil {
					return err
				}
				t["measured"], t["wait"], t["points_a_request"] = "upsert", wait, points
				t["points_per_second"] = t["per_second"].(float64) * float64(points)
				say(t)
			}
		}
	}
	_, err = p.stop()
	return err
}

// soak mixes searches, upserts of what is there, changes of payload, deletes and scrolls, and tells twenty times what the
// process holds: at the start, during, and when it has rested at the end.
func soak(ctx context.Context, o options) error {
	p, q, err := resume(ctx, o)
	if err != nil {
		return err
	}
	defer func() { p.cmd.Process.Kill() }()
	n, err := p.c.Count(ctx, name, nil)
	if err != nil {
		return err
	}
	p.http.CloseIdleConnections()
	began := time.Now()
	note := func(when string) error {
		m, err := p.metrics()
		if err != nil {
			return err
		}
		m["measured"], m["when"], m["seconds"], m["peak_mib"] = "soak", when, seconds(time.Since(began)), p.peak()
		say(m)
		return nil
	}
	if err := note("start"); err != nil {
		return err
	}
	over := make(chan struct{})
	noted := make(chan error, 1)
	go func() {
		for tick := time.NewTicker(o.time / 20); ; {
			select {
			case <-over:
				noted <- nil
				return
			case <-tick.C:
				if err := note("during"); err != nil {
					noted <- err
					return
				}
			}
		}
	}()
	t, err := timed(8, o.time, func(w, i int) error {
		rng := rand.New(rand.NewPCG(uint64(w), uint64(i)))
		id := uint64(rng.IntN(n))
		switch r := rng.IntN(100); {
		case r < 70:
			_, err := p.c.Query(ctx, name, client.Query{Query: client.Near(q.Row(rng.IntN(q.Rows))), Limit: k, WithPayload: true})
			return err
		case r < 85:
			points := make([]client.Point, 20)
			for j := range points {
				points[j] = client.Point{ID: point.Num((id + uint64(j)) % uint64(n)), Payload: point.Payload{"n": int64(i)},
					Vectors: point.Vectors{"": point.Dense(q.Row(rng.IntN(q.Rows)))}}
			}
			return p.c.Upsert(ctx, name, points, r < 72)
		case r < 90:
			err := p.c.SetPayload(ctx, name, point.Payload{"seen": int64(i)}, client.Select{IDs: []point.ID{point.Num(id)}}, false)
			if errors.Is(err, client.ErrNotFound) {
				err = nil // deleted
			}
			return err
		case r < 92:
			return p.c.Delete(ctx, name, client.Select{IDs: []point.ID{point.Num(id)}}, false)
		default:
			from := point.Num(id)
			_, _, err := p.c.Scroll(ctx, name, client.Scroll{Offset: &from, Limit: 20})
			return err
		}
	})
	close(over)
	if err := errors.Join(err, <-noted); err != nil {
		return err
	}
	t["measured"] = "mixed load"
	say(t)
	if err := p.c.Wait(ctx, name); err != nil {
		return err
	}
	p.http.CloseIdleConnections()
	time.Sleep(5 * time.Second)
	if err := note("end"); err != nil {
		return err
	}
	_, err = p.stop()
	return err
}
