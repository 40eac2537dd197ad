package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
)

// byCode says what to do about a fault.
var byCode = map[signum.Code]string{
	signum.WrongParam:          "the detail says which value is wrong: compare it with the help of the command",
	signum.MissingParam:        "the detail says what is missing: --lang sets the language, and the service may need more",
	signum.WrongDataLength:     "shorten the text: 239 characters, or 119 if one of them is not in GSM 03.38",
	signum.UnauthorizedAccess:  "check --ap-id, --ap-password, that --cert is the certificate registered for the party, and that it is subscribed to the services it asks for",
	signum.UnknownClient:       "the number has no active account: check it, or have the user enrolled",
	signum.InappropriateData:   "the text must start with the party's prefix, see --prefix",
	signum.IncompatibleIface:   "the service speaks another version of the interface: check --url",
	signum.UnsupportedProfile:  "try another --profile",
	signum.ExpiredTransaction:  "ask again, perhaps with a longer --timeout",
	signum.OTAError:            "the phone is out of reach; try again later",
	signum.UserCancel:          "let the user start again",
	signum.PINBlocked:          "SIM: the operator resets the PIN; App: the user logs in to the self-care portal with another method or the recovery code, and adds the App again",
	signum.CardBlocked:         "the account is suspended; the operator can reactivate it",
	signum.NoKeyFound:          "the user has no active SIM or App: with another method or the recovery code, the self-care portal adds an App; otherwise the operator gives an activation code",
	signum.PBSignatureProcess:  "wait until the request on the phone has ended",
	signum.NoCertFound:         "the certificate of an App is renewed when the App connects; a SIM must be activated again",
	signum.RevokedCertificate:  "the user must activate the SIM or the App again",
	signum.InvalidSignature:    "do not accept it, and tell the operator: the phone and the account have different keys, or somebody changed the signature",
	signum.InternalError:       "try again; if that does not help, tell the operator the detail",
	signum.GeofencingViolation: "the policy (of the party or of this request) does not allow the phone's location, or the location is not certain enough",
}

// otherCodes is the advice for codes that only other services use.
const otherCodes = "ask the operator of the service what it means by this code"

// byDetail says more about faults with a detail of their own, which starts with the text.
var byDetail = []struct {
	code   signum.Code
	detail string
	advice string
}{
	{signum.WrongParam, signum.DetailIllegalMSISDN, "give the number with its country code, such as +41791234567, not 079… or 0041…"},
	{signum.WrongParam, signum.DetailNoTransaction, "it belongs to another party, or ended longer ago than the service remembers"},
	{signum.WrongParam, signum.DetailReceiptSent, "ask for another signature if the user must see another text"},
	{signum.WrongParam, signum.DetailOTPNumber, "use the number of a mobile phone, in a country that the operator allows"},
	{signum.WrongParam, "Instant differs", "set the clock of this machine, for example by NTP"},
	{signum.WrongParam, "AP_TransID and Instant were used before", "run the command again: it makes a new AP_TransID"},
	{signum.WrongParam, "DataToBeSigned has a character", "remove the character that the detail names"},
	{signum.UnauthorizedAccess, signum.DetailCredentials, "check that --ap-id and --cert belong together, and that the certificate is registered for the party and still valid"},
	{signum.UserCancel, signum.DetailReported, "the user says that somebody else made this request: find out who, before you ask again"},
	{signum.ExpiredTransaction, signum.DetailTimeout, "the user did not answer in time: ask again, perhaps with a longer --timeout"},
	{signum.ExpiredTransaction, signum.DetailTimeoutStatus, "the user did not answer in time: ask again, perhaps with a longer --timeout"},
	{signum.InternalError, signum.DetailTooMany, "wait, and send fewer requests at a time"},
	{signum.InternalError, signum.DetailBusy, "the service has more to do than it can: wait, and try again"},
}

// adviceFor says what to do about a fault.
func adviceFor(f *signum.Fault) string {
	for _, d := range byDetail {
		if f.Code == d.code && strings.HasPrefix(f.Detail, d.detail) {
			if f.RetryAfter > 0 {
				return fmt.Sprintf("%s; the next one may succeed in %s", d.advice, f.RetryAfter.Round(time.Second))
			}
			return d.advice
		}
	}
	if advice, ok := byCode[f.Code]; ok {
		return advice
	}
	return otherCodes
}
