package memstore

import (
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// TestStore runs the conformance suite of all stores.
func TestStore(t *testing.T) {
	storetest.RunInMemory(t, func(*testing.T) storetest.Database {
		s := New()
		return storetest.Database{Open: func() (mssp.Store, error) { return &Store{data: s.data}, nil }}
	})
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		New()
	}
}

// BenchmarkSignature is what a store has to do for a signature.
func BenchmarkSignature(b *testing.B) {
	s, n := New(), 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		t := storetest.NewTransaction(n)
		if err := s.InsertTransaction(b.Context(), t); err != nil {
			b.Fatal(err)
		}
		if _, err := s.FinishTransaction(b.Context(), t.ID, mssp.Outcome{Code: 401}, storetest.By(t), t.Created); err != nil {
			b.Fatal(err)
		}
	}
}
