package cpu

// step is one piece of a plan's work. The steps of a plan run in order.
type step interface{ run(r *run) error }

// make returns the step for a loop, or for the tensor that another step computes.
func (p *plan) make(s *planned) (step, error) {
	if s.loop != nil {
		s.loop.compile(p)
		return s.loop, nil
	}
	t := s.made
	in := make([]int, len(t.inputs))
	for i, input := range t.inputs {
		if input != nil {
			in[i] = input.slot
		}
	}
	switch t.kind {
	case kindContract:
		c := t.attributes.(*contraction)
		if c.cols && c.winogradGradient(p.backend.kernels) {
			return newWinogradGradientStep(c, p.backend.kernels, p, in[0], in[1], t.slot), nil
		}
		if c.cols {
			return newColsStep(c, p.backend.kernels, p, in[0], in[1], t.slot), nil
		}
		if c.winograd(p.backend.kernels) {
			return newWinogradStep(c, p.backend.kernels, p, in[0], in[1], t.slot), nil
		}
		return newRowsStep(c, p.backend.kernels, p, in[0], in[1], t.slot), nil
	case kindMoments:
		x := t.inputs[0]
		features := t.attributes.(moments).features
		slots := [2]int{-1, -1}
		for _, user := range t.users {
			slots[user.attributes.(pick).output] = user.slot
		}
		for i, s := range slots {
			if s < 0 {
				slots[i] = p.temporary(4 * features)
			}
		}
		return newMomentsStep(x.shape.Size()/features, features, p, in[0], slots[0], slots[1]), nil
	case kindMove:
		return newMoveStep(t.attributes.(*moves), t.shape, in, t.slot), nil
	case kindMatch:
		return &matchStep{in[0], in[1], t.slot, t.op == opEqual, t.inputs[0].shape.DType, t.shape.Size()}, nil
	case kindWindow:
		return newWindowStep(t.attributes.(*pooling), in[0], t.slot), nil
	case kindAllReduce:
		return newAllReduceStep(t, in), nil
	case kindScatter:
		return newScatterStep(t.attributes.(*pooling), in[0], in[1], t.slot), nil
	default:
		return newDelegateStep(p.backend, t, in)
	}
}
