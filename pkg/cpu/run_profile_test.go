package cpu

import (
	"slices"
	"testing"
	"time"
)

func TestProfile(t *testing.T) {
	for _, config := range []string{"", "profile"} {
		made, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		b := made.(*Backend)
		e, inputs := network(t, b, 2)
		b.Profile()
		start := time.Now()
		outputs, err := e.Execute(inputs, nil, 0)
		wall := time.Since(start)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outputs {
			if err := o.Finalize(); err != nil {
				t.Fatal(err)
			}
		}
		parts := b.Profile()
		if (len(parts) > 0) != (config == "profile") {
			t.Errorf("with the options %q the profile is %v", config, parts)
		}
		var sum time.Duration
		for _, p := range parts {
			sum += p.Elapsed
		}
		if sum > wall {
			t.Errorf("the parts take %v, but the execution took %v", sum, wall)
		}
		if !slices.IsSortedFunc(parts, func(a, b PartTime) int { return int(b.Elapsed - a.Elapsed) }) {
			t.Errorf("the parts are not in order: %v", parts)
		}
		if parts := b.Profile(); len(parts) > 0 {
			t.Errorf("the profile was not forgotten: %v", parts)
		}
		b.Finalize()
	}
}
