package person

import (
	"errors"
	"sync"
	"time"
)

const (
	// DefaultDelay is how long persons take to react in the sandbox.
	DefaultDelay = 200 * time.Millisecond
	// DefaultPIN is the PIN or passcode if no other is set.
	DefaultPIN = "123456"
)

// Errors of all kinds of phones.
var (
	// ErrUnknown means that there is no such subscriber or device.
	ErrUnknown = errors.New("no such phone")
	// ErrNotShown means that the request is not on the screen: it never was, or it
	// was answered, withdrawn or replaced, or has expired.
	ErrNotShown = errors.New("the request is not on the screen")
)

// Person is the user of a phone. By default they approve every request and are at
// DefaultPlace. A Person is safe for concurrent use.
type Person struct {
	delay time.Duration

	mu   sync.Mutex
	does Behaviour
	at   Place
}

// New returns a person who takes this long to react, unless their behaviour has a
// delay.
func New(delay time.Duration) *Person {
	return &Person{delay: max(delay, 0), at: DefaultPlace()}
}

// Behave sets what the person does from now on. The error is that of
// Behaviour.Check.
func (p *Person) Behave(b Behaviour) error {
	if err := b.Check(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.does = b
	return nil
}

// Behaviour returns what the person does now, with the delay filled in.
func (p *Person) Behaviour() Behaviour {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.does
	if b.After == 0 {
		b.After = p.delay
	}
	return b
}

// MoveTo sets where the person is from now on. The error is that of Place.Check.
func (p *Person) MoveTo(at Place) error {
	if err := at.Check(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
	return nil
}

// Place returns where the person is now.
func (p *Person) Place() Place {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// NotThePIN returns a wrong PIN of the same length, with a digit for a digit.
func NotThePIN(pin string) string {
	first := byte('0')
	if c := pin[0]; c >= '0' && c < '9' {
		first = c + 1
	}
	return string(first) + pin[1:]
}
