// Package daemon is the process around a node: its log, the sockets that it
// inherits, the signals that it gets, and what it tells the service manager.
//
//	signum.yaml ─▶ Serve ─▶ node.New ─▶ node.Run
//	LISTEN_FDS  ─▶ Inherit ┘              │
//	SIGHUP      ─▶ node.Reload            │
//	NOTIFY_SOCKET ◀─ Manager ◀────────────┘ READY, STATUS, RELOADING, STOPPING, WATCHDOG
//
// The service manager is systemd, or anything else that speaks the protocols of
// sd_notify(3), sd_listen_fds(3) and sd_watchdog_enabled(3). Without one, a
// process does the same and tells nobody.
//
// A process ends with one of three exit codes, see ExitCode: it was stopped, its
// configuration is wrong, or something outside of it failed, so that starting it
// again may help.
//
// It must hold no rule of the service, and assemble nothing: that is for
// internal/node. It must not know internal/lab.
package daemon
