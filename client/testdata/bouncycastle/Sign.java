import java.io.ByteArrayOutputStream;
import java.io.FileReader;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Hashtable;
import java.util.List;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.cms.CMSAttributes;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CRLHolder;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSAttributeTableGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.CMSSignedDataStreamGenerator;
import org.bouncycastle.cms.DefaultSignedAttributeTableGenerator;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/**
 * Signs the file content in the forms that applications of Bouncy Castle make.
 * Each argument is a directory with content, leaf.pem, leaf.key, chain.pem and
 * crl.pem; the signatures are written beside them.
 */
public class Sign {
    static final ASN1ObjectIdentifier NONCE = new ASN1ObjectIdentifier("1.2.840.113549.1.9.25.3");

    final Path dir;
    final PrivateKey key;
    final List<X509Certificate> certificates = new ArrayList<>();
    final byte[] content;

    Sign(Path dir) throws Exception {
        this.dir = dir;
        content = Files.readAllBytes(dir.resolve("content"));
        key = new JcaPEMKeyConverter().getPrivateKey((PrivateKeyInfo) pem("leaf.key").get(0));
        for (String file : new String[] {"leaf.pem", "chain.pem"}) {
            for (Object c : pem(file)) {
                certificates.add(new JcaX509CertificateConverter().getCertificate((X509CertificateHolder) c));
            }
        }
    }

    List<Object> pem(String file) throws Exception {
        List<Object> all = new ArrayList<>();
        try (PEMParser in = new PEMParser(new FileReader(dir.resolve(file).toFile()))) {
            for (Object o = in.readObject(); o != null; o = in.readObject()) {
                all.add(o);
            }
        }
        return all;
    }

    JcaSignerInfoGeneratorBuilder builder() throws Exception {
        return new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().setProvider("BC").build());
    }

    SignerInfoGenerator signer(JcaSignerInfoGeneratorBuilder b, String algorithm) throws Exception {
        ContentSigner s = new JcaContentSignerBuilder(algorithm).setProvider("BC").build(key);
        return b.build(s, certificates.get(0));
    }

    SignerInfoGenerator withKeyIdentifier(String algorithm, byte[] id) throws Exception {
        return builder().build(new JcaContentSignerBuilder(algorithm).setProvider("BC").build(key), id);
    }

    /** Only contentType, messageDigest and a nonce, as the public service. */
    static CMSAttributeTableGenerator nonce() {
        CMSAttributeTableGenerator usual = new DefaultSignedAttributeTableGenerator();
        return parameters -> {
            AttributeTable all = usual.getAttributes(parameters);
            Hashtable<ASN1ObjectIdentifier, Attribute> some = new Hashtable<>();
            some.put(CMSAttributes.contentType, all.get(CMSAttributes.contentType));
            some.put(CMSAttributes.messageDigest, all.get(CMSAttributes.messageDigest));
            some.put(NONCE, new Attribute(NONCE, new DERSet(new DEROctetString(new byte[] {1, 2, 3, 4, 5, 6, 7, 8}))));
            return new AttributeTable(some);
        };
    }

    /** In one piece; encoding is BER, DER or DL. */
    void whole(String name, SignerInfoGenerator s, String encoding, boolean contained) throws Exception {
        CMSSignedDataGenerator g = new CMSSignedDataGenerator();
        g.addSignerInfoGenerator(s);
        g.addCertificates(new JcaCertStore(certificates));
        if (name.contains("crl")) {
            g.addCRL((X509CRLHolder) pem("crl.pem").get(0));
        }
        write(name, g.generate(new CMSProcessableByteArray(content), contained).getEncoded(encoding));
    }

    /** As a stream with parts of so many bytes. */
    void stream(String name, SignerInfoGenerator s, int part) throws Exception {
        CMSSignedDataStreamGenerator g = new CMSSignedDataStreamGenerator();
        g.setBufferSize(part);
        g.addSignerInfoGenerator(s);
        g.addCertificates(new JcaCertStore(certificates));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (OutputStream in = g.open(out, true)) {
            in.write(content);
        }
        write(name, out.toByteArray());
    }

    void write(String name, byte[] signature) throws Exception {
        Files.write(dir.resolve(name + ".p7"), signature);
    }

    void all() throws Exception {
        boolean rsa = key.getAlgorithm().equals("RSA");
        for (String hash : new String[] {"SHA256", "SHA384", "SHA512"}) {
            String[] algorithms = rsa ? new String[] {hash + "withRSA", hash + "withRSAandMGF1"} : new String[] {hash + "withECDSA"};
            for (String a : algorithms) {
                for (String encoding : new String[] {"BER", "DER", "DL"}) {
                    whole(a + "-" + encoding, signer(builder(), a), encoding, true);
                }
                stream(a + "-stream", signer(builder(), a), 1000);
            }
        }
        String a = rsa ? "SHA256withRSA" : "SHA256withECDSA";
        stream("parts", signer(builder(), a), 5);
        whole("detached", signer(builder(), a), "BER", false);
        whole("key-identifier", withKeyIdentifier(a, keyIdentifier()), "BER", true);
        whole("crl", signer(builder(), a), "BER", true);
        whole("no-attributes", signer(builder().setDirectSignature(true), a), "BER", true);
        whole("public-DER", signer(builder().setSignedAttributeGenerator(nonce()), a), "DER", true);
        whole("public-BER", signer(builder().setSignedAttributeGenerator(nonce()), a), "BER", true);
        stream("public-stream", signer(builder().setSignedAttributeGenerator(nonce()), a), 1000);
    }

    byte[] keyIdentifier() {
        byte[] extension = certificates.get(0).getExtensionValue("2.5.29.14");
        return java.util.Arrays.copyOfRange(extension, 4, extension.length);
    }

    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        for (String dir : args) {
            new Sign(Path.of(dir)).all();
        }
    }
}
