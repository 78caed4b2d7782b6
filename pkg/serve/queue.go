package serve

import (
	"context"
	"errors"
	"sync"

	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/predict"
)

// queue owns the network: a single goroutine takes the waiting images, a batch at a time. It
// never waits for a batch to fill, so batches are small while there is little to do.
type queue struct {
	network       predict.Network
	height, width int
	batchSize     int
	waiting       chan *question
	stop          chan struct{}
	closing       sync.Once
	ended         chan struct{}
}

// question is one image, RGB bytes [height, width, 3].
type question struct {
	ctx    context.Context
	pixels []byte
	answer chan answer // buffered, so that nobody has to be waiting
}

// answer is one image of an explanation.
type answer struct {
	*infer.Explanation
	image int
	err   error
}

var errClosed = errors.New("the server is shutting down")

// newQueue starts a queue with room for the given number of waiting images.
func newQueue(n predict.Network, height, width, batchSize, room int) *queue {
	q := &queue{
		network: n, height: height, width: width, batchSize: batchSize,
		waiting: make(chan *question, room), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go q.work()
	return q
}

// ask returns the network's answer for an image, or the context's error once that is done.
func (q *queue) ask(ctx context.Context, pixels []byte) (answer, error) {
	asked := &question{ctx, pixels, make(chan answer, 1)}
	select {
	case q.waiting <- asked:
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-q.ended:
		return answer{}, errClosed
	}
	select {
	case a := <-asked.answer:
		return a, a.err
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-q.ended:
		return answer{}, errClosed
	}
}

// close stops the queue after the current batch.
func (q *queue) close() {
	q.closing.Do(func() { close(q.stop) })
	<-q.ended
}

func (q *queue) work() {
	defer close(q.ended)
	for {
		select {
		case <-q.stop:
			return
		case first := <-q.waiting:
			q.answer(q.gather(first))
		}
	}
}

// gather returns a batch of first and what else is waiting, without questions whose client is
// gone.
func (q *queue) gather(first *question) []*question {
	var batch []*question
	for next := first; ; {
		if next.ctx.Err() == nil {
			batch = append(batch, next)
		}
		if len(batch) == q.batchSize {
			return batch
		}
		select {
		case next = <-q.waiting:
		default:
			return batch
		}
	}
}

// answer runs the network on a batch.
func (q *queue) answer(batch []*question) {
	if len(batch) == 0 {
		return
	}
	var pixels []byte
	for _, asked := range batch {
		pixels = append(pixels, asked.pixels...)
	}
	explanation, err := q.network.Explain(pixels, q.height, q.width)
	for i, asked := range batch {
		asked.answer <- answer{explanation, i, err}
	}
}
