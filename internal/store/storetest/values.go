package storetest

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Values are shared values in memory. They do not expire.
type Values struct {
	mu   sync.Mutex
	m    map[string][]byte
	fail error
}

var _ mssp.SharedValues = (*Values)(nil)

// Fail has all calls fail from now on; nil ends that.
func (v *Values) Fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fail = err
}

// All returns what is there, by kind and key with a space in between.
func (v *Values) All() map[string][]byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.m)
}

func (v *Values) with(kind, key string, f func(name string, value []byte, found bool) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fail != nil {
		return v.fail
	}
	if v.m == nil {
		v.m = make(map[string][]byte)
	}
	name := kind + " " + key
	value, found := v.m[name]
	return f(name, value, found)
}

// Once implements mssp.SharedValues.
func (v *Values) Once(_ context.Context, kind, key string, _ time.Time) (first bool, err error) {
	err = v.with(kind, key, func(name string, _ []byte, found bool) error {
		if first = !found; first {
			v.m[name] = nil
		}
		return nil
	})
	return first, err
}

// KeepValue implements mssp.SharedValues.
func (v *Values) KeepValue(_ context.Context, kind, key string, value []byte, _ time.Time) (kept []byte, err error) {
	err = v.with(kind, key, func(name string, there []byte, found bool) error {
		if kept = there; !found {
			kept, v.m[name] = value, value
		}
		return nil
	})
	return kept, err
}

// PutValue implements mssp.SharedValues.
func (v *Values) PutValue(_ context.Context, kind, key string, value []byte, _ time.Time) error {
	return v.with(kind, key, func(name string, _ []byte, _ bool) error { v.m[name] = value; return nil })
}

// Value implements mssp.SharedValues.
func (v *Values) Value(_ context.Context, kind, key string) (value []byte, err error) {
	err = v.with(kind, key, func(_ string, there []byte, found bool) error {
		if value = there; !found {
			return mssp.ErrNotFound
		}
		return nil
	})
	return value, err
}

// TakeValue implements mssp.SharedValues.
func (v *Values) TakeValue(_ context.Context, kind, key string) (value []byte, err error) {
	err = v.with(kind, key, func(name string, there []byte, found bool) error {
		if value = there; !found {
			return mssp.ErrNotFound
		}
		delete(v.m, name)
		return nil
	})
	return value, err
}
