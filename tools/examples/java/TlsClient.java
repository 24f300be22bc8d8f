// A Java client that trusts the roots of the mount and nothing else:
//
//   java TlsClient.java https://localhost:8443/ /certs/export/TRUSTED_ROOTS/truststore.p12
//
// For a program that is there already two options do the same, without a line of code:
//
//   java -Djavax.net.ssl.trustStore=/certs/export/TRUSTED_ROOTS/truststore.p12 \
//        -Djavax.net.ssl.trustStorePassword=changeit …

import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class TlsClient {
  public static void main(String[] arguments) throws Exception {
    KeyStore roots = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(Path.of(arguments[1]))) {
      roots.load(in, "changeit".toCharArray());
    }
    TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
    trusted.init(roots);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trusted.getTrustManagers(), null);

    HttpClient client = HttpClient.newBuilder().sslContext(context).build();
    HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0])).build();
    HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
    X509Certificate server = (X509Certificate) response.sslSession().get().getPeerCertificates()[0];
    System.out.println("serial " + server.getSerialNumber().toString(16));
    System.out.print(response.body());
  }
}
