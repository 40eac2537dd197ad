package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Test numbers. They belong to nobody: no number plan contains them, and those
// that sign belong to the service.
const (
	testFaultPrefix = "+41000092" // followed by the code of the fault
	TestNumberEC    = "+41700092501"
	TestNumberRSA   = "+41700092502"
)

// testFaults are the faults for which there is a test number.
var testFaults = []signum.Code{
	signum.WrongParam, signum.MissingParam, signum.WrongDataLength, signum.UnauthorizedAccess, signum.UnknownClient,
	signum.InappropriateData, signum.IncompatibleIface, signum.UnsupportedProfile, signum.ExpiredTransaction,
	signum.OTAError, signum.UserCancel, signum.PINBlocked, signum.CardBlocked, signum.NoKeyFound,
	signum.PBSignatureProcess, signum.NoCertFound, signum.InternalError,
}

// TestFault returns the fault that a call for a test number gets, and nil for
// other numbers. The number is illegal (101) if the party may not use test
// numbers, or if there is none for the code.
func TestFault(p *mssp.Party, e164 string) error {
	digits, ok := strings.CutPrefix(e164, testFaultPrefix)
	if !ok {
		return nil
	}
	code, err := strconv.Atoi(digits)
	if err == nil && len(digits) == 3 && p.TestNumbers && slices.Contains(testFaults, signum.Code(code)) {
		return mssp.Noted(signum.NewFault(signum.Code(code)), "the number is the test number of this fault")
	}
	return mssp.Noted(wrong(signum.DetailIllegalMSISDN), "a test number that the party may not use, or that does not exist")
}

// Hidden reports whether the party must not see the subscriber of a number: so
// it is with the test numbers that sign, if the party may not use test numbers.
func Hidden(p *mssp.Party, e164 string) bool {
	return !p.TestNumbers && (e164 == TestNumberEC || e164 == TestNumberRSA)
}
