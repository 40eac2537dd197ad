// Package policy decides whether a request is well formed, whether this party
// may ask it of this subscriber now, and which method will serve it.
//
//	SignatureFields ─▶ (used before?) ─▶ TestFault ─▶ SignatureContent ─▶ Choose ─▶ … ─▶ CheckGeofences
//	CheckReceipt ─▶ TestFault ─▶ ReceiptMessage ─▶ (transaction) ─▶ ReceiptDevice
//	CheckProfile ─▶ TestFault ─▶ Capabilities
//
// The engine looks up what is in parentheses. After Choose, the phone is asked.
//
// Every function is pure: it gets all it needs as arguments and returns a value
// or an error, which is always a *signum.Fault. The package must not know how a
// request arrived, where anything is stored, or what happens after the
// decision.
package policy
