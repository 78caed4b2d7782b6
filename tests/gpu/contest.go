package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/tests/internal/measure"
)

// contest measures the peers of c that have no results yet: in turn if they fit on the card together,
// one after the other if not.
func (d *driver) contest(ctx context.Context, c contest) error {
	var missing []spec
	for _, peer := range c.peers {
		s := c.of
		s.Peer = peer
		if !d.done(c.part, s) {
			missing = append(missing, s)
		}
	}
	missing, err := d.possible(c.part, missing)
	if err != nil {
		return err
	}
	if c.together() && len(missing) > 1 {
		// Those that fail together with others get a second chance alone.
		if missing, err = d.turns(ctx, c.part, missing, true); err != nil {
			return err
		}
	}
	for _, s := range missing {
		if _, err := d.turns(ctx, c.part, []spec{s}, false); err != nil {
			return err
		}
	}
	return nil
}

// done reports whether s was measured or has failed.
func (d *driver) done(part string, s spec) bool {
	return d.results.count(func(r record) bool {
		return r.Part == part && r.spec == s && r.Event == failedEvent && !d.retrying
	}) > 0 || d.results.count(func(r record) bool {
		return r.Part == part && r.spec == s && r.Event == windowEvent
	}) >= d.rounds
}

// possible returns the specs that can be measured here. For the others, it records why not.
func (d *driver) possible(part string, specs []spec) ([]spec, error) {
	var left []spec
	for _, s := range specs {
		why := d.lacking(s.Peer)
		if why == "" && d.results.count(func(r record) bool {
			smaller := r.spec
			smaller.Batch = s.Batch
			return r.Event == failedEvent && smaller == s && r.Batch < s.Batch && outOfMemory(r.Error)
		}) > 0 {
			why = "out of memory with a smaller batch"
		}
		if why == "" {
			left = append(left, s)
		} else if err := d.fail(part, s, errors.New(why)); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// turns measures the specs with all their processes alive at the same time, and returns those that
// failed. It records the failures unless they will be tried again.
func (d *driver) turns(ctx context.Context, part string, specs []spec, again bool) (failed []spec, err error) {
	type contender struct {
		spec
		*peer
	}
	var alive []contender
	defer func() {
		for _, c := range alive {
			c.close()
		}
	}()
	lose := func(s spec, reason error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failed = append(failed, s)
		if again {
			fmt.Fprintf(d.log, "%s: %v: %s; will be tried alone\n", part, s, printable.Line(reason.Error()))
			return nil
		}
		return d.fail(part, s, reason)
	}
	for _, s := range specs {
		from := d.memory.begin()
		p, first, err := d.start(ctx, s, nil, nil)
		if err == nil {
			var r record
			if r, err = p.measure(d.seconds); err == nil {
				alive = append(alive, contender{s, p})
				r.DeviceMiB = d.memory.grown(from)
				if err := errors.Join(d.keepOne(part, s, first), d.keepOne(part, s, r)); err != nil {
					return nil, err
				}
				continue
			}
			p.close()
		}
		if err := lose(s, err); err != nil {
			return nil, err
		}
	}
	for range d.rounds - 1 {
		alive = slices.DeleteFunc(alive, func(c contender) bool {
			r, problem := c.measure(d.seconds)
			if problem == nil {
				err = errors.Join(err, d.keepOne(part, c.spec, r))
				return false
			}
			c.close()
			err = errors.Join(err, lose(c.spec, problem))
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return failed, nil
}

// start starts the process that measures s, waits until it is ready, and returns it with the record
// that it printed.
func (d *driver) start(ctx context.Context, s spec, options, variables []string) (*peer, record, error) {
	config, err := json.Marshal(s)
	if err != nil {
		return nil, record{}, fmt.Errorf("encode the measurement: %w", err)
	}
	var args []string
	switch s.Peer {
	case ours:
		self, err := os.Executable()
		if err != nil {
			return nil, record{}, fmt.Errorf("find this program: %w", err)
		}
		args = []string{self, "step", "-backend", d.backend}
	case jax:
		args = []string{d.python, filepath.Join(d.home, "jax_peer.py"), "--device", d.device}
	default:
		args = []string{d.python, filepath.Join(d.home, "torch_peer.py"), "--device", d.device}
	}
	args = append(append(args, options...), string(config))
	p, err := startPeer(ctx, s.Peer, args, append(d.environment(), variables...))
	if err != nil {
		return nil, record{}, err
	}
	r, err := p.next(startLimit)
	if err == errEnded {
		err = fmt.Errorf("%s ended before it was ready: %s", s.Peer, p.log.reason())
	}
	if err == nil {
		err = sameNetwork(s, r.Parameters)
	}
	if err != nil {
		p.close()
		return nil, record{}, err
	}
	return p, r, nil
}

// sameNetwork returns an error if the number of parameters differs from that of our network, since
// comparing different networks would mean nothing. Our own process does not count them.
func sameNetwork(s spec, parameters int64) error {
	if s.Peer == ours {
		return nil
	}
	config, err := measure.Network(s.Network)
	if err != nil {
		return err
	}
	var summary *resnet.Summary
	if summary, err = config.Summary(s.Size, s.Size); err != nil {
		return err
	}
	if parameters != summary.Parameters {
		return fmt.Errorf("%s has %d parameters with %s, but %d here: the networks differ", s.Network, parameters, s.Peer, summary.Parameters)
	}
	return nil
}

func (d *driver) keepOne(part string, s spec, r record) error {
	r.Part, r.spec = part, s
	switch r.Event {
	case readyEvent:
		fmt.Fprintf(d.log, "%s: %v: first step after %.1f s\n", part, s, r.FirstStep)
	case windowEvent:
		fmt.Fprintf(d.log, "%s: %v: %.4g images/s\n", part, s, imagesPerSecond(r))
	}
	return d.results.add(r)
}

// fail records that s cannot be measured.
func (d *driver) fail(part string, s spec, reason error) error {
	fmt.Fprintf(d.log, "%s: %v: skipped: %s\n", part, s, printable.Line(reason.Error()))
	return d.results.add(record{Part: part, Event: failedEvent, spec: s, Error: printable.Line(reason.Error())})
}

func imagesPerSecond(r record) float64 { return float64(r.Steps*r.Batch) / r.Seconds }
