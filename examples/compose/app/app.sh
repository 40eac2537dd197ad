#!/bin/sh
# An application in a container of its own: it fetches what it must trust, asks the user for
# a signature, and verifies it, with the certificate's CRL and with OCSP.
set -eu
files=http://signum:8445/sandbox/files
text="Sandbox: Log in to example.com?"
cd "$(mktemp -d)"

# member NAME prints a member of the JSON on standard input.
member() { sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p' | head -n 1; }

# Certificates are public. Fetch them over http: nothing is trusted yet that could prove
# whose they are. That is all right in a network that only your own containers share.
for name in sandbox.json server-ca.pem user-ca.pem issuing-ca.pem ap.crt; do
	curl -sSf -o "$name" "$files/$name"
done
url=$(member base_url <sandbox.json)

# The private key takes TLS and the token of the sandbox.
curl -sSf --cacert server-ca.pem -H "Authorization: Bearer $SIGNUM_TOKEN" \
	-o ap.key "$url/sandbox/files/ap.key"

now=$(date -u +%FT%TZ)
answer=$(curl -sS --cacert server-ca.pem --cert ap.crt --key ap.key \
	-H 'Content-Type: application/json' "$url/rest/service/sign" -d '{"MSS_SignatureReq":{
	"MajorVersion":"1","MinorVersion":"2","MessagingMode":"synch","TimeOut":"80",
	"AP_Info":{"AP_ID":"mid://sandbox","AP_TransID":"C'"$(date +%s)$$"'","Instant":"'"$now"'"},
	"MSSP_Info":{"MSSP_ID":{"URI":"http://mid.swisscom.ch/"},"Instant":"'"$now"'"},
	"MobileUser":{"MSISDN":"+41791000001"},"SignatureProfile":"http://mid.swisscom.ch/Any-LoA4",
	"DataToBeSigned":{"MimeType":"text/plain","Encoding":"UTF-8","Data":"'"$text"'"},
	"AdditionalServices":[{"Description":"http://mss.ficom.fi/TS102204/v1.0.0#userLang",
	"UserLang":{"Value":"en"}}]}}')
echo "$answer" | member Base64Signature | base64 -d >signature.der
[ -s signature.der ] || { echo "no signature: $answer" >&2; exit 1; }

signed=$(openssl cms -verify -inform der -in signature.der -CAfile user-ca.pem \
	-purpose sslclient -signer signer.pem 2>/dev/null)
[ "$signed" = "$text" ]
echo "signed: $signed"

# The signer's certificate says where its CRL and its OCSP responder are.
crl=$(openssl x509 -in signer.pem -noout -ext crlDistributionPoints | sed -n 's/.*URI://p')
curl -sSf -o crl.der "$crl"
openssl crl -inform der -in crl.der -out crl.pem
openssl verify -crl_check -CRLfile crl.pem -CAfile user-ca.pem -untrusted issuing-ca.pem signer.pem
echo "not revoked: $crl"

ocsp=$(openssl x509 -in signer.pem -noout -ocsp_uri)
openssl ocsp -issuer issuing-ca.pem -cert signer.pem -url "$ocsp" -CAfile user-ca.pem >ocsp.txt
grep -q '^signer.pem: good' ocsp.txt
echo "good: $ocsp"
