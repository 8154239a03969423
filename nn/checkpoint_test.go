package nn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/vec"
)

// trained is a state of training that has a best model, too.
func trained(t testing.TB) (*state, *Weights, Feed) {
	t.Helper()
	x := vec.NewMatrix(8, 3)
	for i := range x.Data {
		x.Data[i] = float32(i%5) - 2
	}
	feed, err := Batches(BatchOptions{}, Rows(x))
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(4)
	if err != nil {
		t.Fatal(err)
	}
	loss := func(scope *model.Scope, in []*Node) (*Node, Metrics) {
		return ReduceAllMean(Square(layers.Dense(scope.In("d"), in[0], true, 2))), nil
	}
	if _, err := Train(context.Background(), w, loss, feed, Options{Steps: 3}); err != nil {
		t.Fatal(err)
	}
	s := &state{Report: Report{Steps: 3, Best: 0.5, BestStep: 2}}
	if s.best, err = w.Clone(); err != nil {
		t.Fatal(err)
	}
	return s, w, feed
}

// failing gives up after some bytes: with an error, as a full disk does, or with the process, as a kill does.
type failing struct {
	w    io.Writer
	left int
	exit bool
}

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.left {
		n, _ := f.w.Write(p[:f.left])
		f.left = 0
		if f.exit {
			os.Exit(7)
		}
		return n, errors.New("disk full")
	}
	f.left -= len(p)
	return f.w.Write(p)
}

// TestKilledCheckpoint lets writing a checkpoint fail after each of many bytes: the one before must stay as it was.
func TestKilledCheckpoint(t *testing.T) {
	s, w, feed := trained(t)
	path := os.Getenv("LATENT_CHECKPOINT") // set: this is the process that is to die
	left := 0
	if path != "" {
		fmt.Sscan(os.Getenv("LATENT_BYTES"), &left)
		artifact.Atomic(path, func(out io.Writer) error { return s.write(&failing{out, left, true}, w, feed, Options{}) })
		t.Fatal("this process should not live")
	}
	path = filepath.Join(t.TempDir(), "training")
	if err := s.save(path, w, feed, Options{Patience: 1}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.Report.Steps = 4 // what is not to be found after a failure
	check := func(n int) {
		t.Helper()
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(before, after) {
			t.Fatalf("after a failure at byte %d the checkpoint is another: %v", n, err)
		}
		fresh, err := New(4)
		if err != nil {
			t.Fatal(err)
		}
		var found state
		if err := found.resume(path, fresh, feed, Options{Patience: 1}); err != nil || found.Report.Steps != 3 || found.best == nil {
			t.Fatalf("after a failure at byte %d: %+v, %v", n, found.Report, err)
		}
	}
	for n := 0; n < len(before); n += 997 {
		if err := artifact.Atomic(path, func(out io.Writer) error { return s.write(&failing{out, n, false}, w, feed, Options{}) }); err == nil {
			t.Fatalf("no error at byte %d of %d", n, len(before))
		}
		check(n)
	}
	if testing.Short() {
		return
	}
	for _, n := range []int{0, 100, len(before) / 2, len(before) - 1} {
		c := exec.Command(os.Args[0], "-test.run", "^TestKilledCheckpoint$")
		c.Env = append(os.Environ(), "LATENT_CHECKPOINT="+path, fmt.Sprint("LATENT_BYTES=", n))
		var e *exec.ExitError
		if out, err := c.CombinedOutput(); !errors.As(err, &e) || e.ExitCode() != 7 {
			t.Fatalf("the process did not die as it should: %v\n%s", err, out)
		}
		check(n)
	}
}

// TestDamagedCheckpoint cuts a checkpoint and turns its bits: training must say so rather than begin anew.
func TestDamagedCheckpoint(t *testing.T) {
	s, w, feed := trained(t)
	path := filepath.Join(t.TempDir(), "training")
	var whole bytes.Buffer
	if err := s.write(&whole, w, feed, Options{}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < whole.Len(); i += 61 {
		cut := whole.Bytes()[:i]
		turned := bytes.Clone(whole.Bytes())
		turned[i] ^= 4
		for _, data := range [][]byte{cut, turned} {
			if err := os.WriteFile(path, data, 0o666); err != nil {
				t.Fatal(err)
			}
			fresh, err := New(4)
			if err != nil {
				t.Fatal(err)
			}
			var found state
			var corrupt *artifact.CorruptError
			if err := found.resume(path, fresh, feed, Options{Patience: 1}); err == nil && len(data) < whole.Len() {
				t.Fatalf("cut at byte %d: no error", i)
			} else if err != nil && !errors.As(err, &corrupt) {
				t.Fatalf("byte %d: %v", i, err)
			} else if err == nil && found.Report.Steps != 3 {
				t.Fatalf("byte %d: state %+v", i, found.Report) // padding may change
			}
		}
	}
}

// FuzzRead reads weights from any bytes: no panic, and what is read can be written.
func FuzzRead(f *testing.F) {
	_, w, _ := trained(f)
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := ReadFrom(bytes.NewReader(data))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := w.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		again, err := ReadFrom(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if again.Count() != w.Count() {
			t.Fatalf("%d numbers became %d", w.Count(), again.Count())
		}
	})
}
