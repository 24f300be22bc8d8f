// A Java server with its certificate and key from keystore.p12 and its trust from truststore.p12, both read out of the
// mount, and read anew at SIGHUP. Java 17 or newer:
//
//   java TlsServer.java 8443 /certs/export/MACHINE_SSL_CERT/__MACHINE_CERT/keystore.p12 \
//        /certs/export/TRUSTED_ROOTS/truststore.p12 /etc/myapp/export-password
//
// keystore.p12 is encrypted with the export password (`certfs password set`), which the last argument is a file with.
// truststore.p12 has the password "changeit", for there is nothing secret in it. Whoever may read key.pem may read
// keystore.p12, so the server's user, say myapp, is granted that:
//
//   setfacl -m u:myapp:r /certs/stores/MACHINE_SSL_CERT/__MACHINE_CERT/key.pem
//
// After a renewal (connections that are open stay):
//
//   certfs watch MACHINE_SSL_CERT/__MACHINE_CERT -- systemctl kill --signal=HUP myapp

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;
import sun.misc.Signal;

public class TlsServer {
  /** Says which key a handshake uses: that of the key manager which was loaded last. */
  static class ReloadingKeyManager extends X509ExtendedKeyManager {
    private final Path keystore;
    private final Path passwordFile;
    private volatile X509ExtendedKeyManager current;

    ReloadingKeyManager(Path keystore, Path passwordFile) throws Exception {
      this.keystore = keystore;
      this.passwordFile = passwordFile;
      reload();
    }

    /** Reads the keystore. If that fails the old key stays in use. */
    final void reload() throws Exception {
      char[] password = Files.readString(passwordFile).stripTrailing().toCharArray();
      KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
      factory.init(load(keystore, password), password);
      current = (X509ExtendedKeyManager) factory.getKeyManagers()[0];
    }

    @Override public String[] getServerAliases(String type, Principal[] issuers) { return current.getServerAliases(type, issuers); }
    @Override public String[] getClientAliases(String type, Principal[] issuers) { return current.getClientAliases(type, issuers); }
    @Override public X509Certificate[] getCertificateChain(String alias) { return current.getCertificateChain(alias); }
    @Override public PrivateKey getPrivateKey(String alias) { return current.getPrivateKey(alias); }

    @Override public String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
      return current.chooseServerAlias(type, issuers, socket);
    }
    @Override public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
      return current.chooseClientAlias(types, issuers, socket);
    }
    @Override public String chooseEngineServerAlias(String type, Principal[] issuers, SSLEngine engine) {
      return current.chooseEngineServerAlias(type, issuers, engine);
    }
    @Override public String chooseEngineClientAlias(String[] types, Principal[] issuers, SSLEngine engine) {
      return current.chooseEngineClientAlias(types, issuers, engine);
    }
  }

  static KeyStore load(Path file, char[] password) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      store.load(in, password);
    }
    return store;
  }

  public static void main(String[] arguments) throws Exception {
    int port = Integer.parseInt(arguments[0]);
    ReloadingKeyManager key = new ReloadingKeyManager(Path.of(arguments[1]), Path.of(arguments[3]));
    TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
    trusted.init(load(Path.of(arguments[2]), "changeit".toCharArray()));
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(new KeyManager[] {key}, trusted.getTrustManagers(), null);

    // Chain and key are asked for one after the other in a handshake: one that a reload runs into may fail, and is
    // tried again by its client.
    Signal.handle(new Signal("HUP"), signal -> {
      try {
        key.reload();
        System.out.println("reloaded");
      } catch (Exception failure) {
        System.err.println("not reloaded, the old certificate stays in use: " + failure);
      }
    });

    HttpsServer server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    server.setHttpsConfigurator(new HttpsConfigurator(context) {
      @Override public void configure(HttpsParameters parameters) {
        SSLParameters wanted = getSSLContext().getDefaultSSLParameters();
        wanted.setProtocols(new String[] {"TLSv1.3", "TLSv1.2"});
        // To ask clients for certificates of the trusted roots: wanted.setNeedClientAuth(true);
        parameters.setSSLParameters(wanted);
      }
    });
    server.createContext("/", exchange -> {
      byte[] answer = "hello\n".getBytes();
      exchange.sendResponseHeaders(200, answer.length);
      exchange.getResponseBody().write(answer);
      exchange.close();
    });
    server.start();
    System.out.println("listening on " + server.getAddress());
  }
}
