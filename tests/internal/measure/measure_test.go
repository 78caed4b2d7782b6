package measure

import "testing"

func TestNetwork(t *testing.T) {
	for name, want := range map[string]int64{"resnet20": 272_474, "resnet110": 1_730_714, "resnet18-cifar": 11_173_962, "resnet50": 23_528_522} {
		config, err := Network(name)
		if err != nil {
			t.Fatal(err)
		}
		summary, err := config.Summary(32, 32)
		if err != nil {
			t.Fatal(err)
		}
		if summary.Parameters != want {
			t.Errorf("%s has %d parameters, want %d", name, summary.Parameters, want)
		}
	}
	if _, err := Network("resnet21"); err == nil {
		t.Error("no error for resnet21")
	}
	if _, err := MultiplyAdds("resnet21", 32); err == nil {
		t.Error("no error for the operations of resnet21")
	}
}

func TestOperations(t *testing.T) {
	if got := Operations(10, false); got != 20 {
		t.Errorf("inference: %v operations, want 20", got)
	}
	if got := Operations(10, true); got != 60 {
		t.Errorf("training: %v operations, want 60", got)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 3, 2, 1}, 2.5},
	} {
		if got := Median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0.0123: "0.012", 0.25: "0.25", 9.994: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", 1234.5: "1234"} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestProcessorName(t *testing.T) {
	if got := processorName("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nmodel name\t: other\n"); got != "Some CPU @ 3 GHz" {
		t.Errorf("name %q, want that of the first processor", got)
	}
	if got := processorName("nothing"); got != "" {
		t.Errorf("name %q, want none", got)
	}
}
