// Package event is how the service tells what happens in it.
//
// A goroutine or handler that panics is rescued: the stack goes to the log, the
// caller gets the answer that its protocol has for an internal error, and the
// process lives on.
//
//	goroutine, handler ─▶ Rescue, RescueTo ─▶ log (stack, incident)
//
// It must not know any entrance's protocol, and no rule of the service.
package event
