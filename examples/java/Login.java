// A log-in over REST. It needs Java 17, and nothing else: java Login.java
import java.net.URI;
import java.net.http.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.time.Instant;
import java.util.UUID;
import java.util.regex.Pattern;
import javax.net.ssl.*;

public class Login {
    static final Path BOX = Path.of(System.getenv("SIGNUM_SANDBOX"));
    static final String NUMBER = "+41791000001", TEXT = "Sandbox: Log in to example.com?";

    public static void main(String[] args) throws Exception {
        // The user approves. The command fails unless a user of the sandbox signed exactly this text.
        String answer = sign(NUMBER, TEXT);
        Process verify = new ProcessBuilder("signum", "verify", "--text", TEXT, "-").start();
        try (var in = verify.getOutputStream()) { in.write(member(answer, "Base64Signature").getBytes()); }
        if (verify.waitFor() != 0) throw new AssertionError("no good signature: " + answer);
        System.out.println("signed: " + TEXT);

        // The user refuses.
        post("/sandbox/phone", "{\"msisdn\":\"" + NUMBER + "\",\"behaviour\":\"cancel\"}");
        answer = sign(NUMBER, TEXT);
        post("/sandbox/phone", "{\"msisdn\":\"" + NUMBER + "\",\"behaviour\":\"approve\"}");
        if (!member(answer, "Reason").equals("USER_CANCEL")) throw new AssertionError("not refused: " + answer);
        System.out.println("refused: 401");
    }

    static String sign(String number, String text) throws Exception {
        return post("/rest/service/sign", """
            {"MSS_SignatureReq":{"MajorVersion":"1","MinorVersion":"2","MessagingMode":"synch","TimeOut":"80",
            "AP_Info":{"AP_ID":"mid://sandbox","AP_PWD":"disabled","AP_TransID":"T%s","Instant":"%s"},
            "MSSP_Info":{"MSSP_ID":{"URI":"http://mid.swisscom.ch/"},"Instant":"%2$s"},"MobileUser":{"MSISDN":"%s"},
            "SignatureProfile":"http://mid.swisscom.ch/Any-LoA4","DataToBeSigned":{"MimeType":"text/plain","Encoding":"UTF-8","Data":"%s"},
            "AdditionalServices":[{"Description":"http://mss.ficom.fi/TS102204/v1.0.0#userLang","UserLang":{"Value":"en"}}]}}
            """.formatted(UUID.randomUUID(), Instant.now(), number, text));
    }

    static String post(String path, String body) throws Exception {
        var password = "secret".toCharArray();
        var keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(KeyStore.getInstance(BOX.resolve("ap.p12").toFile(), password), password);
        var trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(KeyStore.getInstance(BOX.resolve("truststore.p12").toFile(), password));
        var tls = SSLContext.getInstance("TLS");
        tls.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        var url = member(Files.readString(BOX.resolve("sandbox.json")), "base_url") + path;
        var request = HttpRequest.newBuilder(URI.create(url)).header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body));
        return HttpClient.newBuilder().sslContext(tls).build().send(request.build(), HttpResponse.BodyHandlers.ofString()).body();
    }

    static String member(String json, String name) {
        var m = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"]*)\"").matcher(json);
        return m.find() ? m.group(1) : "";
    }
}
