import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Signs once, then asks for the status many times at once, all over one connection. */
public class Crowd {
    static final String URL = System.getenv("SIGNUM_URL"), DIR = System.getenv("SIGNUM_DIR");

    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newBuilder().sslContext(tls(args[0])).version(HttpClient.Version.HTTP_2).build();
        String head = "\"AP_Info\":{\"AP_ID\":\"" + System.getenv("SIGNUM_AP_ID") + "\",\"AP_TransID\":\"%s\",\"Instant\":\"" + Instant.now()
            + "\"},\"MSSP_Info\":{\"MSSP_ID\":{\"URI\":\"http://mid.swisscom.ch/\"}},\"MajorVersion\":\"1\",\"MinorVersion\":\"%s\",";
        HttpResponse<String> signed = client.send(post("sign", "", "{\"MSS_SignatureReq\":{" + String.format(head, "CROWD", "2")
            + "\"MessagingMode\":\"synch\",\"MobileUser\":{\"MSISDN\":\"" + System.getenv("SIGNUM_SIM") + "\"},"
            + "\"DataToBeSigned\":{\"Data\":\"" + System.getenv("SIGNUM_PREFIX") + "crowd\"},"
            + "\"AdditionalServices\":[{\"Description\":\"http://mss.ficom.fi/TS102204/v1.0.0#userLang\",\"UserLang\":{\"Value\":\"en\"}}]}}"),
            HttpResponse.BodyHandlers.ofString());
        Matcher id = Pattern.compile("\"MSSP_TransID\":\"([^\"]+)\"").matcher(signed.body());
        if (signed.statusCode() != 200 || !id.find()) {
            throw new Exception(signed.statusCode() + " " + signed.body());
        }
        int size = Integer.parseInt(args[1]);
        List<CompletableFuture<HttpResponse<String>>> crowd = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            crowd.add(client.sendAsync(post("status", args[2], "{\"MSS_StatusReq\":{" + String.format(head, "CROWD" + i, "1")
                + "\"MSSP_TransID\":\"" + id.group(1) + "\"}}"), HttpResponse.BodyHandlers.ofString()).whenComplete((r, error) -> {
                    if (error != null) { // the others would wait for this one
                        error.printStackTrace();
                        System.exit(1);
                    }
                }));
        }
        for (CompletableFuture<HttpResponse<String>> one : crowd) {
            HttpResponse<String> r = one.get();
            if (r.version() != HttpClient.Version.HTTP_2 || r.statusCode() != 200 || !r.body().contains("\"Value\":\"500\"")) {
                throw new Exception(r.version() + " " + r.statusCode() + " " + r.body());
            }
        }
        System.out.println(size);
    }

    static HttpRequest post(String operation, String crowd, String body) {
        HttpRequest.Builder b = HttpRequest.newBuilder(URI.create(URL + "/rest/service/" + operation)).header("Content-Type", "application/json");
        if (!crowd.isEmpty()) {
            b.header("X-Crowd", crowd);
        }
        return b.POST(HttpRequest.BodyPublishers.ofString(body)).build();
    }

    static SSLContext tls(String password) throws Exception {
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store("ap.p12", password), password.toCharArray());
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store("truststore.p12", password));
        SSLContext c = SSLContext.getInstance("TLS");
        c.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return c;
    }

    static KeyStore store(String file, String password) throws Exception {
        KeyStore s = KeyStore.getInstance("PKCS12");
        try (var in = Files.newInputStream(Path.of(DIR, file))) {
            s.load(in, password.toCharArray());
        }
        return s;
    }
}
