package edge

import (
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lang"
)

// common holds values that nearly every request carries.
var common = func() map[string]string {
	m := make(map[string]string)
	for _, s := range []string{
		"", "1", "2", "80",
		"true", "false", "UTF-8", "http://mid.swisscom.ch/",
		signum.Synch, signum.Asynch, signum.AsynchClientServer,
		signum.MimeText, signum.MimeTxnApproval, signum.MimeRSAMessage,
		signum.ServiceUserLang, signum.ServiceValidate, signum.ServiceGeofencing,
		signum.ServiceApp2App, signum.ServiceSubscriberInfo, signum.ProfileAuth1,
	} {
		m[s] = s
	}
	for _, s := range signum.SignatureProfiles {
		m[s] = s
	}
	for _, s := range lang.All {
		m[s], m[strings.ToUpper(s)] = s, strings.ToUpper(s)
	}
	return m
}()

// Intern is string(v) for the decoder of a wire. Requests share the values that they
// have in common, because tens of thousands of them wait in memory.
func Intern[T string | []byte](v T) string {
	if s, ok := common[string(v)]; ok {
		return s
	}
	return string(v)
}
