// Package scp80 is the codec of secured packets for SIM cards (ETSI TS 102 225,
// and 3GPP TS 31.115 for their carriage in SMS):
//
//	Command  ─▶ Seal ─▶ CPL … packet ─▶ SMS ─▶ ParseParams, OpenCommand ─▶ Command
//	Response ◀─ OpenResponse ◀─ SMS ◀─ RPL … packet ◀─ Seal ◀─ Response
//
// A packet starts with its length; the user data header of the SMS is not part of
// it. Supported are AES (CBC, CMAC) and triple DES (outer CBC, CBC-MAC), both with
// a zero initial vector, and the two CRCs. Single DES is refused.
//
// Opening a packet proves what the packet's own header promises, and no more; it may
// promise no integrity at all. The receiver of a command must also check
//
//   - its level, Params.Meets (InsufficientSecurity otherwise),
//   - its algorithms and key set, Params.KIc and Params.KID,
//   - its TAR,
//   - its counter, Params.CheckCounter; it must store the counter only after
//     everything else has passed.
//
// The receiver of a response compares TAR and counter with those of the command.
// An unsecured response (OpenUnsecured) proves nothing: anybody can send it.
//
//	command.go, response.go   the two kinds of packets
//	params.go, status.go      their security parameters, and status codes
//	security.go, checksum.go  encryption and integrity
//
// The package must not know SMS, cards, stores or the applet. It keeps no state, has
// no clock, and imports only the standard library.
package scp80
