// Package scp80 is the codec of secured packets for SIM cards (ETSI TS 102 225,
// and 3GPP TS 31.115 for their carriage in SMS):
//
//	Command  ─▶ Seal ─▶ CPL … packet ─▶ SMS ─▶ ParseParams, OpenCommand ─▶ Command
//	Response ◀─ OpenResponse ◀─ SMS ◀─ RPL … packet ◀─ Seal ◀─ Response
//
// A packet starts with its length; the user data header of the SMS is not part
// of it. AES (CBC, CMAC) and triple DES (outer CBC, CBC-MAC) are supported, with
// a zero initial vector, and the two CRCs. Single DES is refused.
//
// Opening a packet proves what its own header promises, and no more: a packet
// may promise no integrity at all. Whoever opens a command must also judge
//
//   - its level, Params.Meets (InsufficientSecurity otherwise),
//   - its algorithms and key set, Params.KIc and Params.KID,
//   - its TAR,
//   - its counter, Params.CheckCounter, and store the counter only after all
//     else has passed.
//
// Whoever opens a response compares its TAR and its counter with the command's.
// An unsecured response (OpenUnsecured) proves nothing: anybody can send it.
//
// The package must not know SMS, cards, stores or the applet. It keeps no state,
// has no clock, and imports the standard library only.
package scp80
