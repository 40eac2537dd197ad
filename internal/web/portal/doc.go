// Package portal serves the self-care pages under /me, where mobile users manage
// their account: devices, recovery code, recent requests, suspension.
//
// The pages are rendered on the server and work without scripts. The portal is a
// party like any other: to log a user in, it requests a signature. Each call is an
// event of the entrance "portal", and so is the outcome of each log-in.
//
//	browser ── form ──▶ call ──▶ login ── signature request ──▶ Signer
//	                     │
//	                     ├── account, history ── Store
//	                     ├── invitations, recovery codes ── Apps
//	                     └── revocation ── CA
//
// It must not know how a signature is made, nor the rules of a transaction.
package portal
