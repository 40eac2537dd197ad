//go:build linux

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
)

// TestFindings: the check finds each way in which something can be lost.
func TestFindings(t *testing.T) {
	t.Parallel()
	const at = 1_700_000_000_000_000
	sign := entry{Do: doSign, TransID: "C0.1", Instant: at}
	made := entry{Code: signum.SignatureMade, MSSPID: "m1", CMS: "aa"}
	lost, again, busy := entry{Lost: "reset"}, entry{Code: signum.WrongParam}, entry{Code: signum.PBSignatureProcess}
	stored := map[triplet]row{{"C0.1", at}: {"m1", "signed", signum.SignatureMade}}
	status := entry{Do: doStatus, About: "m1"}
	receipt := entry{Do: doReceipt, About: "m1"}
	shown := entry{Code: signum.RequestOK}
	type answered struct {
		call    entry
		answers []entry
	}
	for _, c := range []struct {
		name  string
		calls []answered
		rows  map[triplet]row
		want  string // in the only fault; empty: there is none
	}{
		{"a signature and its repetition", []answered{{sign, []entry{made, again}}}, stored, ""},
		{"lost, and in the database", []answered{{sign, []entry{lost, again}}}, stored, ""},
		{"lost, not in the database, and sent again", []answered{{sign, []entry{lost, made}}}, stored, ""},
		{"lost for good", []answered{{sign, []entry{lost}}}, nil, ""},
		{"900, and in the database all the same", []answered{{sign, []entry{{Code: signum.InternalError}, again}}}, stored, ""},
		{"refused", []answered{{sign, []entry{busy}}}, nil, ""},
		{"one receipt", []answered{{sign, []entry{made}}, {receipt, []entry{lost, again}}, {receipt, []entry{again}}}, stored, ""},

		{"a signature that is not in the database", []answered{{sign, []entry{made}}}, nil, "not in the database"},
		{"101 without a row", []answered{{sign, []entry{lost, again}}}, nil, "not in the database"},
		{"refused, but in the database", []answered{{sign, []entry{busy}}}, stored, "although it was refused"},
		{"another outcome in the database", []answered{{sign, []entry{{Code: signum.UserCancel}}}}, stored, "but the database has 500"},
		{"another transaction in the database", []answered{{sign, []entry{{Code: signum.RequestOK, MSSPID: "m2"}}}}, stored, "not m2"},
		{"accepted twice", []answered{{sign, []entry{made, made}}}, stored, "accepted twice"},
		{"accepted after 101", []answered{{sign, []entry{lost, again, made}}}, stored, "accepted twice"},
		{"busy with itself", []answered{{sign, []entry{lost, again, busy}}}, stored, "refused with 406"},
		{"101 to the first", []answered{{sign, []entry{again}}}, stored, "without having been sent"},
		{"another outcome", []answered{{sign, []entry{made}}, {status, []entry{{Code: signum.ExpiredTransaction, MSSPID: "m1"}}}}, stored, "and with 208"},
		{"another signature", []answered{{sign, []entry{made}}, {status, []entry{{Code: signum.SignatureMade, MSSPID: "m1", CMS: "bb"}}}}, stored, "(bb)"},
		{"unknown to a query", []answered{{sign, []entry{made}}, {status, []entry{{Code: signum.WrongParam, MSSPID: "m1"}}}}, stored, "m1 is missing"},
		{"two receipts", []answered{{sign, []entry{made}}, {receipt, []entry{shown}}, {receipt, []entry{shown}}}, stored, "2 receipts"},
		{"a receipt after 101", []answered{{sign, []entry{made}}, {receipt, []entry{lost, again}}, {receipt, []entry{shown}}}, stored, "2 receipts"},
		{"not sent", nil, stored, "nobody sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "ledger")
			l, err := newLedger(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range c.calls {
				n, err := l.begin(a.call)
				for _, e := range a.answers {
					e.Call = n
					if err == nil {
						err = l.end(e)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := l.close(); err != nil {
				t.Fatal(err)
			}
			calls, err := readLedger(path)
			if err != nil {
				t.Fatal(err)
			}
			rows := make(map[triplet]row)
			for k, r := range c.rows {
				rows[k] = r
			}
			var f findings
			f.readAnswers(calls)
			f.inDatabase(calls, rows)
			if c.want == "" && len(f.wrong) > 0 || c.want != "" && (len(f.wrong) != 1 || !strings.Contains(f.wrong[0], c.want)) {
				t.Errorf("found %q, want %q", f.wrong, c.want)
			}
		})
	}
}

// TestCardWatch: the counters of a card and the database may differ in one direction only.
func TestCardWatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stored, onCard counters
		want           string
	}{
		{counters{5, 7}, counters{5, 7}, ""},
		{counters{6, 7}, counters{5, 8}, ""},
		{counters{5, 7}, counters{6, 7}, "has used only 5"},
		{counters{5, 8}, counters{5, 7}, "has used only 7"},
		{counters{4, 7}, counters{4, 7}, "the database went back"},
		{counters{5, 6}, counters{5, 7}, "the database went back"},
		{counters{5, 6}, counters{4, 6}, "went back"},
	} {
		w := cardWatch{last: map[string][2]counters{"89": {{5, 7}, {4, 7}}}}
		if w.compare("89", c.stored, c.onCard); (c.want == "") != (len(w.wrong) == 0) || !strings.Contains(strings.Join(w.wrong, "\n"), c.want) {
			t.Errorf("%+v and %+v: %q, want %q", c.stored, c.onCard, w.wrong, c.want)
		}
	}
}
