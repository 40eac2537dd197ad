package softapp_test

import (
	"net/url"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const msisdn = "+41791234567"

func authURI(token string) string {
	return "mobileid://auth?mobile_auth_redirect_uri=bank%3A%2F%2Fback&session_token=" + url.QueryEscape(token) + "&user_id=%2B41790000000"
}
