// Package metrics counts what happens in a node, for Prometheus.
//
//	event.Recorder ─▶ Record ─▶ calls, durations, faults, internal errors
//	node ─▶ Gauge, Counter, Counters: functions that are asked at each scrape
//	         └─▶ registry ─▶ Handler ─▶ Prometheus
//
// docs/metrics.md lists every metric. Labels have few values, whatever strangers
// send: a label that has too many gets the value "other" for the rest.
//
// It must not know the parts of the node whose figures it shows, nor any number,
// text, address or id of a call.
package metrics
