package fair

import "time"

// Queue is a queue in which each key has its turn. The zero value is empty and ready for
// use. It is not safe for concurrent use.
type Queue[T any] struct {
	lines map[string]*line[T]
	// last is the line that had its turn last; its next is the one whose turn it is. The
	// lines are a ring, so that both ends are at hand.
	last *line[T]
	n    int
	// spare is a line that became empty. A queue that is empty most of the time needs no
	// memory for each entry.
	spare *line[T]
}

// line holds the entries of one key.
type line[T any] struct {
	key          string
	begun, fresh list[T]
	next         *line[T]
}

func (l *line[T]) empty() bool { return l.begun.len() == 0 && l.fresh.len() == 0 }

// oldest returns when the entry arrived that has waited longest.
func (l *line[T]) oldest() time.Time {
	switch {
	case l.begun.len() == 0:
		return l.fresh.first().at
	case l.fresh.len() == 0 || l.begun.first().at.Before(l.fresh.first().at):
		return l.begun.first().at
	}
	return l.fresh.first().at
}

// Push adds an entry that begins work.
func (q *Queue[T]) Push(key string, v T, now time.Time) {
	q.line(key).fresh.push(entry[T]{v, now})
}

// PushBegun adds an entry that continues work. It comes before the entries of the same key
// that begin some, so that what is begun ends, and makes room.
func (q *Queue[T]) PushBegun(key string, v T, now time.Time) {
	q.line(key).begun.push(entry[T]{v, now})
}

// line returns the line of the key, to which the caller adds an entry.
func (q *Queue[T]) line(key string) *line[T] {
	q.n++
	if l := q.lines[key]; l != nil {
		return l
	}
	l := q.spare
	if q.spare = nil; l == nil {
		l = new(line[T])
	}
	l.key = key
	if q.last == nil {
		l.next = l
	} else {
		l.next, q.last.next = q.last.next, l
	}
	q.last = l // its turn comes after that of all others
	if q.lines == nil {
		q.lines = make(map[string]*line[T])
	}
	q.lines[key] = l
	return l
}

// Pop removes the next entry; false if there is none.
func (q *Queue[T]) Pop() (v T, ok bool) {
	if q.n == 0 {
		return v, false
	}
	l := q.last.next
	from := &l.begun
	if from.len() == 0 {
		from = &l.fresh
	}
	v = from.pop().v
	q.n--
	if !l.empty() {
		q.last = l
		return v, true
	}
	q.remove(q.last, l)
	return v, true
}

// remove removes an empty line, which stands behind another one, or behind itself.
func (q *Queue[T]) remove(behind, l *line[T]) {
	delete(q.lines, l.key)
	switch {
	case behind == l:
		q.last = nil
	case q.last == l:
		q.last = behind
		fallthrough
	default:
		behind.next = l.next
	}
	l.key, l.next, q.spare = "", nil, l
}

// Trim removes the entries of a key that have waited longest, as long as nobody wants them
// any more. A caller that stops to wait calls it, so that Oldest tells of those who still do: as a
// rule those stop first who came first.
func (q *Queue[T]) Trim(key string, unwanted func(T) bool) {
	l := q.lines[key]
	if l == nil {
		return
	}
	for _, from := range []*list[T]{&l.begun, &l.fresh} {
		for from.len() > 0 && unwanted(from.first().v) {
			from.pop()
			q.n--
		}
	}
	if !l.empty() {
		return
	}
	behind := l.next
	for behind.next != l {
		behind = behind.next
	}
	q.remove(behind, l)
}

// Len returns the number of entries.
func (q *Queue[T]) Len() int { return q.n }

// Keys returns the number of keys that have entries.
func (q *Queue[T]) Keys() int { return len(q.lines) }

// LenOf returns the number of entries of a key.
func (q *Queue[T]) LenOf(key string) int {
	if l := q.lines[key]; l != nil {
		return l.begun.len() + l.fresh.len()
	}
	return 0
}

// Oldest returns when the entry arrived that has waited longest; zero if nothing waits.
func (q *Queue[T]) Oldest() (at time.Time) {
	for _, l := range q.lines {
		if first := l.oldest(); at.IsZero() || first.Before(at) {
			at = first
		}
	}
	return at
}

// OldestOf returns when the entry arrived that has waited longest for the key; zero if
// nothing waits.
func (q *Queue[T]) OldestOf(key string) time.Time {
	if l := q.lines[key]; l != nil {
		return l.oldest()
	}
	return time.Time{}
}

type entry[T any] struct {
	v  T
	at time.Time
}

// list is a first-in-first-out list. It keeps a small array when it becomes empty.
type list[T any] struct {
	entries []entry[T]
	head    int
}

// keepEntries is how large an array is kept.
const keepEntries = 64

func (l *list[T]) len() int { return len(l.entries) - l.head }

func (l *list[T]) first() *entry[T] { return &l.entries[l.head] }

func (l *list[T]) push(e entry[T]) {
	// Half of the array is free at its begin: moving pays for itself.
	if len(l.entries) == cap(l.entries) && l.head > len(l.entries)/2 {
		n := copy(l.entries, l.entries[l.head:])
		clear(l.entries[n:])
		l.entries, l.head = l.entries[:n], 0
	}
	l.entries = append(l.entries, e)
}

func (l *list[T]) pop() entry[T] {
	e := l.entries[l.head]
	l.entries[l.head] = entry[T]{}
	if l.head++; l.head == len(l.entries) {
		if l.entries, l.head = l.entries[:0], 0; cap(l.entries) > keepEntries {
			l.entries = nil
		}
	}
	return e
}
