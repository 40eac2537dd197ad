// Package portal serves the self-care pages under /me, where mobile users look
// after their account: devices, recovery code, recent requests, suspension.
//
// The pages are rendered here and work without scripts. The portal is a party
// to the service like any other: a log-in is a signature that it requests.
//
//	browser ── form ──▶ call ──▶ login ── signature request ──▶ Signer
//	                     │
//	                     ├── account, history ── Store
//	                     ├── invitations, recovery codes ── Apps
//	                     └── revocation ── CA
//
// It must not know how a signature is made, nor the rules of a transaction.
package portal
