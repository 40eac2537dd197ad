package smpp

import "fmt"

// Status is a command_status (SMPP 3.4, 5.1.3). Any but StatusOK is an error.
type Status uint32

// The statuses of SMPP 3.4 that this package or its users refer to.
const (
	StatusOK              Status = 0x00
	StatusInvMsgLen       Status = 0x01
	StatusInvCmdLen       Status = 0x02
	StatusInvCmdID        Status = 0x03
	StatusInvBindStatus   Status = 0x04 // the session is not bound for the command
	StatusAlreadyBound    Status = 0x05
	StatusSysErr          Status = 0x08
	StatusInvSrc          Status = 0x0A
	StatusInvalidDst      Status = 0x0B
	StatusBindFailed      Status = 0x0D
	StatusInvPaswd        Status = 0x0E
	StatusInvSysID        Status = 0x0F
	StatusMsgQFull        Status = 0x14
	StatusInvServiceType  Status = 0x15
	StatusInvESMClass     Status = 0x43
	StatusSubmitFailed    Status = 0x45
	StatusInvSrcTON       Status = 0x48
	StatusInvDstTON       Status = 0x50
	StatusInvSystemType   Status = 0x53
	StatusThrottled       Status = 0x58
	StatusInvSchedule     Status = 0x61
	StatusInvExpiry       Status = 0x62
	StatusRxTempError     Status = 0x64
	StatusRxPermError     Status = 0x65
	StatusRxRejected      Status = 0x66
	StatusInvTLVStream    Status = 0xC0
	StatusTLVNotAllowed   Status = 0xC1
	StatusInvTLVLen       Status = 0xC2
	StatusMissingTLV      Status = 0xC3
	StatusInvTLVValue     Status = 0xC4
	StatusDeliveryFailure Status = 0xFE
	StatusUnknown         Status = 0xFF
)

var statusNames = map[Status]string{
	StatusOK:              "ESME_ROK",
	StatusInvMsgLen:       "ESME_RINVMSGLEN",
	StatusInvCmdLen:       "ESME_RINVCMDLEN",
	StatusInvCmdID:        "ESME_RINVCMDID",
	StatusInvBindStatus:   "ESME_RINVBNDSTS",
	StatusAlreadyBound:    "ESME_RALYBND",
	StatusSysErr:          "ESME_RSYSERR",
	StatusInvSrc:          "ESME_RINVSRCADR",
	StatusInvalidDst:      "ESME_RINVDSTADR",
	StatusBindFailed:      "ESME_RBINDFAIL",
	StatusInvPaswd:        "ESME_RINVPASWD",
	StatusInvSysID:        "ESME_RINVSYSID",
	StatusMsgQFull:        "ESME_RMSGQFUL",
	StatusInvServiceType:  "ESME_RINVSERTYP",
	StatusInvESMClass:     "ESME_RINVESMCLASS",
	StatusSubmitFailed:    "ESME_RSUBMITFAIL",
	StatusInvSrcTON:       "ESME_RINVSRCTON",
	StatusInvDstTON:       "ESME_RINVDSTTON",
	StatusInvSystemType:   "ESME_RINVSYSTYP",
	StatusThrottled:       "ESME_RTHROTTLED",
	StatusInvSchedule:     "ESME_RINVSCHED",
	StatusInvExpiry:       "ESME_RINVEXPIRY",
	StatusRxTempError:     "ESME_RX_T_APPN",
	StatusRxPermError:     "ESME_RX_P_APPN",
	StatusRxRejected:      "ESME_RX_R_APPN",
	StatusInvTLVStream:    "ESME_RINVOPTPARSTREAM",
	StatusTLVNotAllowed:   "ESME_ROPTPARNOTALLWD",
	StatusInvTLVLen:       "ESME_RINVPARLEN",
	StatusMissingTLV:      "ESME_RMISSINGOPTPARAM",
	StatusInvTLVValue:     "ESME_RINVOPTPARAMVAL",
	StatusDeliveryFailure: "ESME_RDELIVERYFAILURE",
	StatusUnknown:         "ESME_RUNKNOWNERR",
}

// String is the name in the specification, or the number if there is none.
func (s Status) String() string {
	if n, ok := statusNames[s]; ok {
		return n
	}
	return fmt.Sprintf("status 0x%08X", uint32(s))
}

// Error implements error. StatusOK must not be returned as an error.
func (s Status) Error() string { return "smpp: " + s.String() }

// Temporary reports whether the same message may be accepted later: throttled,
// queue full, system error, temporary error of the ESME.
func (s Status) Temporary() bool {
	switch s {
	case StatusThrottled, StatusMsgQFull, StatusSysErr, StatusRxTempError:
		return true
	}
	return false
}

// Load reports whether the SMSC refused the message because it gets too many, for this
// destination or at all. It does not say which.
func (s Status) Load() bool { return s == StatusThrottled || s == StatusMsgQFull }
