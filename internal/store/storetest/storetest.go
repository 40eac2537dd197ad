package storetest

import (
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Database is what one test of the suite works on.
type Database struct {
	// Open opens it, and reopens it after its Store was closed.
	Open func() (mssp.Store, error)
	// Alter runs a statement on a table without the Store and without the CHECKs of the
	// table, as a newer version or a hand repair would. RunInMemory does not call it.
	Alter func(table, statement string) error
}

// Run runs the suite, with its tests in parallel. The function is called once for each
// test, from several goroutines. It makes an empty database, which may be deleted when
// t ends.
func Run(t *testing.T, empty func(t *testing.T) Database) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, &database{t: t, Database: empty(t)})
		})
	}
}

// RunInMemory is Run for a Store without tables: it leaves out the tests of rows that cannot be
// read.
func RunInMemory(t *testing.T, empty func(t *testing.T) Database) {
	for _, test := range tests {
		if strings.HasPrefix(test.name, "Newer") {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, &database{t: t, Database: empty(t)})
		})
	}
}

var tests = []struct {
	name string
	run  func(*testing.T, *database)
}{
	{"Transaction", testTransaction},
	{"TransactionEnded", testTransactionEnded},
	{"TransactionWithCertificate", testTransactionCertificate},
	{"TransactionDuplicate", testTransactionDuplicate},
	{"TransactionBusy", testTransactionBusy},
	{"TransactionInconsistent", testTransactionInconsistent},
	{"Prepare", testPrepare},
	{"Services", testServices},
	{"ServicesRefused", testServicesRefused},
	{"Location", testLocation},
	{"Delivered", testDelivered},
	{"Finish", testFinish},
	{"FinishRevoked", testFinishRevoked},
	{"Replace", testReplace},
	{"ReplaceRace", testReplaceRace},
	{"Expired", testExpired},
	{"Outstanding", testOutstanding},
	{"Ended", testEnded},
	{"Purge", testPurge},
	{"Receipt", testReceipt},
	{"ReceiptText", testReceiptText},
	{"ReceiptRefused", testReceiptRefused},
	{"ReceiptFinish", testReceiptFinish},
	{"ReceiptPurge", testReceiptPurge},
	{"Certificate", testCertificate},
	{"RevokedCertificates", testRevokedCertificates},
	{"Subscriber", testSubscriber},
	{"SubscriberRemoved", testSubscriberRemoved},
	{"SubscriberReplaced", testSubscriberReplaced},
	{"SubscriberRefused", testSubscriberRefused},
	{"ActivateDevice", testActivateDevice},
	{"PINBlocked", testPINBlocked},
	{"SerialOfActivation", testSerialOfActivation},
	{"EndDevice", testEndDevice},
	{"ReopenDevice", testReopenDevice},
	{"Invite", testInvite},
	{"InvitePurge", testInvitePurge},
	{"InviteRefused", testInviteRefused},
	{"Consent", testConsent},
	{"VoidChanges", testVoidChanges},
	{"ConsentOfDevice", testConsentOfDevice},
	{"ConsentPurge", testConsentPurge},
	{"ConsentRefused", testConsentRefused},
	{"ConsentRenumbered", testConsentRenumbered},
	{"Notice", testNotice},
	{"NoticePurge", testNoticePurge},
	{"NoticeRefused", testNoticeRefused},
	{"Enrol", testEnrol},
	{"EnrolRefused", testEnrolRefused},
	{"UpdateApp", testUpdateApp},
	{"UpdateRefused", testUpdateRefused},
	{"UpdateParty", testUpdateParty},
	{"PartyName", testPartyName},
	{"Logo", testLogo},
	{"UpdateSubscriber", testUpdateSubscriber},
	{"RenewDevice", testRenewDevice},
	{"Tries", testTries},
	{"UnlockApp", testUnlockApp},
	{"Verification", testVerification},
	{"RemoveApp", testRemoveApp},
	{"AppStays", testAppStays},
	{"Recovery", testRecovery},
	{"SubscriberState", testSubscriberState},
	{"Card", testCard},
	{"CardRefused", testCardRefused},
	{"RekeyCard", testRekeyCard},
	{"CardProfiles", testCardProfiles},
	{"EnrolCard", testEnrolCard},
	{"CardOfLostDevice", testCardOfLostDevice},
	{"CardState", testCardState},
	{"SwapCard", testSwapCard},
	{"Renumber", testRenumber},
	{"Counter", testCounter},
	{"CounterFloor", testCounterFloor},
	{"AdvanceCounters", testAdvanceCounters},
	{"Replies", testReplies},
	{"ReplyWindows", testReplyWindows},
	{"DevicePending", testDevicePending},
	{"Recent", testRecent},
	{"PartyRemoved", testPartyRemoved},
	{"Numbers", testNumbers},
	{"Party", testParty},
	{"NewerParty", testNewerParty},
	{"NewerDevice", testNewerDevice},
	{"NewerApp", testNewerApp},
	{"NewerTransaction", testNewerTransaction},
	{"NewerReceipt", testNewerReceipt},
	{"NewerCard", testNewerCard},
	{"NewerCertificate", testNewerCertificate},
	{"Text", testText},
	{"UnstorableText", testUnstorableText},
	{"Time", testTime},
	{"Cancelled", testCancelled},
	{"Closed", testClosed},
	{"Restart", testRestart},
	{"RaceForTriple", testRaceForTriple},
	{"RaceForSubscriber", testRaceForSubscriber},
	{"RaceToFinish", testRaceToFinish},
	{"RaceToRevoke", testRaceToRevoke},
	{"RaceForReceipt", testRaceForReceipt},
	{"ExpiredReceipts", testExpiredReceipts},
	{"RaceToFinishReceipt", testRaceToFinishReceipt},
	{"RaceOfReceiptAndSignature", testRaceOfReceiptAndSignature},
	{"RaceOfReceiptAndPurge", testRaceOfReceiptAndPurge},
	{"RaceToPrepare", testRaceToPrepare},
	{"RaceOfDeviceAndSubscriber", testRaceOfDeviceAndSubscriber},
	{"RaceForInvite", testRaceForInvite},
	{"RaceForConsent", testRaceForConsent},
	{"RaceForNotice", testRaceForNotice},
	{"RaceToInvite", testRaceToInvite},
	{"RaceForTries", testRaceForTries},
	{"RaceOfAppAndSubscriber", testRaceOfAppAndSubscriber},
	{"RaceOfUpdates", testRaceOfUpdates},
	{"RaceOfUpdateAndEnrolment", testRaceOfUpdateAndEnrolment},
	{"RaceToRenew", testRaceToRenew},
	{"RaceForCounters", testRaceForCounters},
	{"RaceOfReplies", testRaceOfReplies},
	{"RaceToBlock", testRaceToBlock},
	{"RaceForCard", testRaceForCard},
	{"RaceToRenumber", testRaceToRenumber},
	{"CrowdedCommits", testCrowdedCommits},
	{"CancelledWhileCrowded", testCancelledWhileCrowded},
	{"Model", testModel},
}

// database is what one test works on.
type database struct {
	Database
	t     *testing.T
	store mssp.Store
}

// Store opens the database, or returns what is open; it is closed with the test.
func (d *database) Store() mssp.Store {
	d.t.Helper()
	if d.store == nil {
		s, err := d.Open()
		if err != nil {
			d.t.Fatalf("open: %v", err)
		}
		d.store = s
		d.t.Cleanup(func() { s.Close() })
	}
	return d.store
}

// Second opens the same database once more, as another node would; it is closed
// with the test.
func (d *database) Second() mssp.Store {
	d.t.Helper()
	d.Store()
	s, err := d.Open()
	if err != nil {
		d.t.Fatalf("open: %v", err)
	}
	d.t.Cleanup(func() { s.Close() })
	return s
}

// Reopen closes the store and opens the same database again.
func (d *database) Reopen() mssp.Store {
	d.t.Helper()
	if err := d.Store().Close(); err != nil {
		d.t.Fatalf("close: %v", err)
	}
	d.store = nil
	return d.Store()
}
