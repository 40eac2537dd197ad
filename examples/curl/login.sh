#!/bin/sh
# A log-in with curl and openssl alone, over REST.
set -eu
cd "$SIGNUM_SANDBOX"
url=$(sed -n 's/.*"base_url": "\(.*\)".*/\1/p' sandbox.json)
post() { curl -sS --cacert server-ca.pem --cert ap.crt --key ap.key -H 'Content-Type: application/json' "$url$1" -d @-; }

sign() { # number, text
	now=$(date -u +%FT%TZ)
	post /rest/service/sign <<END
{"MSS_SignatureReq":{"MajorVersion":"1","MinorVersion":"2","MessagingMode":"synch","TimeOut":"80",
"AP_Info":{"AP_ID":"mid://sandbox","AP_PWD":"disabled","AP_TransID":"T$(date +%s%N)","Instant":"$now"},
"MSSP_Info":{"MSSP_ID":{"URI":"http://mid.swisscom.ch/"},"Instant":"$now"},"MobileUser":{"MSISDN":"$1"},
"SignatureProfile":"http://mid.swisscom.ch/Any-LoA4",
"DataToBeSigned":{"MimeType":"text/plain","Encoding":"UTF-8","Data":"$2"},
"AdditionalServices":[{"Description":"http://mss.ficom.fi/TS102204/v1.0.0#userLang","UserLang":{"Value":"en"}}]}}
END
}

# member NAME prints a member of the JSON object on standard input.
member() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }

number=+41791000001
text="Sandbox: Log in to example.com?"

# The user approves. openssl verifies the signature and prints the text that was signed.
answer=$(sign "$number" "$text")
signed=$(echo "$answer" | member Base64Signature | base64 -d |
	openssl cms -verify -inform der -CAfile user-ca.pem -purpose sslclient 2>/dev/null) ||
	{ echo "no signature: $answer" >&2; exit 1; }
[ "$signed" = "$text" ]
echo "signed: $signed"

# The user refuses.
echo '{"msisdn":"'"$number"'","behaviour":"cancel"}' | post /sandbox/phone >/dev/null
answer=$(sign "$number" "$text")
echo '{"msisdn":"'"$number"'","behaviour":"approve"}' | post /sandbox/phone >/dev/null
[ "$(echo "$answer" | member Reason)" = USER_CANCEL ]
echo "refused: 401"
