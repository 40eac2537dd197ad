package cluster

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// The topics of questions. The kinds of shared values have the same names.
const (
	topicAsk    = "ask"    // name, node, subject
	topicAnswer = "answer" // name
)

// answerKeep is how long a question and its answer stay in the database, if nobody takes them.
const answerKeep = time.Minute

// ErrNoAnswer means that the other node did not answer in time, or could not.
var ErrNoAnswer = errors.New("another node has not answered")

// Questions lets a node ask another one and wait for the answer. Both travel through the
// database, encrypted with a key that all nodes have; notices say that they are there.
type Questions struct {
	cluster *Cluster
	values  mssp.SharedValues
	box     cipher.AEAD
	log     *slog.Logger
	handle  map[string]func(context.Context, []byte) ([]byte, error)

	mu      sync.Mutex
	waiting map[string]chan struct{} // by the name of the question; capacity 1
	stop    context.CancelFunc
	ctx     context.Context // of answers
	work    sync.WaitGroup
}

// NewQuestions returns the questions of a cluster. The key has 16 or 32 octets.
func NewQuestions(c *Cluster, v mssp.SharedValues, key []byte, log *slog.Logger) (*Questions, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	box, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	q := &Questions{cluster: c, values: v, box: box, log: log, waiting: make(map[string]chan struct{}),
		handle: make(map[string]func(context.Context, []byte) ([]byte, error))}
	q.ctx, q.stop = context.WithCancel(context.Background())
	c.Subscribe(topicAsk, q.asked)
	c.Subscribe(topicAnswer, q.answered)
	return q, nil
}

// Handle has f answer the questions of other nodes about a subject, each in a goroutine. The
// subject contains no space. It must be called before the cluster runs.
func (q *Questions) Handle(subject string, f func(ctx context.Context, question []byte) ([]byte, error)) {
	q.handle[subject] = f
}

// Close waits for the answers that are being given.
func (q *Questions) Close() error {
	q.mu.Lock()
	q.stop()
	q.mu.Unlock()
	q.work.Wait()
	return nil
}

// Ask asks a node, by its ID, and waits for the answer until ctx ends. The error is
// ErrNoAnswer if there is none, and at once if this node would not hear of it.
func (q *Questions) Ask(ctx context.Context, node, subject string, question []byte) (answer []byte, err error) {
	if !q.cluster.Listening() {
		return nil, fmt.Errorf("%w: notices of other nodes do not arrive", ErrNoAnswer)
	}
	name := rand.Text()
	there := make(chan struct{}, 1)
	q.mu.Lock()
	q.waiting[name] = there
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		delete(q.waiting, name)
		q.mu.Unlock()
	}()
	if err := q.put(ctx, topicAsk, name, question); err != nil {
		return nil, err
	}
	q.cluster.Publish(topicAsk, strings.Join([]string{name, node, subject}, " "))
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, ctx.Err())
	case <-there:
	}
	answer, err = q.take(ctx, topicAnswer, name)
	switch {
	case err != nil:
		return nil, err
	case len(answer) == 0: // it could not
		return nil, ErrNoAnswer
	}
	return answer[1:], nil
}

func (q *Questions) put(ctx context.Context, kind, name string, text []byte) error {
	sealed := q.box.Seal(nil, nil, text, []byte(kind+" "+name))
	if err := q.values.PutValue(ctx, kind, name, sealed, q.cluster.Now().Add(answerKeep)); err != nil {
		return fmt.Errorf("cluster: %s: %w", kind, err)
	}
	return nil
}

func (q *Questions) take(ctx context.Context, kind, name string) ([]byte, error) {
	sealed, err := q.values.TakeValue(ctx, kind, name)
	if err != nil {
		return nil, fmt.Errorf("cluster: %s: %w", kind, err)
	}
	text, err := q.box.Open(nil, nil, sealed, []byte(kind+" "+name))
	if err != nil {
		return nil, fmt.Errorf("cluster: %s: %w", kind, err)
	}
	return text, nil
}

// answered wakes the question that waits for an answer.
func (q *Questions) answered(_, name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case q.waiting[name] <- struct{}{}:
	default: // it was not asked here, or waits no longer
	}
}

// asked answers a question to this node.
func (q *Questions) asked(_, data string) {
	f := strings.Split(data, " ")
	if len(f) != 3 || f[1] != q.cluster.ID() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ctx.Err() != nil {
		return
	}
	q.work.Go(func() {
		defer event.Rescue(q.log, "question of another node")
		ctx, cancel := context.WithTimeout(q.ctx, answerKeep)
		defer cancel()
		if err := q.reply(ctx, f[0], f[2]); err != nil && ctx.Err() == nil {
			q.log.WarnContext(ctx, "question of another node", "subject", f[2], "err", err)
		}
	})
}

func (q *Questions) reply(ctx context.Context, name, subject string) error {
	question, err := q.take(ctx, topicAsk, name)
	if errors.Is(err, mssp.ErrNotFound) { // a notice that came twice
		return nil
	}
	if err != nil {
		return err
	}
	answer, err := q.answerTo(ctx, subject, question)
	var text []byte // empty: it could not be answered
	if err == nil {
		text = append([]byte{1}, answer...)
	}
	if perr := q.put(ctx, topicAnswer, name, text); perr != nil {
		return errors.Join(err, perr)
	}
	q.cluster.Publish(topicAnswer, name)
	return err
}

func (q *Questions) answerTo(ctx context.Context, subject string, question []byte) (answer []byte, err error) {
	defer event.RescueTo(&err, q.log, "question of another node")
	f := q.handle[subject]
	if f == nil {
		return nil, fmt.Errorf("cluster: unknown subject %q", subject)
	}
	return f(ctx, question)
}
