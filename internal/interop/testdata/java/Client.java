// A client of the kind that integrators have had for years: Java 8, HttpsURLConnection,
// SOAP and JSON written by hand, Bouncy Castle for the signature. All settings come from
// java-client.properties, as they are.

import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.Socket;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

public class Client {
    static final String MSS = "http://uri.etsi.org/TS102204/v1.1.2#";
    static final String TEXT = "Test: Do you want to login?";
    static final String RECEIPT = "Login completed successfully";
    static final Properties conf = new Properties();

    static String setting(String name) {
        String value = conf.getProperty(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalStateException(name + " is not set");
        }
        return value;
    }

    static KeyStore store(String type, String file, String password) throws Exception {
        KeyStore s = KeyStore.getInstance(type);
        try (InputStream in = new FileInputStream(file)) {
            s.load(in, password.toCharArray());
        }
        return s;
    }

    /** Uses the key with the configured alias and no other. */
    static class OneKey extends X509ExtendedKeyManager {
        final X509ExtendedKeyManager all;
        final String alias = setting("client.keyStore.certAlias");

        OneKey(X509ExtendedKeyManager all) { this.all = all; }

        public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) { return alias; }
        public String[] getClientAliases(String type, Principal[] issuers) { return new String[] {alias}; }
        public X509Certificate[] getCertificateChain(String name) { return all.getCertificateChain(name); }
        public PrivateKey getPrivateKey(String name) { return all.getPrivateKey(name); }
        public String[] getServerAliases(String type, Principal[] issuers) { return null; }
        public String chooseServerAlias(String type, Principal[] issuers, Socket socket) { return null; }
    }

    static SSLContext context(String keyStore) throws Exception {
        KeyStore keys = store(KeyStore.getDefaultType(), keyStore, setting("client.keyStore.password"));
        KeyManagerFactory k = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        k.init(keys, setting("client.keyStore.keyPassword").toCharArray());
        KeyStore trusted = store(KeyStore.getDefaultType(), setting("server.trustStore.file"), setting("server.trustStore.password"));
        TrustManagerFactory t = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        t.init(trusted);
        SSLContext c = SSLContext.getInstance(setting("client.tls.sslContext"));
        c.init(new KeyManager[] {new OneKey((X509ExtendedKeyManager) k.getKeyManagers()[0])}, t.getTrustManagers(), null);
        return c;
    }

    static String post(SSLContext tls, String url, String type, String body) throws IOException {
        HttpsURLConnection c = (HttpsURLConnection) new URL(url).openConnection();
        c.setSSLSocketFactory(tls.getSocketFactory());
        c.setConnectTimeout(1000 * Integer.parseInt(setting("client.http.connectionTimeoutInSeconds")));
        c.setReadTimeout(1000 * Integer.parseInt(setting("client.http.responseTimeoutInSeconds")));
        c.setDoOutput(true);
        c.setRequestProperty("Content-Type", type);
        c.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
        InputStream in = c.getResponseCode() == HttpURLConnection.HTTP_OK ? c.getInputStream() : c.getErrorStream();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] piece = new byte[4096];
        for (int n; (n = in.read(piece)) >= 0; ) {
            out.write(piece, 0, n);
        }
        return new String(out.toByteArray(), StandardCharsets.UTF_8);
    }

    static String head(String prefix) {
        return "<" + prefix + "AP_Info AP_ID=\"" + setting("client.msspApId") + "\" AP_TransID=\"A" + UUID.randomUUID()
            + "\" AP_PWD=\"" + setting("client.msspApPassword") + "\" Instant=\"" + Instant.now() + "\"/>"
            + "<" + prefix + "MSSP_Info><" + prefix + "MSSP_ID><" + prefix + "URI>http://mid.swisscom.ch/</" + prefix + "URI></"
            + prefix + "MSSP_ID></" + prefix + "MSSP_Info>";
    }

    static String soap(SSLContext tls, String url, String operation, String message) throws IOException {
        return post(tls, setting("server.soap." + url), "application/soap+xml;charset=UTF-8",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soap:Envelope xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\"><soap:Body>"
            + "<" + operation + " xmlns=\"\">" + message + "</" + operation + "></soap:Body></soap:Envelope>");
    }

    static String user(String number) {
        return "<m:MobileUser><m:MSISDN>" + number + "</m:MSISDN></m:MobileUser>";
    }

    static String sign(SSLContext tls, String number, String mode) throws IOException {
        return soap(tls, "signatureUrl", "MSS_Signature",
            "<m:MSS_SignatureReq xmlns:m=\"" + MSS + "\" MajorVersion=\"1\" MinorVersion=\"1\" MessagingMode=\"" + mode
            + "\" TimeOut=\"80\">" + head("m:") + user(number)
            + "<m:DataToBeSigned MimeType=\"text/plain\" Encoding=\"UTF-8\">" + TEXT + "</m:DataToBeSigned>"
            + "<m:SignatureProfile><m:mssURI>http://mid.swisscom.ch/Any-LoA4</m:mssURI></m:SignatureProfile></m:MSS_SignatureReq>");
    }

    static String found(String answer, String pattern) {
        Matcher m = Pattern.compile(pattern).matcher(answer);
        if (!m.find()) {
            throw new IllegalStateException("no " + pattern + " in " + answer);
        }
        return m.group(1);
    }

    static String restMember(String answer, String name) {
        return found(answer, "\"" + name + "\":\"([^\"]*)\"");
    }

    static void say(String name, Object value) {
        System.out.println(name + "=" + value);
    }

    /** Checks a signature as a relying party does that trusts the CAs of the trust store. */
    static void validate(String name, String base64) throws Exception {
        CMSSignedData cms = new CMSSignedData(Base64.getDecoder().decode(base64));
        SignerInformation signer = cms.getSignerInfos().getSigners().iterator().next();
        List<X509Certificate> chain = new ArrayList<>();
        X509Certificate leaf = null;
        for (X509CertificateHolder h : cms.getCertificates().getMatches(null)) {
            X509Certificate c = new JcaX509CertificateConverter().getCertificate(h);
            chain.add(c);
            if (signer.getSID().match(h)) {
                leaf = c;
            }
        }
        leaf.checkValidity();
        PKIXParameters trust = new PKIXParameters(store(setting("client.signatureValidation.trustStore.type"),
            setting("client.signatureValidation.trustStore.file"), setting("client.signatureValidation.trustStore.password")));
        trust.setRevocationEnabled(false);
        CertificateFactory x509 = CertificateFactory.getInstance("X.509");
        CertPathValidator path = CertPathValidator.getInstance("PKIX");
        path.validate(x509.generateCertPath(chain), trust); // as the CMS has it
        path.validate(x509.generateCertPath(java.util.Collections.singletonList(leaf)), trust); // by the issuing CA alone
        say(name + ".signature", signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(leaf)));
        say(name + ".text", new String((byte[]) cms.getSignedContent().getContent(), StandardCharsets.UTF_8));
    }

    static void overSOAP(SSLContext tls, String number) throws Exception {
        String signed = sign(tls, number, "synch");
        say("soap.status", found(signed, "StatusCode Value=\"(\\d+)\""));
        validate("soap", found(signed, "<[\\w:]*Base64Signature>([^<]+)<"));

        String receipt = soap(tls, "receiptUrl", "MSS_Receipt",
            "<m:MSS_ReceiptReq xmlns:m=\"" + MSS + "\" MajorVersion=\"1\" MinorVersion=\"1\" MSSP_TransID=\""
            + found(signed, "MSSP_TransID=\"([^\"]+)\"") + "\">" + head("m:") + user(number)
            + "<m:Status><m:StatusCode Value=\"100\"/><m:StatusMessage>REQUEST_OK</m:StatusMessage></m:Status>"
            + "<m:Message MimeType=\"text/plain\" Encoding=\"UTF-8\">" + RECEIPT + "</m:Message></m:MSS_ReceiptReq>");
        say("soap.receipt", found(receipt, "StatusCode Value=\"(\\d+)\""));

        String accepted = sign(tls, number, "asynchClientServer");
        say("soap.asynchronous", found(accepted, "StatusCode Value=\"(\\d+)\""));
        String query = "MSSP_TransID=\"" + found(accepted, "MSSP_TransID=\"([^\"]+)\"") + "\">";
        String status;
        do {
            status = soap(tls, "statusQueryUrl", "MSS_StatusQuery", "<m:MSS_StatusReq xmlns:m=\"" + MSS
                + "\" MajorVersion=\"1\" MinorVersion=\"1\" " + query + head("m:") + "</m:MSS_StatusReq>");
        } while (found(status, "StatusCode Value=\"(\\d+)\"").equals("504"));
        say("soap.query", found(status, "StatusCode Value=\"(\\d+)\""));
        validate("soap.query", found(status, "<[\\w:]*Base64Signature>([^<]+)<"));

        String profile = soap(tls, "profileQueryUrl", "MSS_ProfileQuery", "<m:MSS_ProfileReq xmlns:m=\"" + MSS
            + "\" MajorVersion=\"1\" MinorVersion=\"0\">" + head("m:") + user(number) + "</m:MSS_ProfileReq>");
        say("soap.profile", found(profile, "StatusCode Value=\"(\\d+)\""));
    }

    static void overREST(String name, SSLContext tls, String number) throws Exception {
        String answer = post(tls, setting("server.rest.url") + "/sign", "application/json;charset=utf-8",
            "{\"MSS_SignatureReq\":{\"MajorVersion\":\"1\",\"MinorVersion\":\"2\",\"AP_Info\":{\"AP_ID\":\"" + setting("client.msspApId")
            + "\",\"AP_PWD\":\"" + setting("client.msspApPassword") + "\",\"AP_TransID\":\"A" + UUID.randomUUID() + "\",\"Instant\":\""
            + Instant.now() + "\"},\"MSSP_Info\":{\"MSSP_ID\":{\"URI\":\"http://mid.swisscom.ch/\"},\"Instant\":\"" + Instant.now()
            + "\"},\"MessagingMode\":\"synch\",\"MobileUser\":{\"MSISDN\":\"" + number + "\"},\"TimeOut\":\"80\","
            + "\"SignatureProfile\":\"http://mid.swisscom.ch/Any-LoA4\",\"DataToBeSigned\":{\"MimeType\":\"text/plain\","
            + "\"Encoding\":\"UTF-8\",\"Data\":\"" + TEXT + "\"}}}");
        say(name + ".status", found(answer, "\"StatusCode\":\\{\"Value\":\"?(\\d+)"));
        validate(name, restMember(answer, "Base64Signature"));
    }

    /** Arguments: java-client.properties, the RSA key store, the numbers of two users. */
    public static void main(String[] args) throws Exception {
        java.security.Security.addProvider(new BouncyCastleProvider());
        try (InputStream in = new FileInputStream(args[0])) {
            conf.load(in);
        }
        SSLContext tls = context(setting("client.keyStore.file"));
        overSOAP(tls, args[2]);
        overREST("rest", tls, args[3]);
        overREST("rsa", context(args[1]), args[3]);
    }
}
