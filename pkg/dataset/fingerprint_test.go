package dataset

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestFingerprint: equal images have equal fingerprints, also after a round trip through JSON,
// and any change to a pixel, a label or the order changes them.
func TestFingerprint(t *testing.T) {
	fresh := func() *Images {
		m := &Images{Classes: []string{"a", "b", "c"}, Height: 3, Width: 5}
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 20 {
			m.Labels = append(m.Labels, int32(i%3))
			for range m.ImageSize() {
				m.Pixels = append(m.Pixels, byte(random.Uint32()))
			}
		}
		return m
	}
	want := fresh().Fingerprint()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got *Fingerprint
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s is read as %+v (%v), want %+v", text, got, err, want)
	}
	for pixel := range len(fresh().Pixels) {
		m := fresh()
		m.Pixels[pixel] ^= 1
		got := m.Fingerprint()
		if got.Order == want.Order || reflect.DeepEqual(got.Sums, want.Sums) {
			t.Fatalf("a changed byte %d gives the same fingerprint", pixel)
		}
	}
	for i := range 20 {
		m := fresh()
		m.Labels[i] = (m.Labels[i] + 1) % 3
		if got := m.Fingerprint(); got.Order == want.Order || reflect.DeepEqual(got.Counts, want.Counts) {
			t.Errorf("a changed label %d gives the same fingerprint", i)
		}
	}
	reversed := make([]int, 20)
	for i := range reversed {
		reversed[i] = 19 - i
	}
	if got := fresh().Pick(reversed).Fingerprint(); got.Order == want.Order || !reflect.DeepEqual(got.Sums, want.Sums) {
		t.Error("another order should change the order and nothing else")
	}
	if err := json.Unmarshal([]byte(`{"order":"no"}`), &got); err == nil {
		t.Error("a hash that is not hexadecimal was accepted")
	}
}

func BenchmarkFingerprint(b *testing.B) {
	m := &Images{Classes: []string{"a"}, Height: 32, Width: 32, Labels: make([]int32, 50_000)}
	m.Pixels = make([]byte, m.Len()*m.ImageSize())
	b.SetBytes(int64(len(m.Pixels)))
	for b.Loop() {
		m.Fingerprint()
	}
}
