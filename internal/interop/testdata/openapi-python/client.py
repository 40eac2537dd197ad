"""Signs, asks for receipts and profiles with the package that openapi-generator makes of the served document."""

import base64
import datetime
import os
import time
import uuid

import mobileid
from mobileid.exceptions import ServiceException

URL = os.environ["SIGNUM_URL"]
BOX = os.environ["SIGNUM_DIR"]
PREFIX = os.environ["SIGNUM_PREFIX"]
SIM = os.environ["SIGNUM_SIM"]
APP = os.environ["SIGNUM_APP"]
MID = "http://mid.swisscom.ch/"

configuration = mobileid.Configuration(host=URL, ssl_ca_cert=f"{BOX}/server-ca.pem")
configuration.cert_file = f"{BOX}/ap.crt"
configuration.key_file = f"{BOX}/ap.key"
client = mobileid.ApiClient(configuration)
signatures = mobileid.SignatureApi(client)
receipts = mobileid.ReceiptApi(client)
profiles = mobileid.ProfileApi(client)


def head(major="1", minor="1"):
    return {
        "ap_info": mobileid.APInfoRequest(
            ap_id=os.environ["SIGNUM_AP_ID"],
            ap_trans_id=f"T{uuid.uuid4().hex}",
            instant=datetime.datetime.now(datetime.timezone.utc),
        ),
        "mssp_info": mobileid.MSSPInfoRequest(mssp_id=mobileid.MSSPNameRequest(uri=MID)),
        "major_version": major,
        "minor_version": minor,
    }


def user(number):
    return mobileid.MobileUserRequest(msisdn=number)


def service(uri, **extra):
    return mobileid.AdditionalService(description=uri, **extra)


def sign(number, text, mode, profile, *services):
    language = mobileid.UserLang(value="en")
    return signatures.sign(
        mobileid.SignatureRequest(
            mss_signature_req=mobileid.MSSSignatureReq(
                **head(),
                messaging_mode=mode,
                time_out="80",
                mobile_user=user(number),
                data_to_be_signed=mobileid.DataToBeSigned(mime_type="text/plain", encoding="UTF-8", data=PREFIX + text),
                signature_profile=MID + profile,
                additional_services=[
                    service("http://mss.ficom.fi/TS102204/v1.0.0#userLang", user_lang=language),
                    *services,
                ],
            )
        )
    ).mss_signature_resp


def receipt(number, transaction, text, status=None):
    return receipts.send_receipt(
        mobileid.ReceiptRequest(
            mss_receipt_req=mobileid.MSSReceiptReq(
                **head(),
                mssp_trans_id=transaction,
                mobile_user=user(number),
                message=mobileid.ReceiptMessage(mime_type="text/plain", encoding="UTF-8", data=PREFIX + text),
                status=status,
            )
        )
    ).mss_receipt_resp.status


def query(number, params=None):
    return profiles.query_profile(
        mobileid.ProfileRequest(
            mss_profile_req=mobileid.MSSProfileReq(**head("2", "0"), mobile_user=user(number), params=params)
        )
    ).mss_profile_resp


def say(name, value):
    print(f"{name}={value}", flush=True)


def told(status):
    return f"{status.status_code.value} {status.status_message}"


def b64(value):
    return base64.b64encode(base64.b64decode(value, validate=True)).decode()


signed = sign(
    SIM,
    "Log in to example.com?",
    "synch",
    "STK-LoA4",
    service("http://mid.swisscom.ch/as#geofencing"),
    service("http://mid.swisscom.ch/as#subscriberInfo"),
)
say("sign.status", told(signed.status))
say("sign.profile", signed.signature_profile.value)
say("sign.signature", b64(signed.mss_signature.base64_signature))
geofencing, subscriber = (s.actual_instance for s in signed.service_responses)
assert isinstance(geofencing, mobileid.GeofencingResponse) and isinstance(subscriber, mobileid.SubscriberInfoResponse)
say("sign.country", geofencing.geofencing.actual_instance.country)
detail = subscriber.subscriber_info.details[0]
say("sign.network", f"{detail.id}={detail.value}")
age = datetime.datetime.now(datetime.timezone.utc) - signed.mssp_info.instant
assert abs(age) < datetime.timedelta(minutes=1)

status = receipt(SIM, signed.mssp_trans_id, "Thank you")
say("receipt.status", told(status))
say("receipt.extension", status.status_detail or "none")

asked = sign(APP, "Zürich: 12.50 € & <more>?", "asynch", "Device-LoA4")
say("async.status", told(asked.status))
while True:
    outcome = signatures.query_status(
        mobileid.StatusRequest(mss_status_req=mobileid.MSSStatusReq(**head(), mssp_trans_id=asked.mssp_trans_id))
    ).mss_status_resp
    if outcome.status.status_code.value != "504":
        break
    time.sleep(0.05)
say("async.outcome", told(outcome.status))
say("async.signature", b64(outcome.mss_signature.base64_signature))

ask = mobileid.ReceiptRequestExtension(
    receipt_messaging_mode="synch",
    user_ack="true",
    receipt_profile=mobileid.ReceiptProfile(language="de", receipt_profile_uri="http://mss.swisscom.ch/synch"),
)
status = receipt(
    APP,
    asked.mssp_trans_id,
    "Danke",
    mobileid.ReceiptRequestStatus(
        status_code=mobileid.AnyStatusCode(value="100"),
        status_detail=mobileid.ReceiptRequestDetail(receipt_request_extension=ask),
    ),
)
say("extended.status", told(status))
said = status.status_detail.receipt_response_extension
say("extended.ack", f"{said.receipt_messaging_mode} {said.user_ack}")
say("extended.response", said.user_response)

plain = query(SIM)
say("plain.status", told(plain.status))
say("plain.profiles", " ".join(sorted(p.value.removeprefix(MID) for p in plain.signature_profile)))
say("plain.extension", plain.status.status_detail or "none")

extension = query(SIM, "sscds state certs pinstatus carddetails rcstatus aastatus").status.status_detail
extension = extension.profile_query_extension
card = extension.sscds.sim
say("profile.sim", card.state)
say("profile.blocked", str(card.pin_status.blocked).lower())
say("profile.recovery", str(extension.mobile_user.recovery_code_created).lower())
cert = card.mobile_user_certificate[0]
say("profile.cert", f"{cert.state} {cert.algorithm} {len(cert.x509_certificate)}")
say("profile.network", f"{card.card_details.mcc} {card.card_details.mnc} {card.card_details.network}")

try:
    sign("+41790000000", "Anybody?", "synch", "STK-LoA4")
except ServiceException as e:
    fault = e.data.fault
    say("fault.code", fault.code.sub_code.value.lstrip("_"))
    say("fault.reason", fault.reason)
    say("fault.detail", fault.detail)
