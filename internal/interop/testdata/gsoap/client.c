/* Signs, asks for receipts and profiles with the C code that wsdl2h and soapcpp2 make
 * from the served WSDL. Memory belongs to the context and is freed with it. */
#include "MSS_USCORESignatureBinding.nsmap"
#include "soapH.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MID "http://mid.swisscom.ch/"
#define NEW(type) ((type *)memset(soap_malloc(soap, sizeof(type)), 0, sizeof(type)))

static struct soap *soap;

static char *env(const char *name) {
    char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "%s is not set\n", name);
        exit(1);
    }
    return value;
}

static char *joined(const char *a, const char *b) {
    char *s = soap_malloc(soap, strlen(a) + strlen(b) + 1);
    return strcat(strcpy(s, a), b);
}

static char *address(const char *port) { return joined(env("SIGNUM_URL"), joined("/soap/services/", port)); }

static char *call_name(void) {
    static int calls;
    char *s = soap_malloc(soap, 64);
    snprintf(s, 64, "T%ld.%d.%d", (long)time(NULL), (int)getpid(), ++calls);
    return s;
}

static struct mss__MeshMemberType *service_name(void) {
    struct mss__MeshMemberType *m = NEW(struct mss__MeshMemberType);
    m->URI = MID;
    return m;
}

/* The members that all requests have, in types of their own. */
#define HEAD(r, major, minor)                                                                                          \
    ((r)->MajorVersion = (major), (r)->MinorVersion = (minor), (r)->AP_USCOREInfo.AP_USCOREID = env("SIGNUM_AP_ID"),   \
     (r)->AP_USCOREInfo.AP_USCORETransID = call_name(), (r)->AP_USCOREInfo.Instant = time(NULL),                       \
     (r)->MSSP_USCOREInfo.MSSP_USCOREID = service_name())

static void must(int result) {
    if (result != SOAP_OK) {
        soap_print_fault(soap, stderr);
        exit(1);
    }
}

static void say_status(const char *name, struct mss__StatusType *s) {
    printf("%s=%s %s\n", name, s->StatusCode->Value, s->StatusMessage);
}

static void say_signature(const char *name, struct mss__SignatureType *s) {
    printf("%s=%s\n", name, soap_s2base64(soap, s->Base64Signature.__ptr, NULL, s->Base64Signature.__size));
}

static const char *truth(enum xsd__boolean b) { return b == xsd__boolean__true_ ? "true" : "false"; }

static struct mss__mssURIType *uri(const char *value) {
    struct mss__mssURIType *u = NEW(struct mss__mssURIType);
    u->mssURI = (char *)value;
    return u;
}

static struct mss__MobileUserType *user(char *number) {
    struct mss__MobileUserType *u = NEW(struct mss__MobileUserType);
    u->MSISDN = number;
    return u;
}

static struct mss__DataType *text(const char *content) {
    struct mss__DataType *d = NEW(struct mss__DataType);
    d->__item = joined(env("SIGNUM_PREFIX"), content);
    d->MimeType = "text/plain";
    d->Encoding = "UTF-8";
    return d;
}

static struct mss__MSS_USCORESignatureReqType *signature(char *number, const char *content,
                                                         enum mss__MessagingModeType mode, const char *profile,
                                                         int services) {
    static const char *const names[] = {"http://mss.ficom.fi/TS102204/v1.0.0#userLang",
                                        "http://mid.swisscom.ch/as#geofencing",
                                        "http://mid.swisscom.ch/as#subscriberInfo"};
    struct mss__MSS_USCORESignatureReqType *r = NEW(struct mss__MSS_USCORESignatureReqType);
    HEAD(r, "1", "1");
    r->MessagingMode = mode;
    r->TimeOut = "80";
    r->MobileUser = user(number);
    r->DataToBeSigned = text(content);
    r->SignatureProfile = uri(joined(MID, profile));
    r->AdditionalServices = NEW(struct _mss__MSS_USCORESignatureReqType_AdditionalServices);
    r->AdditionalServices->__sizeService = services;
    r->AdditionalServices->Service = soap_malloc(soap, services * sizeof(struct mss__AdditionalServiceType));
    memset(r->AdditionalServices->Service, 0, services * sizeof(struct mss__AdditionalServiceType));
    for (int i = 0; i < services; i++) {
        r->AdditionalServices->Service[i].Description = uri(names[i]);
    }
    r->AdditionalServices->Service[0].fi__UserLang = "en";
    return r;
}

static void synchronous(void) {
    struct kiuru__MSS_USCORESignatureResponse answer;
    must(soap_call_kiuru__MSS_USCORESignature(
        soap, address("MSS_SignaturePort"), NULL,
        signature(env("SIGNUM_SIM"), "Log in to example.com?", mss__MessagingModeType__synch, "STK-LoA4", 3), &answer));
    struct mss__MSS_USCORESignatureRespType *signedby = answer.MSS_USCORESignatureResp;
    say_status("sign.status", signedby->Status);
    printf("sign.profile=%s\n", signedby->SignatureProfile->mssURI);
    say_signature("sign.signature", signedby->MSS_USCORESignature);
    struct _fi__ServiceResponses_ServiceResponse *services =
        signedby->Status->StatusDetail->fi__ServiceResponses->ServiceResponse;
    printf("sign.country=%s\n", services[0].as__GeoFencing->country);
    struct as__SubscriberInfoDetail *detail = services[1].as__SubscriberInfo->Detail;
    printf("sign.network=%s=%s\n", detail->id, detail->value);

    struct mss__MSS_USCOREReceiptReqType *r = NEW(struct mss__MSS_USCOREReceiptReqType);
    struct kiuru__MSS_USCOREReceiptResponse receipt;
    HEAD(r, "1", "1");
    r->MSSP_USCORETransID = signedby->MSSP_USCORETransID;
    r->MobileUser = user(env("SIGNUM_SIM"));
    r->Message = text("Thank you");
    must(soap_call_kiuru__MSS_USCOREReceipt(soap, address("MSS_ReceiptPort"), NULL, r, &receipt));
    say_status("receipt.status", receipt.MSS_USCOREReceiptResp->Status);
    printf("receipt.extension=%s\n", receipt.MSS_USCOREReceiptResp->Status->StatusDetail ? "there" : "none");
}

static void asynchronous(void) {
    struct kiuru__MSS_USCORESignatureResponse asked;
    must(soap_call_kiuru__MSS_USCORESignature(soap, address("MSS_SignaturePort"), NULL,
                                              signature(env("SIGNUM_APP"), "Zürich: 12.50 € & <more>?",
                                                        mss__MessagingModeType__asynch, "Device-LoA4", 1),
                                              &asked));
    say_status("async.status", asked.MSS_USCORESignatureResp->Status);
    char *transaction = asked.MSS_USCORESignatureResp->MSSP_USCORETransID;
    struct kiuru__MSS_USCOREStatusQueryResponse outcome;
    do {
        struct mss__MSS_USCOREStatusReqType *q = NEW(struct mss__MSS_USCOREStatusReqType);
        HEAD(q, "1", "1");
        q->MSSP_USCORETransID = transaction;
        usleep(50000);
        must(soap_call_kiuru__MSS_USCOREStatusQuery(soap, address("MSS_StatusQueryPort"), NULL, q, &outcome));
    } while (strcmp(outcome.MSS_USCOREStatusResp->Status->StatusCode->Value, "504") == 0);
    say_status("async.outcome", outcome.MSS_USCOREStatusResp->Status);
    say_signature("async.signature", outcome.MSS_USCOREStatusResp->MSS_USCORESignature);

    struct mss__MSS_USCOREReceiptReqType *r = NEW(struct mss__MSS_USCOREReceiptReqType);
    HEAD(r, "1", "1");
    r->MSSP_USCORETransID = transaction;
    r->MobileUser = user(env("SIGNUM_APP"));
    r->Message = text("Danke");
    r->Status = NEW(struct mss__StatusType);
    r->Status->StatusCode = NEW(struct mss__StatusCodeType);
    r->Status->StatusCode->Value = "100";
    r->Status->StatusDetail = NEW(struct _mss__StatusType_StatusDetail);
    struct sco__ReceiptRequestExtensionType *ask = NEW(struct sco__ReceiptRequestExtensionType);
    r->Status->StatusDetail->sco__ReceiptRequestExtension = ask;
    enum xsd__boolean yes = xsd__boolean__true_;
    ask->ReceiptMessagingMode = sco__ReceiptMessagingModeType__synch;
    ask->UserAck = &yes;
    ask->ReceiptProfile = NEW(struct sco__ReceiptProfileType);
    ask->ReceiptProfile->Language = "de";
    ask->ReceiptProfile->ReceiptProfileURI = "http://mss.swisscom.ch/synch";
    struct kiuru__MSS_USCOREReceiptResponse extended;
    must(soap_call_kiuru__MSS_USCOREReceipt(soap, address("MSS_ReceiptPort"), NULL, r, &extended));
    say_status("extended.status", extended.MSS_USCOREReceiptResp->Status);
    struct sco__ReceiptResponseExtensionType *said =
        extended.MSS_USCOREReceiptResp->Status->StatusDetail->sco__ReceiptResponseExtension;
    printf("extended.ack=%s %s\n",
           said->ReceiptMessagingMode == sco__ReceiptMessagingModeType__synch ? "synch" : "other", truth(said->UserAck));
    printf("extended.response=%s\n", said->UserResponse);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static struct mss__MSS_USCOREProfileRespType *profile_query(char *params) {
    struct mss__MSS_USCOREProfileReqType *q = NEW(struct mss__MSS_USCOREProfileReqType);
    struct kiuru__MSS_USCOREProfileQueryResponse answer;
    HEAD(q, "2", "0");
    q->MobileUser = user(env("SIGNUM_SIM"));
    q->Params = params;
    must(soap_call_kiuru__MSS_USCOREProfileQuery(soap, address("MSS_ProfilePort"), NULL, q, &answer));
    return answer.MSS_USCOREProfileResp;
}

static void profiles(void) {
    struct mss__MSS_USCOREProfileRespType *plain = profile_query(NULL);
    int n = plain->__sizeSignatureProfile;
    char **names = soap_malloc(soap, n * sizeof(char *));
    for (int i = 0; i < n; i++) {
        names[i] = plain->SignatureProfile[i].mssURI + strlen(MID);
    }
    qsort(names, n, sizeof(char *), by_name);
    say_status("plain.status", plain->Status);
    printf("plain.profiles=");
    for (int i = 0; i < n; i++) {
        printf("%s%s", i ? " " : "", names[i]);
    }
    printf("\nplain.extension=%s\n", plain->Status->StatusDetail ? "there" : "none");

    struct mcs__ProfileQueryExtension *extension =
        profile_query("sscds state certs pinstatus carddetails rcstatus aastatus")
            ->Status->StatusDetail->mcs__ProfileQueryExtension;
    struct mcs__SscdType *card = extension->Sscds->Sim;
    printf("profile.sim=%s\n", card->State == _mcs__SscdType_State__ACTIVE ? "ACTIVE" : "other");
    printf("profile.blocked=%s\n", truth(card->PinStatus->blocked));
    printf("profile.recovery=%s\n", truth(*extension->MobileUser->RecoveryCodeCreated));
    struct mcs__CertificateType *cert = card->MobileUserCertificate;
    printf("profile.cert=%s %s %d\n", cert->State == _mcs__CertificateType_State__ACTIVE ? "ACTIVE" : "other",
           cert->Algorithm == _mcs__CertificateType_Algorithm__EC ? "EC" : "other", cert->__size_CertificateType_sequence);
    printf("profile.network=%s %s %s\n", card->CardDetails->MCC, card->CardDetails->MNC, card->CardDetails->Network);
}

static void fault(void) {
    struct kiuru__MSS_USCORESignatureResponse answer;
    if (soap_call_kiuru__MSS_USCORESignature(
            soap, address("MSS_SignaturePort"), NULL,
            signature("+41790000000", "Anybody?", mss__MessagingModeType__synch, "STK-LoA4", 1), &answer) == SOAP_OK) {
        return;
    }
    printf("fault.code=%s\n", strrchr(soap_fault_subcode(soap), '_') + 1);
    printf("fault.reason=%s\n", soap_fault_string(soap));
    struct SOAP_ENV__Detail *detail = soap->fault->SOAP_ENV__Detail;
    if (detail->__type == SOAP_TYPE__fault__detail) {
        printf("fault.detail=%s\n", (char *)detail->fault);
    }
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    soap_ssl_init();
    soap = soap_new1(SOAP_C_UTFSTRING | SOAP_XML_STRICT);
    soap->recv_timeout = 100; /* longer than TimeOut */
    must(soap_ssl_client_context(soap, SOAP_SSL_REQUIRE_SERVER_AUTHENTICATION, "party.pem", NULL,
                                 joined(env("SIGNUM_DIR"), "/server-ca.pem"), NULL, NULL));
    synchronous();
    asynchronous();
    profiles();
    fault();
    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
    return 0;
}
