package vec

import (
	"fmt"
	"math"
	"strings"
)

// Metric says how far apart two vectors are. Distances fall with likeness, for every metric.
type Metric uint8

const (
	Euclidean    Metric = iota // the squared distance Σ(aᵢ-bᵢ)², which orders as the distance does
	Cosine                     // 1 - a·b/(|a||b|); stores normalise vectors once, then it is 1 - a·b
	InnerProduct               // -a·b: the largest inner product is nearest
	Manhattan                  // Σ|aᵢ-bᵢ|
)

var metricNames = [...]string{Euclidean: "l2", Cosine: "cosine", InnerProduct: "dot", Manhattan: "l1"}

// String returns the name that ParseMetric reads.
func (m Metric) String() string {
	if int(m) < len(metricNames) {
		return metricNames[m]
	}
	return fmt.Sprintf("Metric(%d)", uint8(m))
}

// ParseMetric reads l2 (or euclid, euclidean), cosine (or cos), dot (or ip), l1 (or manhattan), in any case.
func ParseMetric(s string) (Metric, error) {
	switch strings.ToLower(s) {
	case "l2", "euclid", "euclidean":
		return Euclidean, nil
	case "cosine", "cos":
		return Cosine, nil
	case "dot", "ip":
		return InnerProduct, nil
	case "l1", "manhattan":
		return Manhattan, nil
	}
	return 0, fmt.Errorf("vec: no metric %q; the metrics are l2, cosine, dot, l1", s)
}

// MarshalText gives the name, so that a Metric in JSON reads as a word.
func (m Metric) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is ParseMetric.
func (m *Metric) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMetric(string(b))
	return err
}

// Distance returns the distance between a and b, of equal length. Under Cosine a zero vector is at distance 1 from all.
func (m Metric) Distance(a, b []float32) float32 {
	switch m {
	case Euclidean:
		return SquaredL2(a, b)
	case Cosine:
		n := math.Sqrt(float64(Dot(a, a)) * float64(Dot(b, b)))
		if n == 0 {
			return 1
		}
		return float32(1 - float64(Dot(a, b))/n)
	case InnerProduct:
		return -Dot(a, b)
	case Manhattan:
		return L1(a, b)
	}
	panic("vec: " + m.String())
}
