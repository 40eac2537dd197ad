// Package group makes several SMSCs look like one.
//
//	message ──▶ Group.Send ── chooses ──▶ Route ──▶ smpp.Client ──▶ SMSC a (weight 3)
//	               │ not bound: nothing was sent                    SMSC b (weight 1)
//	               └───────── chooses again ──▶ …                   SMSC c (weight 0: standby)
//
// All parts of one message take one route, so that one SMSC puts them into order. A
// message that an SMSC certainly does not have, because it is not bound, is sent by
// another at once. One that the SMSC may have is not: it could reach the phone twice.
// A repetition is a new message and may take another route.
//
// The list of SMSCs can change while the group runs: see Change.
//
//	group.go    the SMSCs, Send, failover
//	update.go   another list of SMSCs
//	choose.go   the choice, a pure function
//	style.go    how an SMSC wants its messages
//
// The package must not know what a message contains or when it is repeated.
package group
