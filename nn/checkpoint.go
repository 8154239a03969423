package nn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"

	"github.com/latent-go/latent/artifact"
)

const kindCheckpoint = "checkpoint"

// runOf says of which training a checkpoint is.
type runOf struct {
	Batches int // in an epoch
	Name    string
}

// save writes all of training's state to a file that appears whole or not at all.
func (s *state) save(path string, w *Weights, feed Feed, o Options) error {
	return artifact.Atomic(path, func(out io.Writer) error { return s.write(out, w, feed, o) })
}

func (s *state) write(out io.Writer, w *Weights, feed Feed, o Options) error {
	all, err := w.sections(true)
	if err != nil {
		return err
	}
	weights, err := artifact.Bytes("weights", sectionsWriter(all))
	if err != nil {
		return err
	}
	sections := []artifact.Section{artifact.JSON("run", runOf{feed.Len(), o.Name}), artifact.JSON("state", s.wire()), weights}
	if s.best != nil {
		best, err := artifact.Bytes("best", s.best)
		if err != nil {
			return err
		}
		sections = append(sections, best)
	}
	_, err = artifact.Write(out, kindCheckpoint, 1, sections...)
	return err
}

type sectionsWriter []artifact.Section

func (s sectionsWriter) WriteTo(w io.Writer) (int64, error) {
	return artifact.Write(w, kindWeights, 1, s...)
}

// wire is a state as JSON can hold it, which knows no NaN.
type wire struct {
	Report
	Best  *float64
	Looks int
	Done  bool
}

func (s *state) wire() wire {
	w := wire{Report: s.Report, Looks: s.Looks, Done: s.Done}
	if !math.IsNaN(s.Report.Best) {
		w.Best = &s.Report.Best
	}
	w.Report.Best = 0
	return w
}

// resume reads a checkpoint into the weights and s, if there is one.
func (s *state) resume(path string, w *Weights, feed Feed, o Options) error {
	f, err := artifact.Open(path, kindCheckpoint, 1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("nn: go on from a checkpoint: %w", err)
	}
	defer f.Close()
	var of runOf
	if err := f.Decode("run", &of); err != nil {
		return err
	}
	if want := (runOf{feed.Len(), o.Name}); of != want {
		return fmt.Errorf("nn: checkpoint %s is of another training, %+v, not %+v: remove it, or name another", path, of, want)
	}
	var v wire
	if err := f.Decode("state", &v); err != nil {
		return err
	}
	read := func(name string) (*Weights, error) {
		b, err := f.Raw(name)
		if err != nil {
			return nil, err
		}
		return ReadFrom(bytes.NewReader(b))
	}
	saved, err := read("weights")
	if err != nil {
		return err
	}
	if saved.seed != w.seed {
		return fmt.Errorf("nn: checkpoint %s is of seed %d, not %d: remove it, or name another", path, saved.seed, w.seed)
	}
	if v.Best != nil && o.Patience > 0 {
		if s.best, err = read("best"); err != nil {
			return err
		}
	}
	if err := w.take(saved, true); err != nil {
		return err
	}
	s.Report, s.Looks, s.Done = v.Report, v.Looks, v.Done
	s.Report.Samples, s.Report.Elapsed, s.Report.Best = 0, 0, math.NaN()
	if v.Best != nil {
		s.Report.Best = *v.Best
	}
	return nil
}
