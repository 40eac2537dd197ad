import java.nio.file.Path;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.wait.strategy.Wait;
import org.testcontainers.utility.DockerImageName;

/**
 * A sandbox in a container, for tests in Java. Build its image with "make image", and load it into Docker.
 *
 * <pre>
 * try (SignumContainer signum = new SignumContainer()) {
 *     signum.start();
 *     Path box = signum.files(Files.createTempDirectory("signum"));
 *     // Call signum.url() + "/rest/service/sign" with box/ap.p12 and box/truststore.p12, see ../java.
 *     signum.phone("+41791000001", "cancel"); // the next request is refused
 * }
 * </pre>
 */
public class SignumContainer extends GenericContainer<SignumContainer> {
    private static final int PORT = 8443;

    public SignumContainer() {
        super(DockerImageName.parse("localhost/signum:latest"));
        withExposedPorts(PORT);
        withEnv("SIGNUM_HOST", "localhost"); // the name in the certificate; another one if Docker is on another machine
        waitingFor(Wait.forLogMessage("ready https://.*\\n", 1));
    }

    /** The address of the service. That in sandbox.json has the port inside the container. */
    public String url() {
        return "https://" + getHost() + ":" + getMappedPort(PORT);
    }

    /** Copies what a client needs to a directory, and returns it. The password of the .p12 files is "secret". */
    public Path files(Path dir) {
        for (String name : new String[] {"ap.p12", "truststore.p12", "user-ca.pem", "sandbox.json"}) {
            copyFileFromContainer("/data/" + name, dir.resolve(name).toString());
        }
        return dir;
    }

    /** Says what the user of a number does from now on: approve, cancel, silent and others. */
    public void phone(String number, String behaviour) throws Exception {
        ExecResult said = execInContainer("/signum", "phone", "set", number, behaviour);
        if (said.getExitCode() != 0) {
            throw new IllegalStateException(said.getStderr());
        }
    }
}
