//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/signum-mssp/signum/internal/lab/card"
)

// cardWatch compares the counters of SIM cards with those in the database, each time the
// service is dead.
type cardWatch struct {
	dir   string // for copies
	looks int
	last  map[string][2]counters // by ICCID: in the database and on the card
	wrong []string
}

// look is called while neither the service nor the cards change anything.
func (w *cardWatch) look(ctx context.Context, database, cards string) error {
	db, err := openDatabase(database, w.dir)
	if err != nil {
		return err
	}
	defer db.Close()
	stored, err := cardCounters(ctx, db)
	if err != nil {
		return err
	}
	onCard, err := w.readCards(cards)
	if err != nil {
		return err
	}
	w.looks++
	if w.last == nil {
		w.last = make(map[string][2]counters)
	}
	for iccid, c := range onCard {
		d, known := stored[iccid]
		if !known { // made, but not yet in the database
			continue
		}
		w.compare(iccid, d, c)
	}
	return nil
}

// compare notes what is wrong with the counters of a card.
func (w *cardWatch) compare(iccid string, stored, onCard counters) {
	fault := func(format string, args ...any) {
		w.wrong = append(w.wrong, fmt.Sprintf("card %s, look %d: ", iccid, w.looks)+fmt.Sprintf(format, args...))
	}
	if onCard.requests > stored.requests {
		fault("the card has seen request %d, but the database has used only %d", onCard.requests, stored.requests)
	}
	if stored.replies > onCard.replies {
		fault("the database has seen reply %d, but the card has used only %d", stored.replies, onCard.replies)
	}
	before := w.last[iccid]
	if stored.requests < before[0].requests || stored.replies < before[0].replies {
		fault("the database went back from %+v to %+v", before[0], stored)
	}
	if onCard.requests < before[1].requests || onCard.replies < before[1].replies {
		fault("the card went back from %+v to %+v", before[1], onCard)
	}
	w.last[iccid] = [2]counters{stored, onCard}
}

// readCards reads a copy of the cards' directory, because a [card.Dir] that is opened
// moves on from an unexpected end.
func (w *cardWatch) readCards(dir string) (map[string]counters, error) {
	kept := filepath.Join(w.dir, "look.cards")
	if err := os.RemoveAll(kept); err != nil {
		return nil, err
	}
	if err := os.CopyFS(kept, os.DirFS(dir)); err != nil {
		return nil, err
	}
	cards, err := card.OpenDir(kept)
	if err != nil {
		return nil, err
	}
	defer cards.Close()
	files, err := os.ReadDir(kept)
	if err != nil {
		return nil, err
	}
	all := make(map[string]counters)
	for _, f := range files {
		iccid, ok := strings.CutSuffix(f.Name(), ".json")
		if !ok {
			continue
		}
		s, err := cards.LoadCard(iccid)
		if err != nil {
			return nil, err
		}
		all[iccid] = counters{s.Counter, s.Replies}
	}
	return all, nil
}
