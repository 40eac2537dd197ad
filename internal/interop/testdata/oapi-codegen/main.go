// Command client signs, asks for receipts and profiles with the code that oapi-codegen
// makes of the served document: api.gen.go.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

const mid = "http://mid.swisscom.ch/"

var ctx = context.Background()

// errFault is an answer with status 500.
type errFault struct{ *Fault }

func (f errFault) Error() string { return f.Fault.Fault.Detail }

// answered returns the 200 answer, or the fault as an error.
func answered[T any](body *T, fault *Fault, err error) (T, error) {
	switch {
	case err != nil:
	case fault != nil:
		err = errFault{fault}
	case body == nil:
		err = errors.New("neither an answer nor a fault")
	default:
		return *body, nil
	}
	var none T
	return none, err
}

func dial() (*ClientWithResponses, error) {
	dir := os.Getenv("SIGNUM_DIR")
	pem, err := os.ReadFile(dir + "/server-ca.pem")
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(dir+"/ap.crt", dir+"/ap.key")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	return NewClientWithResponses(os.Getenv("SIGNUM_URL"), WithHTTPClient(&http.Client{Transport: transport}))
}

func ap() APInfoRequest {
	return APInfoRequest{APID: os.Getenv("SIGNUM_AP_ID"), APTransID: "T" + rand.Text(), Instant: time.Now()}
}

func mssp() MSSPInfoRequest { return MSSPInfoRequest{MSSPID: &MSSPNameRequest{URI: new(mid)}} }

type client struct{ *ClientWithResponses }

func (c client) sign(number, text string, mode MSSSignatureReqMessagingMode, profile SignatureProfile, services ...AdditionalServiceDescription) (MSSSignatureResp, error) {
	list := []AdditionalService{{Description: "http://mss.ficom.fi/TS102204/v1.0.0#userLang", UserLang: &UserLang{Value: new("en")}}}
	for _, s := range services {
		list = append(list, AdditionalService{Description: s})
	}
	resp, err := c.SignWithResponse(ctx, SignatureRequest{MSSSignatureReq: MSSSignatureReq{
		APInfo: ap(), MSSPInfo: mssp(), MajorVersion: "1", MinorVersion: "2",
		MessagingMode: mode, TimeOut: new("80"), MobileUser: MobileUserRequest{MSISDN: number}, SignatureProfile: &profile,
		DataToBeSigned:     DataToBeSigned{MimeType: new("text/plain"), Encoding: new("UTF-8"), Data: os.Getenv("SIGNUM_PREFIX") + text},
		AdditionalServices: &list,
	}})
	if err != nil {
		return MSSSignatureResp{}, err
	}
	answer, err := answered(resp.JSON200, resp.JSON500, nil)
	return answer.MSSSignatureResp, err
}

func (c client) receipt(number, transaction, text string, status *ReceiptRequestStatus) (ReceiptStatus, error) {
	resp, err := c.SendReceiptWithResponse(ctx, ReceiptRequest{MSSReceiptReq: MSSReceiptReq{
		APInfo: ap(), MSSPInfo: mssp(), MajorVersion: "1", MinorVersion: "1",
		MSSPTransID: transaction, MobileUser: MobileUserRequest{MSISDN: number}, Status: status,
		Message: ReceiptMessage{Data: os.Getenv("SIGNUM_PREFIX") + text},
	}})
	if err != nil {
		return ReceiptStatus{}, err
	}
	answer, err := answered(resp.JSON200, resp.JSON500, nil)
	return answer.MSSReceiptResp.Status, err
}

func (c client) query(number string, params *string) (MSSProfileResp, error) {
	resp, err := c.QueryProfileWithResponse(ctx, ProfileRequest{MSSProfileReq: MSSProfileReq{
		APInfo: ap(), MSSPInfo: mssp(), MajorVersion: "2", MinorVersion: "0",
		MobileUser: MobileUserRequest{MSISDN: number}, Params: params,
	}})
	if err != nil {
		return MSSProfileResp{}, err
	}
	answer, err := answered(resp.JSON200, resp.JSON500, nil)
	return answer.MSSProfileResp, err
}

func say(name string, values ...any) {
	fmt.Println(name + "=" + strings.TrimSuffix(fmt.Sprintln(values...), "\n"))
}

// there names what is absent.
func there(absent bool) string {
	if absent {
		return "none"
	}
	return "there"
}

func main() {
	c, err := dial()
	if err == nil {
		err = run(client{c})
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(c client) error {
	for _, step := range []func(client) error{synchronous, asynchronous, profiles, fault} {
		if err := step(c); err != nil {
			return err
		}
	}
	return nil
}

func synchronous(c client) error {
	sim := os.Getenv("SIGNUM_SIM")
	signed, err := c.sign(sim, "Log in to example.com?", "synch", mid+"STK-LoA4",
		"http://mid.swisscom.ch/as#geofencing", "http://mid.swisscom.ch/as#subscriberInfo")
	if err != nil {
		return err
	}
	say("sign.status", signed.Status.StatusCode.Value, signed.Status.StatusMessage)
	say("sign.profile", signed.SignatureProfile)
	say("sign.signature", base64.StdEncoding.EncodeToString(signed.MSSSignature.Base64Signature))
	services := *signed.ServiceResponses
	geofencing, err1 := services[0].AsGeofencingResponse()
	location, err2 := geofencing.Geofencing.AsLocation()
	subscriber, err3 := services[1].AsSubscriberInfoResponse()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	say("sign.country", location.Country)
	detail := subscriber.SubscriberInfo.Details[0]
	say("sign.network", detail.Id+"="+detail.Value)
	if age := time.Since(signed.MSSPInfo.Instant).Abs(); age > time.Minute {
		return fmt.Errorf("the answer is of %v", signed.MSSPInfo.Instant)
	}

	status, err := c.receipt(sim, signed.MSSPTransID, "Thank you", nil)
	if err != nil {
		return err
	}
	say("receipt.status", status.StatusCode.Value, status.StatusMessage)
	say("receipt.extension", there(status.StatusDetail == nil))
	return nil
}

func asynchronous(c client) error {
	app := os.Getenv("SIGNUM_APP")
	asked, err := c.sign(app, "Zürich: 12.50 € & <more>?", "asynch", mid+"Device-LoA4")
	if err != nil {
		return err
	}
	say("async.status", asked.Status.StatusCode.Value, asked.Status.StatusMessage)
	var outcome MSSStatusResp
	for {
		resp, err := c.QueryStatusWithResponse(ctx, StatusRequest{MSSStatusReq: MSSStatusReq{
			APInfo: ap(), MSSPInfo: mssp(), MajorVersion: "1", MinorVersion: "1", MSSPTransID: asked.MSSPTransID,
		}})
		if err != nil {
			return err
		}
		answer, err := answered(resp.JSON200, resp.JSON500, nil)
		if err != nil {
			return err
		}
		if outcome = answer.MSSStatusResp; outcome.Status.StatusCode.Value != "504" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	say("async.outcome", outcome.Status.StatusCode.Value, outcome.Status.StatusMessage)
	say("async.signature", base64.StdEncoding.EncodeToString(outcome.MSSSignature.Base64Signature))

	status, err := c.receipt(app, asked.MSSPTransID, "Danke", &ReceiptRequestStatus{
		StatusCode: &AnyStatusCode{Value: new("100")},
		StatusDetail: &ReceiptRequestDetail{ReceiptRequestExtension: &ReceiptRequestExtension{
			ReceiptMessagingMode: new(ReceiptRequestExtensionReceiptMessagingMode("synch")),
			UserAck:              new(ReceiptRequestExtensionUserAck("true")),
			ReceiptProfile:       &ReceiptProfile{Language: new("de"), ReceiptProfileURI: new("http://mss.swisscom.ch/synch")},
		}},
	})
	if err != nil {
		return err
	}
	said := status.StatusDetail.ReceiptResponseExtension
	say("extended.status", status.StatusCode.Value, status.StatusMessage)
	say("extended.ack", said.ReceiptMessagingMode, said.UserAck)
	say("extended.response", *said.UserResponse)
	return nil
}

func profiles(c client) error {
	sim := os.Getenv("SIGNUM_SIM")
	plain, err := c.query(sim, nil)
	if err != nil {
		return err
	}
	var names []string
	for _, p := range plain.SignatureProfile {
		names = append(names, strings.TrimPrefix(string(p), mid))
	}
	slices.Sort(names)
	say("plain.status", plain.Status.StatusCode.Value, plain.Status.StatusMessage)
	say("plain.profiles", strings.Join(names, " "))
	say("plain.extension", there(plain.Status.StatusDetail == nil))

	answer, err := c.query(sim, new("sscds state certs pinstatus carddetails rcstatus aastatus"))
	if err != nil {
		return err
	}
	extension := answer.Status.StatusDetail.ProfileQueryExtension
	card := extension.Sscds.Sim
	say("profile.sim", card.State)
	say("profile.blocked", card.PinStatus.Blocked)
	say("profile.recovery", *extension.MobileUser.RecoveryCodeCreated)
	cert := (*card.MobileUserCertificate)[0]
	if !bytes.HasPrefix(cert.X509Certificate[0], []byte{0x30}) {
		return errors.New("the certificate is no DER")
	}
	say("profile.cert", cert.State, cert.Algorithm, len(cert.X509Certificate))
	say("profile.network", card.CardDetails.Mcc, card.CardDetails.Mnc, card.CardDetails.Network)
	return nil
}

func fault(c client) error {
	_, err := c.sign("+41790000000", "Anybody?", "synch", mid+"STK-LoA4")
	f, ok := errors.AsType[errFault](err)
	if !ok {
		return fmt.Errorf("no fault: %w", err)
	}
	say("fault.code", strings.TrimPrefix(string(f.Fault.Fault.Code.SubCode.Value), "_"))
	say("fault.reason", f.Fault.Fault.Reason)
	say("fault.detail", f.Fault.Fault.Detail)
	return nil
}
