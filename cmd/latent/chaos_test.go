package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/latent-go/latent/client"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
)

var (
	chaosKills = flag.Int("chaos.kills", 3, "how often TestChaos kills the server under load")
	chaosSeed  = flag.Uint64("chaos.seed", 0, "of TestChaos; drawn, and told, if 0")
)

// asCommand in the environment makes the test program the command, so that tests can start it as a process of its own.
const asCommand = "LATENT_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	flag.Parse()
	os.Exit(m.Run())
}

// TestChaos kills the process of latent serve while clients write, starts it again, and holds what it has against a ledger
// of what was acknowledged: nothing acknowledged is lost, no batch is there by half, payload and vector of a point belong
// together, nothing is there that was never sent, and searches find as much as before. make chaos does it at length.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes for some seconds")
	}
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos.seed %d", seed)
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "store")
	s := startProcess(t, dir)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v\nlog of the server:\n%s", err, s.tail())
		}
	}
	ok(s.c.CreateCollection(ctx, "chaos", client.Config{Vectors: client.Vectors{"": {Size: chaosDim, Distance: client.Euclid, Plan: "f32|hnsw:16"}}}))
	ok(s.c.CreateIndex(ctx, "chaos", "writer", "integer"))

	l := &ledger{writers: make([]writer, chaosWriters+1)}
	for i := range l.writers {
		l.writers[i] = writer{number: i, have: map[uint64]int64{}, rng: rand.New(rand.NewPCG(seed, uint64(i)))}
	}
	rng := rand.New(rand.NewPCG(seed, 1<<32))
	if *chaosKills > 5 { // points that stay, so many that a graph is searched
		w := &l.writers[chaosWriters]
		for i := range uint64(15) {
			ch := change{generation: 1}
			for j := range uint64(1000) {
				ch.ids = append(ch.ids, chaosWriters<<32|(i*1000+j))
			}
			ok(send(ctx, s.c, w.number, ch, true))
			w.pending, w.certain, w.acked = append(w.pending, ch), w.certain+1, w.acked+1
		}
	}
	var acked, unsure, quiet int
	worst, least := 0.0, 1.0
	for kill := range *chaosKills {
		acked += l.load(s, 200*time.Millisecond+time.Duration(rng.Int64N(int64(time.Second))))
		s = startProcess(t, dir)
		n, err := l.settle(ctx, s.c)
		ok(err)
		unsure += n
		if kill%5 != 0 {
			continue
		}
		// Once more with nothing to write, so that the searches before and after are of the same points.
		before, err := recallNow(ctx, s.c, seed)
		ok(err)
		s.kill()
		s = startProcess(t, dir)
		_, err = l.settle(ctx, s.c)
		ok(err)
		after, err := recallNow(ctx, s.c, seed)
		ok(err)
		quiet++
		t.Logf("kill %d: recall@10 %.4f, after another %.4f", kill, before, after)
		worst, least = max(worst, before-after), min(least, before)
		if before-after > 0.005 { // seen 0
			t.Errorf("kill %d: recall@10 was %.4f and is %.4f after the restart", kill, before, after)
		}
	}
	check, err := s.c.Check(ctx)
	ok(err)
	for _, p := range check.Problems {
		t.Errorf("check: %s %s", p.Collection, p.What)
	}
	t.Logf("%d kills under load and %d without, %d batches acknowledged, %d of unknown fate settled, %d points at the end, recall@10 at least %.4f and at most %.4f lower after a restart",
		*chaosKills, quiet, acked, unsure, check.Points, least, worst)
	s.kill()
}

const (
	chaosDim     = 32
	chaosWriters = 6
)

// vectorAt is the vector that a point has in a generation, so that one can be told by the other.
func vectorAt(id uint64, generation int64) []float32 {
	rng := rand.New(rand.NewPCG(id, uint64(generation)))
	v := make([]float32, chaosDim)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// change is one request of a writer: points that get a generation, or, if it is 0, are deleted.
type change struct {
	ids        []uint64
	generation int64
}

// writer sends changes of points of its own, one after the other.
type writer struct {
	number  int
	rng     *rand.Rand
	have    map[uint64]int64 // the generation of each point after all that is certain
	pending []change         // sent since, in order; the last may not have been answered
	acked   int              // of pending
	certain int              // of pending: must be there after a crash
	at      int64            // generations given out
}

// ledger is what all writers know. mu guards the numbers of each of them.
type ledger struct {
	mu      sync.Mutex
	writers []writer
}

// load lets all writers write for some time, kills the server, and returns how many batches were acknowledged.
func (l *ledger) load(s *process, d time.Duration) (acked int) {
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for i := range chaosWriters {
		group.Go(func() { l.write(ctx, s.c, &l.writers[i]) })
	}
	time.Sleep(d)
	s.kill()
	stop()
	group.Wait()
	for i := range l.writers {
		acked += l.writers[i].acked
	}
	return acked
}

// write sends changes until one fails.
func (l *ledger) write(ctx context.Context, c *client.Client, w *writer) {
	for ctx.Err() == nil {
		ch := change{}
		for _, i := range w.rng.Perm(700)[:1+w.rng.IntN(40)] {
			ch.ids = append(ch.ids, uint64(w.number)<<32|uint64(i))
		}
		if w.rng.IntN(6) > 0 {
			w.at++
			ch.generation = w.at
		}
		durable := w.rng.IntN(3) > 0
		l.mu.Lock()
		w.pending = append(w.pending, ch)
		// A durable batch takes all that was acknowledged before it was sent to the disk with it.
		floor := make([]int, len(l.writers))
		for i := range l.writers {
			floor[i] = l.writers[i].acked
		}
		l.mu.Unlock()
		if send(ctx, c, w.number, ch, durable) != nil {
			return
		}
		l.mu.Lock()
		w.acked++
		if durable {
			floor[w.number] = w.acked
			for i := range l.writers {
				l.writers[i].certain = max(l.writers[i].certain, floor[i])
			}
		}
		l.mu.Unlock()
	}
}

func send(ctx context.Context, c *client.Client, writer int, ch change, durable bool) error {
	if ch.generation == 0 {
		ids := make([]point.ID, len(ch.ids))
		for i, id := range ch.ids {
			ids[i] = point.Num(id)
		}
		return c.Delete(ctx, "chaos", client.Select{IDs: ids}, durable)
	}
	points := make([]client.Point, len(ch.ids))
	for i, id := range ch.ids {
		points[i] = client.Point{ID: point.Num(id), Vectors: point.Vectors{"": point.Dense(vectorAt(id, ch.generation))},
			Payload: point.Payload{"writer": int64(writer), "generation": ch.generation}}
	}
	return c.Upsert(ctx, "chaos", points, durable)
}

// settle reads all points and finds, for each writer, up to which of its changes they are as they should be. From then on
// that is certain. It returns how many changes were not, before.
func (l *ledger) settle(ctx context.Context, c *client.Client) (unsure int, err error) {
	found := make([]map[uint64]int64, len(l.writers))
	for i := range found {
		found[i] = map[uint64]int64{}
	}
	var next *point.ID
	for {
		var page []client.Point
		if page, next, err = c.Scroll(ctx, "chaos", client.Scroll{Offset: next, Limit: 1000, WithVector: true}); err != nil {
			return 0, err
		}
		for _, p := range page {
			id, _ := p.ID.Number()
			w, generation := int(id>>32), p.Payload["generation"].(int64)
			if w >= len(found) || p.Payload["writer"] != int64(w) {
				return 0, fmt.Errorf("point %d was never sent so: payload %v", id, p.Payload)
			}
			if !slices.Equal(p.Vectors[""].Dense, vectorAt(id, generation)) {
				return 0, fmt.Errorf("point %d has the payload of generation %d and another vector", id, generation)
			}
			found[w][id] = generation
		}
		if next == nil {
			break
		}
	}
	for i := range l.writers {
		w := &l.writers[i]
		fits := -1
		for n := 0; ; n++ {
			if n >= w.certain && maps.Equal(w.have, found[i]) {
				fits = n
			}
			if n == len(w.pending) {
				break
			}
			for _, id := range w.pending[n].ids {
				if g := w.pending[n].generation; g != 0 {
					w.have[id] = g
				} else {
					delete(w.have, id)
				}
			}
		}
		if fits < 0 {
			return 0, fmt.Errorf("writer %d has %d points, which are those after none of its changes from %d to %d (%d acknowledged): %s",
				i, len(found[i]), w.certain, len(w.pending), w.acked, firstDifference(w.have, found[i]))
		}
		unsure += len(w.pending) - w.certain
		w.have, w.pending, w.acked, w.certain = found[i], nil, 0, 0
		// The payload index is derived, and must say the same.
		n, err := c.Count(ctx, "chaos", writerFilter(i))
		if err != nil || n != len(found[i]) {
			return 0, fmt.Errorf("the payload index has %d points of writer %d, and there are %d: %v", n, i, len(found[i]), err)
		}
	}
	return unsure, nil
}

func writerFilter(writer int) *filter.Filter {
	f := new(filter.Filter)
	if err := json.Unmarshal(fmt.Appendf(nil, `{"must":{"key":"writer","match":{"value":%d}}}`, writer), f); err != nil {
		panic(err)
	}
	return f
}

func firstDifference(want, got map[uint64]int64) string {
	for id, g := range want {
		if got[id] != g {
			return fmt.Sprintf("point %d is of generation %d, after the last change it would be %d", id, got[id], g)
		}
	}
	for id, g := range got {
		if _, ok := want[id]; !ok {
			return fmt.Sprintf("point %d of generation %d is there and should not be after the last change", id, g)
		}
	}
	return "no difference after the last change"
}

// recallNow is the share of the true ten nearest that searches find, when all vectors are in the index, where there is one:
// those that are not yet are compared one by one, and so found more surely.
func recallNow(ctx context.Context, c *client.Client, seed uint64) (float64, error) {
	for until := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		info, err := c.Collection(ctx, "chaos")
		if err != nil {
			return 0, err
		}
		p, err := c.Plan(ctx, "chaos")
		if err != nil {
			return 0, err
		}
		if info.Status == "green" && (p.Vectors[""].Plan == "f32|flat" || info.IndexedVectors == info.Points) {
			break
		}
		if time.Now().After(until) {
			return 0, fmt.Errorf("the collection does not come to rest: %s, %d of %d points are in its index %s", info.Status, info.IndexedVectors, info.Points, p.Vectors[""].Plan)
		}
	}
	found, all := 0, 0
	for part := range 4 {
		var ask, exact []client.Query
		for i := range 250 {
			q := client.Query{Query: client.Near(vectorAt(seed, int64(part*250+i)))}
			ask = append(ask, q)
			q.Params = &client.Params{Exact: true}
			exact = append(exact, q)
		}
		got, err := c.QueryBatch(ctx, "chaos", ask)
		if err != nil {
			return 0, err
		}
		want, err := c.QueryBatch(ctx, "chaos", exact)
		if err != nil {
			return 0, err
		}
		for i := range want {
			for _, h := range want[i] {
				all++
				if slices.ContainsFunc(got[i], func(g client.Hit) bool { return g.ID == h.ID }) {
					found++
				}
			}
		}
	}
	if all == 0 {
		return 0, errors.New("an exact search finds nothing")
	}
	return float64(found) / float64(all), nil
}

// TestLedger tells the ledger of what was not so, which it must notice.
func TestLedger(t *testing.T) {
	ctx := t.Context()
	c, _ := serving(t)
	one, two := change{[]uint64{1, 2, 3}, 1}, change{[]uint64{2, 3, 4}, 2}
	gone := change{[]uint64{1}, 0}
	for name, row := range map[string]struct {
		sent, pending []change
		certain       int
		also          []client.Point
		want          string
	}{
		"all is there":                 {[]change{one, two, gone}, []change{one, two, gone}, 3, nil, ""},
		"the last is not":              {[]change{one}, []change{one, two}, 1, nil, ""},
		"what was acknowledged is not": {[]change{one}, []change{one, two}, 2, nil, "none of its changes from 2 to 2"},
		"a deletion is not":            {[]change{one}, []change{one, gone}, 2, nil, "point 1 of generation 1 is there"},
		"one before the last is not":   {[]change{two}, []change{one, two}, 0, nil, "none of its changes"},
		"half of one":                  {[]change{one, {two.ids[:2], 2}}, []change{one, two}, 1, nil, "none of its changes"},
		"what nobody sent":             {[]change{one, {[]uint64{9}, 1}}, []change{one}, 1, nil, "none of its changes"},
		"another's vector": {[]change{one}, []change{one}, 1, []client.Point{{ID: point.Num(1), Vectors: point.Vectors{"": point.Dense(vectorAt(1, 2))},
			Payload: point.Payload{"writer": int64(0), "generation": int64(1)}}}, "and another vector"},
		"another's point": {[]change{one}, []change{one}, 1, []client.Point{{ID: point.Num(1 << 40), Vectors: point.Vectors{"": point.Dense(vectorAt(1<<40, 2))},
			Payload: point.Payload{"writer": int64(0), "generation": int64(2)}}}, "never sent so"},
	} {
		if _, err := c.DeleteCollection(ctx, "chaos"); err != nil {
			t.Fatal(err)
		}
		if err := c.CreateCollection(ctx, "chaos", client.Config{Vectors: client.Vectors{"": {Size: chaosDim, Distance: client.Euclid}}}); err != nil {
			t.Fatal(err)
		}
		for _, ch := range row.sent {
			if err := send(ctx, c, 0, ch, true); err != nil {
				t.Fatal(err)
			}
		}
		if row.also != nil {
			if err := c.Upsert(ctx, "chaos", row.also, true); err != nil {
				t.Fatal(err)
			}
		}
		l := &ledger{writers: []writer{{have: map[uint64]int64{}, pending: row.pending, certain: row.certain}}}
		if _, err := l.settle(ctx, c); row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// process is latent serve as a process of its own.
type process struct {
	cmd    *exec.Cmd
	c      *client.Client
	log    string
	killed bool
}

func startProcess(t *testing.T, dir string) *process {
	t.Helper()
	p := &process{log: filepath.Join(t.TempDir(), "log")}
	p.cmd = exec.Command(os.Args[0], "serve", dir, "--json", "--http", "127.0.0.1:0", "--grpc", "off", "--flush-interval", "100ms")
	p.cmd.Env = append(os.Environ(), asCommand+"=1")
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stderr = log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	var a serveAnswer
	if err := json.NewDecoder(out).Decode(&a); err != nil {
		p.kill()
		t.Fatalf("latent serve does not start: %v\n%s", err, p.tail())
	}
	go io.Copy(io.Discard, out)
	if p.c, err = client.New(a.HTTP, client.Options{Retries: -1}); err != nil {
		t.Fatal(err)
	}
	return p
}

// kill ends the process as a crash does.
func (p *process) kill() {
	if !p.killed {
		p.killed = true
		p.cmd.Process.Signal(syscall.SIGKILL)
		p.cmd.Wait()
	}
}

// tail is the end of the log.
func (p *process) tail() string {
	b, _ := os.ReadFile(p.log)
	lines := strings.Split(string(b), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
