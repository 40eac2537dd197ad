// Package policy decides: is this request well made, and may this party do
// this to this subscriber now, by which method?
//
//	SignatureFields ─▶ (used before?) ─▶ TestFault ─▶ SignatureContent ─▶ Choose ─▶ … ─▶ CheckGeofences
//	CheckReceipt ─▶ TestFault ─▶ ReceiptMessage ─▶ (transaction) ─▶ ReceiptDevice
//	CheckProfile ─▶ TestFault ─▶ Capabilities
//
// What stands in brackets is the engine's to look up; after Choose the phone
// is asked.
//
// Every function is pure: what it needs to know it is given, and the answer is
// a value or an error, which is a *signum.Fault. It must not know how a request came, where
// anything is kept, or what happens after the decision.
package policy
