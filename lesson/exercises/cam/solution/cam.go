// Package cam computes class activation maps: where in an image a network found a class.
package cam

// Map returns the class activation map of a class, [height][width]: what each place adds to the
// logit of the class.
//
//	features  [height][width][channels]  the last maps, before the global average pooling
//	weight    [channels][classes]        the weight of the linear layer
//
// Each value is the sum, over the channels, of the feature at that place times the weight
// from its channel to the class.
func Map(features [][][]float64, weight [][]float64, class int) [][]float64 {
	// BEGIN SOLUTION
	m := make([][]float64, len(features))
	for y, row := range features {
		m[y] = make([]float64, len(row))
		for x, pixel := range row {
			for channel, feature := range pixel {
				m[y][x] += feature * weight[channel][class]
			}
		}
	}
	return m
	// END SOLUTION
}

// Scale returns the map m with its values shifted and stretched so that the smallest is 0 and
// the largest is 1, so that it can be drawn. If all values are the same, the result is 0
// everywhere. m has at least one value, and Scale does not change it.
func Scale(m [][]float64) [][]float64 {
	// BEGIN SOLUTION
	lowest, highest := m[0][0], m[0][0]
	for _, row := range m {
		for _, value := range row {
			lowest, highest = min(lowest, value), max(highest, value)
		}
	}
	scaled := make([][]float64, len(m))
	for y, row := range m {
		scaled[y] = make([]float64, len(row))
		for x, value := range row {
			if highest > lowest {
				scaled[y][x] = (value - lowest) / (highest - lowest)
			}
		}
	}
	return scaled
	// END SOLUTION
}
