package serve

import (
	"context"
	"errors"
	"sync"

	"github.com/residual-go/residual/pkg/infer"
)

// queue has the network: one goroutine, which takes the pictures that wait, a batch at a
// time. A picture waits for no other one, so batches are small while there is little to do.
type queue struct {
	network       Network
	height, width int
	batch         int
	waiting       chan *question
	stop          chan struct{}
	closing       sync.Once
	ended         chan struct{}
}

// question is one picture, [height, width, 3].
type question struct {
	ctx    context.Context
	pixels []byte
	answer chan answer // has room for it, so that nobody needs to be there
}

// answer is image of an explanation.
type answer struct {
	*infer.Explanation
	image int
	err   error
}

var errClosed = errors.New("the server is being stopped")

// newQueue returns a queue with room for so many pictures.
func newQueue(n Network, height, width, batch, room int) *queue {
	q := &queue{
		network: n, height: height, width: width, batch: batch,
		waiting: make(chan *question, room), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go q.work()
	return q
}

// ask returns what the network says about a picture, or the context's error as soon as it
// is done.
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

// close ends the queue after the batch that is under way.
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

// gather returns first and what else waits, up to a batch, less what nobody waits for any
// more.
func (q *queue) gather(first *question) []*question {
	var batch []*question
	for next := first; ; {
		if next.ctx.Err() == nil {
			batch = append(batch, next)
		}
		if len(batch) == q.batch {
			return batch
		}
		select {
		case next = <-q.waiting:
		default:
			return batch
		}
	}
}

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
