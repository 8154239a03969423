package nn

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"
)

// Options say how Train learns. The zero Options take 10 epochs with Adam at a rate of 1e-3.
type Options struct {
	Epochs int // how often to go through the feed; 0 means 10, unless Steps says otherwise
	Steps  int // how many batches to learn from; 0 means as many as Epochs have

	Rate      float64   // learning rate; 0 means 1e-3
	WarmUp    int       // steps in which the rate rises to Rate, in a straight line
	Schedule  Schedule  // how the rate falls after that; nil means Constant
	Optimizer Optimizer // nil means Adam, or AdamW if there is weight decay
	Decay     float64   // weight decay of AdamW: weights lose Rate·Decay of themselves each step. Biases, too
	Clip      float64   // longest gradient, over all variables; longer ones are scaled to it; 0 means no limit
	Average   float64   // decay of a moving average of the weights, such as 0.999; 0 keeps none. See Weights.Averaged

	// Trainable says which variables learn, by path; nil means all that want to.
	Trainable func(path string) bool
	// Name sets apart what several trainers keep in the same weights, such as moments. Letters and digits.
	Name string

	Validation Feed   // if not nil, looked at after each epoch: all of its first epoch, with the moving average if there is one
	Every      int    // look after so many steps instead
	Watch      string // the metric of validation that decides which weights are best; "" means the loss
	Maximize   bool   // larger is better
	Patience   int    // stop after so many looks without a better one, and return to the best weights; 0 never stops, and keeps the last

	// Checkpoint, if not "", is a file that holds the state of training: written after each epoch, or after Every steps,
	// it appears whole or not at all, and a run that finds it goes on from there, to the same weights as if it had never
	// been interrupted.
	Checkpoint string

	Log      io.Writer             // one Record a line, as JSON, after each epoch or Every steps
	Each     func(Record) error    // called with the same; an error ends training, ErrStop without being one
	Progress func(done, total int) // steps
}

// ErrStop is what Options.Each returns to end training early.
var ErrStop = errors.New("stop training")

// Schedule is the factor of the learning rate at a step of total, both without those of the warm-up; step counts from 0.
type Schedule func(step, total int) float64

// Constant keeps the rate.
func Constant(step, total int) float64 { return 1 }

// Cosine lets the rate fall to 0 along half a cosine. Source: Loshchilov and Hutter 2017, without restarts.
func Cosine(step, total int) float64 {
	return (1 + math.Cos(math.Pi*float64(step)/float64(max(total, 1)))) / 2
}

// Linear lets the rate fall to 0 along a straight line.
func Linear(step, total int) float64 { return 1 - float64(step)/float64(max(total, 1)) }

// Record is how training stands.
type Record struct {
	Step       int                `json:"step"`                 // steps taken
	Epoch      int                `json:"epoch"`                // epochs begun
	Loss       float64            `json:"loss"`                 // mean of the steps since the last record
	Metrics    map[string]float64 `json:"metrics,omitempty"`    // likewise
	Validation map[string]float64 `json:"validation,omitempty"` // of Options.Validation, with "loss"
	Rate       float64            `json:"rate"`                 // at the last step
	Seconds    float64            `json:"seconds"`              // since training began, or went on
}

// Report says how training went.
type Report struct {
	Records  []Record
	Steps    int
	Best     float64       // of the watched metric, if there was validation
	BestStep int           // where that was
	Stopped  bool          // before the last step
	Samples  int           // rows learnt from, since training began or went on
	Elapsed  time.Duration // likewise
}

// Last returns the last record.
func (r *Report) Last() Record {
	if len(r.Records) == 0 {
		return Record{}
	}
	return r.Records[len(r.Records)-1]
}

// Train teaches weights to make a loss small on the batches of a feed. It stops with ctx's error when ctx ends, after
// which a checkpoint, if there is one, can be gone on from. A loss that is NaN or infinite ends it with a *DivergedError.
// After an error the weights are those of the last step taken.
func Train(ctx context.Context, w *Weights, l Loss, feed Feed, o Options) (*Report, error) {
	o, err := o.complete(feed)
	if err != nil {
		return nil, err
	}
	t, err := NewTrainer(w, l, o)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	s := &state{Report: Report{Best: math.NaN()}}
	if o.Checkpoint != "" {
		if err := s.resume(o.Checkpoint, w, feed, o); err != nil {
			return nil, err
		}
		t.step = s.Report.Steps
	}
	r := &s.Report
	begin := time.Now()
	sum := map[string]float64{}
	var count float64
	for r.Steps < o.Steps && !s.Done {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		epoch, i := r.Steps/feed.Len(), r.Steps%feed.Len()
		b, err := feed.Batch(epoch, i)
		if err != nil {
			return r, fmt.Errorf("nn: step %d: batch %d of epoch %d: %w", r.Steps+1, i, epoch+1, err)
		}
		r.Samples += b.rows()
		m, err := t.Step(b)
		if err != nil {
			var d *DivergedError
			if errors.As(err, &d) {
				d.Epoch, d.Batch = epoch+1, i
			}
			return r, err
		}
		r.Steps++
		for k, v := range m {
			sum[k] += v
		}
		count++
		if o.Progress != nil {
			o.Progress(r.Steps, o.Steps)
		}
		last := r.Steps == o.Steps
		if !last && (o.Every > 0 && r.Steps%o.Every != 0 || o.Every == 0 && r.Steps%feed.Len() != 0) {
			continue
		}
		record := Record{Step: r.Steps, Epoch: epoch + 1, Loss: sum["loss"] / count, Rate: t.rate(r.Steps - 1)}
		delete(sum, "loss")
		for k, v := range sum {
			sum[k] = v / count
		}
		if len(sum) > 0 {
			record.Metrics = maps.Clone(sum)
		}
		clear(sum)
		count = 0
		if o.Validation != nil {
			if err := s.validate(ctx, w, l, o, &record); err != nil {
				return r, err
			}
		}
		r.Elapsed = time.Since(begin)
		record.Seconds = r.Elapsed.Seconds()
		r.Records = append(r.Records, record)
		if o.Log != nil {
			if err := json.NewEncoder(o.Log).Encode(record); err != nil {
				return r, fmt.Errorf("nn: write the log: %w", err)
			}
		}
		var stop error
		if o.Each != nil {
			stop = o.Each(record)
			s.Done = s.Done || errors.Is(stop, ErrStop)
		}
		if o.Checkpoint != "" {
			if err := s.save(o.Checkpoint, w, feed, o); err != nil {
				return r, fmt.Errorf("nn: checkpoint: %w", err)
			}
		}
		if stop != nil && !errors.Is(stop, ErrStop) {
			return r, stop
		}
	}
	r.Stopped = r.Steps < o.Steps
	r.Elapsed = time.Since(begin)
	if s.best != nil && o.Patience > 0 {
		return r, w.take(s.best, false)
	}
	return r, nil
}

// complete is o with what its zeros mean, or what is wrong with it.
func (o Options) complete(feed Feed) (Options, error) {
	if feed.Len() < 1 {
		return o, fmt.Errorf("nn: the feed has %d batches an epoch; want 1 or more", feed.Len())
	}
	if err := o.check(); err != nil {
		return o, err
	}
	if o.Steps == 0 {
		o.Steps = cmp.Or(o.Epochs, 10) * feed.Len()
	}
	if o.Patience > 0 && o.Validation == nil {
		return o, fmt.Errorf("nn: patience %d without validation: nothing says when it runs out", o.Patience)
	}
	return o, nil
}

func (o Options) check() error {
	for _, n := range []struct {
		name  string
		value float64
		below float64
	}{
		{"Epochs", float64(o.Epochs), math.Inf(1)}, {"Steps", float64(o.Steps), math.Inf(1)}, {"WarmUp", float64(o.WarmUp), math.Inf(1)},
		{"Every", float64(o.Every), math.Inf(1)}, {"Patience", float64(o.Patience), math.Inf(1)}, {"Rate", o.Rate, math.Inf(1)},
		{"Decay", o.Decay, math.Inf(1)}, {"Clip", o.Clip, math.Inf(1)}, {"Average", o.Average, 1},
	} {
		if !(n.value >= 0 && n.value < n.below) {
			return fmt.Errorf("nn: %s is %v; want at least 0 and less than %v", n.name, n.value, n.below)
		}
	}
	return nil
}

// state is what a checkpoint holds beside the weights.
type state struct {
	Report Report
	Looks  int  // of validation since the best
	Done   bool // nothing is left to learn

	best *Weights
}

// validate looks at the validation feed, and decides whether it has become better.
func (s *state) validate(ctx context.Context, w *Weights, l Loss, o Options, record *Record) error {
	seen := w
	if o.Average > 0 {
		var err error
		if seen, err = w.Averaged(); err != nil {
			return err
		}
	}
	var err error
	if record.Validation, err = Evaluate(ctx, seen, l, o.Validation); err != nil {
		return fmt.Errorf("nn: validation after step %d: %w", record.Step, err)
	}
	name := cmp.Or(o.Watch, "loss")
	v, ok := record.Validation[name]
	if !ok {
		return fmt.Errorf("nn: validation has no metric %q to watch; it has %v", name, slices.Sorted(maps.Keys(record.Validation)))
	}
	r := &s.Report
	better := v < r.Best
	if o.Maximize {
		better = v > r.Best
	}
	if better || math.IsNaN(r.Best) {
		r.Best, r.BestStep, s.Looks = v, record.Step, 0
		if o.Patience > 0 {
			if seen == w {
				if seen, err = w.Clone(); err != nil {
					return err
				}
			}
			s.best = seen
		}
		return nil
	}
	s.Looks++
	s.Done = o.Patience > 0 && s.Looks >= o.Patience
	return nil
}
