"""Signs, asks for receipts and profiles with zeep, in its strict mode, and the served WSDL."""

import base64
import datetime
import os
import time
import uuid

import requests
import zeep

URL = os.environ["SIGNUM_URL"]
BOX = os.environ["SIGNUM_DIR"]
PREFIX = os.environ["SIGNUM_PREFIX"]
SIM = os.environ["SIGNUM_SIM"]
APP = os.environ["SIGNUM_APP"]
MID = "http://mid.swisscom.ch/"

session = requests.Session()
session.trust_env = False  # REQUESTS_CA_BUNDLE would override verify
session.verify = f"{BOX}/server-ca.pem"
session.cert = (f"{BOX}/ap.crt", f"{BOX}/ap.key")
transport = zeep.transports.Transport(session=session, operation_timeout=100)
wsdl = zeep.Client(
    f"{URL}/soap/services/MSS_SignaturePort?wsdl",
    transport=transport,
    settings=zeep.Settings(strict=True),
)


def port(service, name):
    return wsdl.bind(service, name)


def head(major=1, minor=1):
    return {
        "MajorVersion": major,
        "MinorVersion": minor,
        "AP_Info": {
            "AP_ID": os.environ["SIGNUM_AP_ID"],
            "AP_TransID": f"T{uuid.uuid4().hex}",
            "Instant": datetime.datetime.now(datetime.timezone.utc),
        },
        "MSSP_Info": {"MSSP_ID": {"URI": MID}},
    }


def text(content):
    return {"_value_1": PREFIX + content, "MimeType": "text/plain", "Encoding": "UTF-8"}


def service(uri, **extra):
    return {"Description": {"mssURI": uri}, **extra}


def signature(number, content, mode, profile, *services):
    return {
        **head(),
        "MessagingMode": mode,
        "TimeOut": 80,
        "MobileUser": {"MSISDN": number},
        "DataToBeSigned": text(content),
        "SignatureProfile": {"mssURI": MID + profile},
        "AdditionalServices": {
            "Service": [service("http://mss.ficom.fi/TS102204/v1.0.0#userLang", UserLang="en"), *services]
        },
    }


def say(name, value):
    print(f"{name}={value}", flush=True)


def status(answer):
    return f"{answer.Status.StatusCode.Value} {answer.Status.StatusMessage}"


def b64(octets):
    return base64.b64encode(octets).decode()


signatures = port("MSS_SignatureService", "MSS_SignaturePort")
signed = signatures.MSS_Signature(
    signature(
        SIM,
        "Log in to example.com?",
        "synch",
        "STK-LoA4",
        service("http://mid.swisscom.ch/as#geofencing"),
        service("http://mid.swisscom.ch/as#subscriberInfo"),
    )
)
say("sign.status", status(signed))
say("sign.profile", signed.SignatureProfile.mssURI)
say("sign.signature", b64(signed.MSS_Signature.Base64Signature))
geofencing, subscriber = signed.Status.StatusDetail.ServiceResponses.ServiceResponse
say("sign.country", geofencing.GeoFencing.country)
detail = subscriber.SubscriberInfo.Detail[0]
say("sign.network", f"{detail.id}={detail.value}")

receipts = port("MSS_ReceiptService", "MSS_ReceiptPort")
receipt = receipts.MSS_Receipt(
    {
        **head(),
        "MSSP_TransID": signed.MSSP_TransID,
        "MobileUser": {"MSISDN": SIM},
        "Message": text("Thank you"),
    }
)
say("receipt.status", status(receipt))
say("receipt.extension", receipt.Status.StatusDetail or "none")

asked = signatures.MSS_Signature(signature(APP, "Zürich: 12.50 € & <more>?", "asynch", "Device-LoA4"))
say("async.status", status(asked))
queries = port("MSS_StatusService", "MSS_StatusQueryPort")
while True:
    outcome = queries.MSS_StatusQuery({**head(), "MSSP_TransID": asked.MSSP_TransID})
    if outcome.Status.StatusCode.Value != 504:
        break
    time.sleep(0.05)
say("async.outcome", status(outcome))
say("async.signature", b64(outcome.MSS_Signature.Base64Signature))

extended = receipts.MSS_Receipt(
    {
        **head(),
        "MSSP_TransID": asked.MSSP_TransID,
        "MobileUser": {"MSISDN": APP},
        "Status": {
            "StatusCode": {"Value": 100},
            "StatusDetail": {
                "ReceiptRequestExtension": {
                    "ReceiptMessagingMode": "synch",
                    "UserAck": True,
                    "ReceiptProfile": {"Language": "de", "ReceiptProfileURI": "http://mss.swisscom.ch/synch"},
                }
            },
        },
        "Message": text("Danke"),
    }
)
say("extended.status", status(extended))
said = extended.Status.StatusDetail.ReceiptResponseExtension
say("extended.ack", f"{said.ReceiptMessagingMode} {str(said.UserAck).lower()}")
say("extended.response", said.UserResponse)

profiles = port("MSS_ProfileService", "MSS_ProfilePort")
plain = profiles.MSS_ProfileQuery({**head(2, 0), "MobileUser": {"MSISDN": SIM}})
say("plain.status", status(plain))
say("plain.profiles", " ".join(sorted(p.mssURI.removeprefix(MID) for p in plain.SignatureProfile)))
say("plain.extension", plain.Status.StatusDetail or "none")

profile = profiles.MSS_ProfileQuery(
    {
        **head(2, 0),
        "MobileUser": {"MSISDN": SIM},
        "Params": ["sscds", "state", "certs", "pinstatus", "carddetails", "rcstatus", "aastatus"],
    }
)
extension = profile.Status.StatusDetail.ProfileQueryExtension
card = extension.Sscds.Sim
say("profile.sim", card.State)
say("profile.blocked", str(card.PinStatus.blocked).lower())
say("profile.recovery", str(extension.MobileUser.RecoveryCodeCreated).lower())
cert = card.MobileUserCertificate[0]
say("profile.cert", f"{cert.State} {cert.Algorithm} {len(cert._value_1)}")
say("profile.network", f"{card.CardDetails.MCC} {card.CardDetails.MNC} {card.CardDetails.Network}")

try:
    signatures.MSS_Signature(signature("+41790000000", "Anybody?", "synch", "STK-LoA4"))
except zeep.exceptions.Fault as fault:
    say("fault.code", fault.subcodes[0].localname.lstrip("_"))
    say("fault.reason", fault.message)
    say("fault.detail", fault.detail.find("{http://kiuru.methics.fi/mssp}detail").text)
