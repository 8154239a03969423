package explorer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/latent-go/latent/collection/point"
)

// count prints a whole number with thin spaces between thousands.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// size prints bytes.
func size(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

func number[F float32 | float64](v F) string { return strconv.FormatFloat(float64(v), 'g', 4, 64) }

// vectorName names a vector for people.
func vectorName(name string) string {
	if name == "" {
		return "the vector"
	}
	return "vector " + name
}

// upper begins s with a capital.
func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// ago says how long something is past.
func ago(t time.Time) string {
	switch d := time.Since(t); {
	case d < 10*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f seconds ago", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f minutes ago", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f hours ago", d.Hours())
	default:
		return t.UTC().Format(time.DateOnly)
	}
}

// short prints a value of a payload in at most n runes.
func short(v any, n int) string {
	s, ok := v.(string)
	if !ok {
		b, err := point.AppendJSON(nil, v)
		if err != nil {
			return ""
		}
		s = string(b)
	}
	return cut(strings.Join(strings.Fields(s), " "), n)
}

// cut cuts s to n runes.
func cut(s string, n int) string {
	i := 0
	for at := range s {
		if i++; i > n {
			return s[:at] + "…"
		}
	}
	return s
}

// pretty prints a payload as JSON for people.
func pretty(p point.Payload) string {
	b, err := p.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	var out bytes.Buffer
	if json.Indent(&out, b, "", "  ") != nil {
		return string(b)
	}
	return out.String()
}

// norm is the length of a vector.
func norm(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}
