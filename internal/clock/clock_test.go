//go:build unix

package clock

import "testing"

func TestProcess(t *testing.T) {
	begin := Process()
	for i := 0; Process() == begin; i++ {
		if i > 1e9 {
			t.Fatal("the clock stands still")
		}
	}
	if end := Process(); !(begin > 0 && end > begin) {
		t.Errorf("%v, then %v", begin, end)
	}
}
