// Package event is how the service tells what happens in it.
//
// A goroutine or handler that panics is rescued: the stack goes to the log, the
// caller gets the answer that its protocol has for an internal error, and the
// process lives on.
//
//	goroutine, handler ─▶ Rescue, RescueTo ─▶ log (stack, incident)
//	call ─▶ Event, completed on the way ─▶ Recorder ─▶ one log line, sinks
//	any other line ─▶ Sampled ─▶ log, a few of each kind a minute
//
// An internal error is an incident: its id is in the answer and in the log. When
// the same error hits many calls within a minute, the first is logged in full,
// the others share its incident and are counted.
//
// It must not know any entrance's protocol, any rule of the service, or how metrics
// are kept: those are a Sink.
package event
