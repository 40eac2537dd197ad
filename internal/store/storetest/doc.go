// Package storetest is the conformance suite of mssp.Store: every method and
// error of the port, concurrency, restart, and random sequences of calls
// against a model in memory. Every implementation of the port runs it.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Database {
//			url := …an empty database…
//			return storetest.Database{
//				Open:  func() (mssp.Store, error) { return store.Open(t.Context(), url) },
//				Alter: func(table, statement string) error { … },
//			}
//		})
//	}
//
// It must not know how a store is made, only what the port promises.
package storetest
