import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/** Fetches a contract several times, each over a connection of its own. */
public class Resume {
    public static void main(String[] args) throws Exception {
        URI url = URI.create(System.getenv("SIGNUM_URL"));
        SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
        for (int i = 0; i < 3; i++) {
            try (SSLSocket s = (SSLSocket) factory.createSocket(url.getHost(), url.getPort())) {
                SSLParameters p = s.getSSLParameters();
                p.setProtocols(new String[] {args[0]});
                s.setSSLParameters(p);
                s.getOutputStream().write(("GET /rest/openapi.yaml HTTP/1.1\r\nHost: " + url.getAuthority() + "\r\nX-Session: " + args[1]
                    + "\r\nConnection: close\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
                InputStream in = s.getInputStream();
                String answer = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                if (!answer.startsWith("HTTP/1.1 200")) {
                    throw new Exception(answer);
                }
            }
        }
    }
}
