// Signs, asks for receipts and profiles with the classes that wsimport makes from the
// served WSDL. The key store and the trust store are system properties.

import jakarta.xml.ws.soap.SOAPFaultException;
import java.math.BigInteger;
import java.net.URL;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;
import javax.xml.datatype.DatatypeFactory;
import javax.xml.namespace.QName;
import mobileid.*;

public class Client {
    static final String MID = "http://mid.swisscom.ch/";
    static final String SIM = System.getenv("SIGNUM_SIM");
    static final String APP = System.getenv("SIGNUM_APP");

    static void say(String name, Object value) {
        System.out.println(name + "=" + value);
    }

    static <M extends MessageAbstractType> M head(M message, int major, int minor) throws Exception {
        var ap = new MessageAbstractType.APInfo();
        ap.setAPID(System.getenv("SIGNUM_AP_ID"));
        ap.setAPTransID("T" + UUID.randomUUID());
        ap.setInstant(DatatypeFactory.newInstance().newXMLGregorianCalendar(
            Instant.now().truncatedTo(ChronoUnit.MILLIS).toString()));
        var member = new MeshMemberType();
        member.setURI(MID);
        var mssp = new MessageAbstractType.MSSPInfo();
        mssp.setMSSPID(member);
        message.setAPInfo(ap);
        message.setMSSPInfo(mssp);
        message.setMajorVersion(BigInteger.valueOf(major));
        message.setMinorVersion(BigInteger.valueOf(minor));
        return message;
    }

    static MssURIType uri(String value) {
        var uri = new MssURIType();
        uri.setMssURI(value);
        return uri;
    }

    static MobileUserType user(String number) {
        var user = new MobileUserType();
        user.setMSISDN(number);
        return user;
    }

    static DataType text(String content) {
        var data = new DataType();
        data.setValue(System.getenv("SIGNUM_PREFIX") + content);
        data.setMimeType("text/plain");
        data.setEncoding("UTF-8");
        return data;
    }

    static AdditionalServiceType service(String uri) {
        var service = new AdditionalServiceType();
        service.setDescription(uri(uri));
        return service;
    }

    static MSSSignatureReqType signature(String number, String content, MessagingModeType mode, String profile, String... more)
            throws Exception {
        var request = head(new MSSSignatureReqType(), 1, 1);
        request.setMessagingMode(mode);
        request.setTimeOut(BigInteger.valueOf(80));
        request.setMobileUser(user(number));
        request.setDataToBeSigned(text(content));
        request.setSignatureProfile(uri(MID + profile));
        var language = service("http://mss.ficom.fi/TS102204/v1.0.0#userLang");
        language.setUserLang("en");
        request.setAdditionalServices(new MSSSignatureReqType.AdditionalServices());
        var services = request.getAdditionalServices().getService();
        services.add(language);
        Arrays.stream(more).map(Client::service).forEach(services::add);
        return request;
    }

    static String status(StatusType status) {
        return status.getStatusCode().getValue() + " " + status.getStatusMessage();
    }

    static String base64(byte[] octets) {
        return Base64.getEncoder().encodeToString(octets);
    }

    public static void main(String[] args) throws Exception {
        URL wsdl = Path.of("signum.wsdl").toUri().toURL();
        MSSSignatureType signatures = new MSSSignatureService(wsdl).getMSSSignaturePort();
        MSSReceiptType receipts = new MSSReceiptService(wsdl).getMSSReceiptPort();

        var signed = signatures.mssSignature(signature(SIM, "Log in to example.com?", MessagingModeType.SYNCH, "STK-LoA4",
            "http://mid.swisscom.ch/as#geofencing", "http://mid.swisscom.ch/as#subscriberInfo"));
        say("sign.status", status(signed.getStatus()));
        say("sign.profile", signed.getSignatureProfile().getMssURI());
        say("sign.signature", base64(signed.getMSSSignature().getBase64Signature()));
        var responses = signed.getStatus().getStatusDetail().getServiceResponses().getServiceResponse();
        say("sign.country", responses.get(0).getGeoFencing().getCountry());
        var detail = responses.get(1).getSubscriberInfo().getDetail().get(0);
        say("sign.network", detail.getId() + "=" + detail.getValue());

        var thanks = head(new MSSReceiptReqType(), 1, 1);
        thanks.setMSSPTransID(signed.getMSSPTransID());
        thanks.setMobileUser(user(SIM));
        thanks.setMessage(text("Thank you"));
        var receipt = receipts.mssReceipt(thanks);
        say("receipt.status", status(receipt.getStatus()));
        say("receipt.extension", receipt.getStatus().getStatusDetail() == null ? "none" : "there");

        asynchronous(signatures, receipts, wsdl);
        profiles(wsdl);

        try {
            signatures.mssSignature(signature("+41790000000", "Anybody?", MessagingModeType.SYNCH, "STK-LoA4"));
        } catch (SOAPFaultException e) {
            QName subcode = (QName) e.getFault().getFaultSubcodes().next();
            say("fault.code", subcode.getLocalPart().substring(1));
            say("fault.reason", e.getFault().getFaultString());
            say("fault.detail", e.getFault().getDetail().getFirstChild().getTextContent());
        }
    }

    static void asynchronous(MSSSignatureType signatures, MSSReceiptType receipts, URL wsdl) throws Exception {
        var asked = signatures.mssSignature(
            signature(APP, "Zürich: 12.50 € & <more>?", MessagingModeType.ASYNCH, "Device-LoA4"));
        say("async.status", status(asked.getStatus()));
        MSSStatusQueryType queries = new MSSStatusService(wsdl).getMSSStatusQueryPort();
        MSSStatusRespType outcome;
        do {
            Thread.sleep(50);
            var query = head(new MSSStatusReqType(), 1, 1);
            query.setMSSPTransID(asked.getMSSPTransID());
            outcome = queries.mssStatusQuery(query);
        } while (outcome.getStatus().getStatusCode().getValue().intValue() == 504);
        say("async.outcome", status(outcome.getStatus()));
        say("async.signature", base64(outcome.getMSSSignature().getBase64Signature()));

        var language = new ReceiptProfileType();
        language.setLanguage("de");
        language.setReceiptProfileURI("http://mss.swisscom.ch/synch");
        var ask = new ReceiptRequestExtensionType();
        ask.setReceiptMessagingMode(ReceiptMessagingModeType.SYNCH);
        ask.setUserAck(true);
        ask.setReceiptProfile(language);
        var status = new StatusType();
        status.setStatusCode(new StatusCodeType());
        status.getStatusCode().setValue(BigInteger.valueOf(100));
        status.setStatusDetail(new StatusType.StatusDetail());
        status.getStatusDetail().setReceiptRequestExtension(ask);
        var request = head(new MSSReceiptReqType(), 1, 1);
        request.setMSSPTransID(asked.getMSSPTransID());
        request.setMobileUser(user(APP));
        request.setStatus(status);
        request.setMessage(text("Danke"));
        var extended = receipts.mssReceipt(request);
        say("extended.status", status(extended.getStatus()));
        var said = extended.getStatus().getStatusDetail().getReceiptResponseExtension();
        say("extended.ack", said.getReceiptMessagingMode().value() + " " + said.isUserAck());
        say("extended.response", said.getUserResponse());
    }

    static void profiles(URL wsdl) throws Exception {
        MSSProfileType queries = new MSSProfileService(wsdl).getMSSProfilePort();
        var query = head(new MSSProfileReqType(), 2, 0);
        query.setMobileUser(user(SIM));
        var plain = queries.mssProfileQuery(query);
        say("plain.status", status(plain.getStatus()));
        say("plain.profiles", plain.getSignatureProfile().stream()
            .map(p -> p.getMssURI().substring(MID.length())).sorted().collect(Collectors.joining(" ")));
        say("plain.extension", plain.getStatus().getStatusDetail() == null ? "none" : "there");

        query = head(new MSSProfileReqType(), 2, 0);
        query.setMobileUser(user(SIM));
        query.getParams().addAll(List.of("sscds", "state", "certs", "pinstatus", "carddetails", "rcstatus", "aastatus"));
        var extension = queries.mssProfileQuery(query).getStatus().getStatusDetail().getProfileQueryExtension();
        var card = extension.getSscds().getSim();
        say("profile.sim", card.getState());
        say("profile.blocked", card.getPinStatus().isBlocked());
        say("profile.recovery", extension.getMobileUser().isRecoveryCodeCreated());
        var cert = card.getMobileUserCertificate().get(0);
        long certs = cert.getX509CertificateAndX509SubjectName().stream().filter(byte[].class::isInstance).count();
        say("profile.cert", cert.getState() + " " + cert.getAlgorithm() + " " + certs);
        var details = card.getCardDetails();
        say("profile.network", details.getMCC() + " " + details.getMNC() + " " + details.getNetwork());
    }
}
