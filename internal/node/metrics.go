package node

import (
	"context"

	"github.com/signum-mssp/signum/internal/door"
	"github.com/signum-mssp/signum/internal/sim"
)

// observe lets metrics ask the parts for their figures.
func (n *Node) observe(context.Context) error {
	m := n.metrics
	m.Gauges("signum_connections", "Connections that are open.", "listener", func() map[string]uint64 { return n.connections((*door.Door).Open) })
	m.Gauges("signum_connections_max", "Connections that may be open.", "listener", func() map[string]uint64 {
		return n.connections(func(d *door.Door) int {
			most, _ := d.Limits()
			return most
		})
	})
	m.Gauge("signum_requests_waiting", "Requests that wait on this node for an outcome.", func() float64 { return float64(n.engine.Waiting()) })
	m.Gauge("signum_apps_connected", "Inboxes that Apps have open on this node.", func() float64 { return float64(n.Apps.Connected()) })
	m.Gauge("signum_store_up", "1 if the store works.", func() float64 {
		if n.health.outage.lasts() > 0 {
			return 0
		}
		return 1
	})
	m.Gauge("signum_store_hung_seconds", "For how long the store has not worked; 0 if it does.", func() float64 { return n.health.outage.lasts().Seconds() })
	m.Counter("signum_log_lost_total", "Lines of the log that could not be written.", func() float64 { return float64(n.deps.LostLines()) })
	m.Counters("signum_clock_jumps_total", "How often the clock of the machine was set.", "direction", n.engine.ClockJumps)
	m.Counters("signum_pushes_total", "Messages to push services, by what came of them.", "outcome", n.Apps.Pushes)
	m.Gauges("signum_sim_queue", "What waits in the SIM channel, by stage.", "stage", func() map[string]uint64 { return simQueues(n.SIMs.Stats()) })
	m.Counters("signum_sim_events_total", "What the SIM channel did and saw.", "event", func() map[string]uint64 { return simEvents(n.SIMs.Stats()) })
	n.observeSMSCs()
	n.observeCluster()
	n.observeReloads()
	n.observeGate()
	m.Counters("signum_limit_refusals_total", "Calls that were refused because of a limit.", "limit", n.engine.Refused)
	m.Counters("signum_requests_reported_total", "Signature requests that users said somebody else had made.", "asked_by", n.engine.Reported)
	m.Counters("signum_retention_rows_total", "Rows that were deleted because their time was over.", "kind", func() map[string]uint64 {
		return n.retention.Stats().Deleted
	})
	m.Counter("signum_retention_partitions_dropped_total", "Partitions that were dropped because their time was over.", func() float64 { return float64(n.retention.Stats().Dropped) })
	m.Gauge("signum_store_partitions", "Partitions of the transactions on PostgreSQL.", func() float64 { return float64(n.retention.Stats().Partitions) })
	m.Gauge("signum_store_unpartitioned_transactions", "Transactions on PostgreSQL that are in no partition.", func() float64 { return float64(n.retention.Stats().Rest) })
	m.Counter("signum_retention_exported_total", "Transactions that were written to retention.export before they were deleted.", func() float64 { return float64(n.retention.Stats().Exported) })
	m.Counter("signum_retention_export_failures_total", "Files of retention.export that could not be written.", func() float64 { return float64(n.retention.Stats().ExportFailures) })
	m.Counter("signum_retention_failures_total", "Rounds of deleting that ended with an error.", func() float64 { return float64(n.retention.Stats().Failures) })
	return m.Err()
}

func simQueues(s sim.Stats) map[string]uint64 {
	return map[string]uint64{"pending": uint64(s.Pending), "queued": uint64(s.Queued), "held": uint64(s.Held), "reassembling": uint64(s.Reassembling)}
}

func simEvents(s sim.Stats) map[string]uint64 {
	return map[string]uint64{
		"request": s.Requests, "attempt": s.Attempts, "retry": s.Retries, "part": s.Parts, "submit_error": s.SubmitErrors, "full": s.Full,
		"text": s.Texts, "text_error": s.TextErrors, "delivered": s.Delivered, "receipt": s.Receipts, "undelivered": s.Undelivered,
		"por_ok": s.PoROK, "por_error": s.PoRErrors, "por_unmatched": s.PoRUnmatched, "counter_advanced": s.Advanced, "counter_behind": s.Behind, "reply": s.Replies, "late": s.Late,
		"replayed": s.Replayed, "forged": s.Forged, "malformed": s.Malformed, "unknown": s.Unknown, "ignored": s.Ignored,
		"postponed": s.Postponed, "answer": s.Answers, "answer_error": s.AnswerErrors, "unreached": s.Unreached,
		"location": s.Locations, "location_error": s.LocateErrors,
	}
}
