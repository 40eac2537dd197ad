package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Test numbers. They are no one's: no number plan has them, and those that
// sign belong to the service.
const (
	testFaultPrefix = "+41000092" // and the code of the fault
	TestNumberEC    = "+41700092501"
	TestNumberRSA   = "+41700092502"
)

// testFaults are the faults that have a test number.
var testFaults = []signum.Code{
	signum.WrongParam, signum.MissingParam, signum.WrongDataLength, signum.UnauthorizedAccess, signum.UnknownClient,
	signum.InappropriateData, signum.IncompatibleIface, signum.UnsupportedProfile, signum.ExpiredTransaction,
	signum.OTAError, signum.UserCancel, signum.PINBlocked, signum.CardBlocked, signum.NoKeyFound,
	signum.PBSignatureProcess, signum.NoCertFound, signum.InternalError,
}

// TestFault is the fault that a call for a test number gets, nil for other
// numbers. To a party that may not use them, and for codes without a number,
// they are illegal.
func TestFault(p *mssp.Party, e164 string) error {
	digits, ok := strings.CutPrefix(e164, testFaultPrefix)
	if !ok {
		return nil
	}
	code, err := strconv.Atoi(digits)
	if err == nil && len(digits) == 3 && p.TestNumbers && slices.Contains(testFaults, signum.Code(code)) {
		return signum.NewFault(signum.Code(code))
	}
	return wrong(signum.DetailIllegalMSISDN)
}

// Hidden reports whether the subscriber of a number does not exist for the
// party: the test numbers that sign, where it may not use them.
func Hidden(p *mssp.Party, e164 string) bool {
	return !p.TestNumbers && (e164 == TestNumberEC || e164 == TestNumberRSA)
}
