// Package account tells the owners of accounts what changed, and undoes it when they
// object.
//
//	portal, app ── Notify ──▶ store, text message to the number, notice in the other Apps
//	page, App ──── Object ──▶ undo: remove, withdraw or suspend; end the sessions
//
// It knows which changes can be undone. It must not know how a change is made or
// consented to, nor what a page looks like.
package account
