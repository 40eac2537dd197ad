// Package prompt asks a phone for one signature on behalf of a page, and binds the
// phone to the browser that shows the page with a code.
//
//	page ── Ask ──▶ Prompt ── signature request ──▶ Signer
//	  ▲               │
//	  └── code, state ┘
//
// On an App, the page shows a code of two digits, and the user picks it out of three
// on the phone. On a SIM, the signed text ends with a code that the page does not show,
// and the user types it there. A user who approves the request of a stranger's page
// by mistake would also have to guess, or give away, the code.
//
// A prompt for a number without an account has the same codes at the same times: what
// a page shows of a prompt must not depend on anything but the code and the approval.
//
// The package must not know what the signature is for.
package prompt
