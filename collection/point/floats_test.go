package point

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestVectorNumbers(t *testing.T) {
	for in, want := range map[string][]float32{
		`[]`:                              {},
		`[1]`:                             {1},
		" [ -1.5e2 ,\n0.25,3E-1,1e-999 ]": {-150, 0.25, 0.3, 0},
		`[3.4028235e38,16777217]`:         {math.MaxFloat32, 16777216},
	} {
		var v Vector
		if err := json.Unmarshal([]byte(in), &v); err != nil || !slices.Equal(v.Dense, want) {
			t.Errorf("%s: %v %v, want %v", in, v.Dense, err, want)
		}
	}
	for _, in := range []string{`[null]`, `[1,null]`, `[1e39]`, `[-1e999]`, `["1"]`, `[true]`, `[{}]`, `[[null]]`, `[[1],2]`, `[1,[2]]`,
		`{"indices":[1],"values":[null]}`, `{"indices":[1],"values":null}`, `{"indices":[null],"values":[1]}`, `{"indices":[-1],"values":[1]}`, `{"values":[1]}`} {
		var v Vector
		if err := json.Unmarshal([]byte(in), &v); err == nil {
			t.Errorf("%s became %+v", in, v)
		}
	}
}

// FuzzFloats compares with what encoding/json makes of the same, which is right wherever there is no null.
func FuzzFloats(f *testing.F) {
	for _, s := range []string{`[1,2.5,-3e7]`, `[]`, `[1,]`, `[,1]`, `[1 2]`, `[0x1p3]`, `[Inf]`, `[1_0]`, `[ ]`, `[null]`, `[01]`, `[-]`, `[1e]`, `[1e39]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got floats
		var want []float32
		errWant := json.Unmarshal([]byte(s), &want)
		errGot := json.Unmarshal([]byte(s), &got)
		if strings.Contains(s, "null") {
			return
		}
		if (errGot == nil) != (errWant == nil) || errGot == nil && !slices.Equal(got, want) {
			t.Errorf("%q: %v %v, encoding/json: %v %v", s, got, errGot, want, errWant)
		}
		var direct floats
		direct.UnmarshalJSON([]byte(s)) // no panic, whatever it is
	})
}

func BenchmarkVectorJSON(b *testing.B) {
	v := make([]float32, 128)
	for i := range v {
		v[i] = float32(math.Sin(float64(i)))
	}
	text, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("floats", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			var v floats
			if err := v.UnmarshalJSON(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			var v []float32
			if err := json.Unmarshal(text, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
