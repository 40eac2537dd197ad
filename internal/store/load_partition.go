package store

import (
	"context"
	"slices"
	"time"
)

// loadedParts are the partitions that a load has made for its rows.
type loadedParts struct {
	now  time.Time
	made map[span]bool
}

func (l *Load) preparePartitions(ctx context.Context) error {
	if l.pools.engine != postgres {
		return nil
	}
	var divided bool
	if err := l.tx.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, derivedTable).Scan(&divided); err != nil || !divided {
		return err
	}
	l.parts = &loadedParts{now: time.Now(), made: make(map[span]bool)}
	return nil
}

// makePartitions makes the partitions of rows before they come. Otherwise all would lie
// among the rest, and be deleted row by row one day. Receipts and evidence come after the
// transactions whose partitions they share.
func (l *Load) makePartitions(ctx context.Context, t Table, rows [][]any) error {
	if l.parts == nil || t.Name != "transactions" {
		return nil
	}
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == "ap_instant" })
	for _, row := range rows {
		at, _ := row[i].(int64)
		p := spanOfLoaded(timeOf(at), l.parts.now)
		if at < 0 || l.parts.made[p] {
			continue
		}
		if err := makePartition(ctx, l.tx, p); err != nil {
			return err
		}
		l.parts.made[p] = true
	}
	return nil
}

// spanOfLoaded is the partition for a row that is loaded. Nobody knows yet how much there
// is: it is an hour of today, a day of the last weeks, or four weeks of the time before.
func spanOfLoaded(at, now time.Time) span {
	const day = 24 * time.Hour
	width := 28 * day
	if !at.Before(now.Truncate(day)) {
		width = time.Hour
	} else if !at.Before(now.Truncate(28 * day)) {
		width = day
	}
	return span{at.Truncate(width), at.Truncate(width).Add(width)}
}
