"""A log-in over REST, as a test. It needs Python 3.8 and nothing else."""
import datetime, json, os, pathlib, ssl, subprocess, unittest, urllib.error, urllib.request, uuid

BOX = pathlib.Path(os.environ["SIGNUM_SANDBOX"])
SANDBOX = json.loads((BOX / "sandbox.json").read_text())
TLS = ssl.create_default_context(cafile=BOX / "server-ca.pem")
TLS.load_cert_chain(BOX / "ap.crt", BOX / "ap.key")
NUMBER, TEXT = "+41791000001", SANDBOX["dtbd_prefix"] + "Log in to example.com?"


def post(path, body):
    request = urllib.request.Request(SANDBOX["base_url"] + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, context=TLS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as fault:  # HTTP 500 is a fault of the service, with a code
        return json.load(fault)


def sign(number, text):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return post("/rest/service/sign", {"MSS_SignatureReq": {
        "MajorVersion": "1", "MinorVersion": "2", "MessagingMode": "synch", "TimeOut": "80",
        "AP_Info": {"AP_ID": SANDBOX["ap_id"], "AP_PWD": "disabled", "AP_TransID": "T" + uuid.uuid4().hex, "Instant": now},
        "MSSP_Info": {"MSSP_ID": {"URI": "http://mid.swisscom.ch/"}, "Instant": now},
        "MobileUser": {"MSISDN": number},
        "SignatureProfile": "http://mid.swisscom.ch/Any-LoA4",
        "DataToBeSigned": {"MimeType": "text/plain", "Encoding": "UTF-8", "Data": text},
        "AdditionalServices": [{"Description": "http://mss.ficom.fi/TS102204/v1.0.0#userLang", "UserLang": {"Value": "en"}}],
    }})


class Login(unittest.TestCase):
    def test_the_user_approves(self):
        answer = sign(NUMBER, TEXT)
        signature = answer["MSS_SignatureResp"]["MSS_Signature"]["Base64Signature"]
        # Fails unless exactly this text was signed by a user of the sandbox.
        subprocess.run(["signum", "verify", "--text", TEXT, "-"], input=signature.encode(), check=True, stdout=subprocess.DEVNULL)
        print("signed:", TEXT)

    def test_the_user_refuses(self):
        post("/sandbox/phone", {"msisdn": NUMBER, "behaviour": "cancel"})
        self.addCleanup(post, "/sandbox/phone", {"msisdn": NUMBER, "behaviour": "approve"})
        fault = sign(NUMBER, TEXT)["Fault"]
        self.assertEqual(fault["Code"]["SubCode"]["Value"], "_401")
        print("refused: 401")


if __name__ == "__main__":
    unittest.main()
