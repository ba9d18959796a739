// Sends one push as Java backends do: javax.net.ssl with a PKCS#12 key store.
// Runs on Java 11 and later, without compiling first: `java Push.java --help` says how.

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public final class Push {
    private static final String USAGE = String.join("\n",
        "usage: java Push.java --token HEX [options]",
        "",
        "  --token HEX        the device token (required)",
        "  --host NAME        the gateway or the simulator         [127.0.0.1]",
        "  --port N           its binary provider port             [22000]",
        "  --keystore FILE    certificate and key, PKCS#12         [aps_developer_identity.p12]",
        "  --password TEXT    of the key store                     [none]",
        "  --ca FILE          the CA to trust, PEM or DER          [ca.pem]",
        "  --alert TEXT       what the phone is to show            [Hello from Java]",
        "  --command 0|1|2    simple, enhanced, framed             [2]",
        "  --wait SECONDS     how long to wait for an error        [1]",
        "",
        "Exit codes: 0 no error came, which is all the protocol says of success; 1 the push failed; 2 usage.");

    /** Ours to choose; an error packet names it. */
    private static final int IDENTIFIER = 0x0badcafe;

    private static final Map<Integer, String> STATUSES = Map.ofEntries(
        Map.entry(0, "no errors"),
        Map.entry(1, "processing error: the server had trouble, send it again"),
        Map.entry(2, "missing device token"),
        Map.entry(3, "missing topic"),
        Map.entry(4, "missing payload"),
        Map.entry(5, "invalid token size"),
        Map.entry(6, "invalid topic size"),
        Map.entry(7, "invalid payload size"),
        Map.entry(8, "invalid token: no phone has it for this app in this environment; delete it, and do not send to it again"),
        Map.entry(10, "shutdown: the named notification was the last one sent"),
        Map.entry(128, "protocol error"),
        Map.entry(255, "unknown"));

    public static void main(String[] arguments) throws IOException {
        Map<String, String> options = options(arguments);
        byte[] frame = frame(options);
        int wait = waitMillis(options.get("wait"));
        try (SSLSocket socket = connect(options)) {
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            out.write(frame);
            out.flush();
            System.out.println(answer(socket, options, wait));
        } catch (SSLException error) {
            stop(1, "no TLS connection: " + error.getMessage() + hint(error));
        } catch (ConnectException error) {
            stop(1, error.getMessage() + "; does the simulator or the gateway run at "
                + options.get("host") + ":" + options.get("port") + "?");
        } catch (IOException error) {
            stop(1, "the connection failed: " + error);
        }
    }

    private static Map<String, String> options(String[] arguments) {
        Map<String, String> options = new LinkedHashMap<>(Map.of(
            "token", "", "host", "127.0.0.1", "port", "22000", "keystore", "aps_developer_identity.p12", "password", "",
            "ca", "ca.pem", "alert", "Hello from Java", "command", "2", "wait", "1"));
        for (int i = 0; i < arguments.length; i += 2) {
            if (arguments[i].equals("--help") || arguments[i].equals("-h")) {
                System.out.println(USAGE);
                System.exit(0);
            }
            String name = arguments[i].startsWith("--") ? arguments[i].substring(2) : "";
            if (!options.containsKey(name)) {
                stop(2, "unknown option " + arguments[i] + "; --help lists them");
            }
            if (i + 1 == arguments.length) {
                stop(2, arguments[i] + " wants a value");
            }
            options.put(name, arguments[i + 1]);
        }
        if (!options.get("token").matches("([0-9a-fA-F]{2})+")) {
            stop(2, "give the device token with --token, in hexadecimal; the simulator prints it when a phone registers");
        }
        if (!options.get("command").matches("[012]")) {
            stop(2, "--command is 0, 1 or 2");
        }
        return options;
    }

    private static int waitMillis(String seconds) {
        try {
            return Math.max(1, (int) (Double.parseDouble(seconds) * 1000)); // 0 would be for ever
        } catch (NumberFormatException error) {
            return stop(2, "--wait is a number of seconds");
        }
    }

    /** One notification; numbers are big-endian. */
    private static byte[] frame(Map<String, String> options) throws IOException {
        byte[] token = bytes(options.get("token"));
        byte[] payload = ("{\"aps\":{\"alert\":" + json(options.get("alert")) + ",\"sound\":\"default\"}}")
            .getBytes(StandardCharsets.UTF_8);
        int command = Integer.parseInt(options.get("command"));
        int expiry = (int) (System.currentTimeMillis() / 1000) + 3600;
        ByteArrayOutputStream buffer = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(buffer);
        out.writeByte(command);
        if (command == 2) {
            out.writeInt(3 + token.length + 3 + payload.length + 7 + 7 + 4);
            item(out, 1, token.length).write(token);
            item(out, 2, payload.length).write(payload);
            item(out, 3, 4).writeInt(IDENTIFIER);
            item(out, 4, 4).writeInt(expiry);
            item(out, 5, 1).writeByte(10); // at once
        } else {
            if (command == 1) {
                out.writeInt(IDENTIFIER);
                out.writeInt(expiry);
            }
            out.writeShort(token.length);
            out.write(token);
            out.writeShort(payload.length);
            out.write(payload);
        }
        return buffer.toByteArray();
    }

    private static DataOutputStream item(DataOutputStream out, int id, int length) throws IOException {
        out.writeByte(id);
        out.writeShort(length);
        return out;
    }

    private static byte[] bytes(String hex) {
        byte[] bytes = new byte[hex.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        }
        return bytes;
    }

    private static String json(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c < ' ' || c == '"' || c == '\\') {
                json.append(String.format("\\u%04x", (int) c));
            } else {
                json.append(c);
            }
        }
        return json.append('"').toString();
    }

    private static SSLSocket connect(Map<String, String> options) throws IOException {
        SSLContext context = context(options);
        SSLSocket socket = (SSLSocket) context.getSocketFactory()
            .createSocket(options.get("host"), port(options.get("port")));
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS"); // or any host's certificate would do
        socket.setSSLParameters(parameters);
        socket.setSoTimeout(10_000);
        socket.startHandshake();
        return socket;
    }

    private static int port(String text) {
        if (!text.matches("[1-9][0-9]{0,4}") || Integer.parseInt(text) > 65535) {
            stop(2, "--port is a number from 1 to 65535");
        }
        return Integer.parseInt(text);
    }

    private static SSLContext context(Map<String, String> options) {
        String keyStore = options.get("keystore");
        String ca = options.get("ca");
        String file = keyStore;
        try {
            char[] password = options.get("password").toCharArray();
            KeyStore own = KeyStore.getInstance("PKCS12");
            try (InputStream in = Files.newInputStream(Path.of(keyStore))) {
                own.load(in, password);
            }
            if (Collections.list(own.aliases()).stream().noneMatch(alias -> isKey(own, alias))) {
                stop(1, keyStore + " holds no key together with its certificate; `apns-certs inspect` says what it holds");
            }
            KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(own, password);

            file = ca;
            KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null, null);
            try (InputStream in = Files.newInputStream(Path.of(ca))) {
                for (Certificate certificate : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                    trusted.setCertificateEntry("ca" + trusted.size(), certificate);
                }
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(trusted);

            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
            return context;
        } catch (IOException | GeneralSecurityException error) {
            String option = file.equals(ca) ? "--ca" : "--keystore and --password";
            return stop(1, "cannot use " + file + ": " + error + "; see " + option);
        }
    }

    private static boolean isKey(KeyStore store, String alias) {
        try {
            return store.isKeyEntry(alias);
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException("the store was just loaded", error);
        }
    }

    /** What to tell the user when all went well; everything else ends the process. */
    private static String answer(SSLSocket socket, Map<String, String> options, int wait) throws IOException {
        socket.setSoTimeout(wait);
        DataInputStream in = new DataInputStream(socket.getInputStream());
        try {
            int command = in.readUnsignedByte();
            int status = in.readUnsignedByte();
            int identifier = in.readInt();
            if (command != 8) {
                return stop(1, String.format("not an answer of this protocol: %02x%02x%08x", command, status, identifier));
            }
            String means = STATUSES.getOrDefault(status, "nobody has assigned it");
            return stop(1, String.format("error packet: status %d (%s), identifier 0x%08x", status, means, identifier));
        } catch (SocketTimeoutException silence) {
            return "sent; no error within " + options.get("wait") + " s";
        } catch (EOFException closed) {
            return stop(1, options.get("command").equals("0")
                ? "refused: the server closed the connection, which is all it says to command 0; try --command 2"
                : "the server closed the connection without an error packet: the push may be lost, send it again");
        }
    }

    /** What the words of Java's TLS mean here. */
    private static String hint(SSLException error) {
        String said = String.valueOf(error.getMessage());
        if (said.contains("PKIX") || said.contains("No subject alternative")) {
            return "; the server's certificate is not from the CA in --ca, or not for --host";
        }
        if (said.contains("certificate_revoked")) {
            return "; the certificate is for the other environment (sandbox or production), or revoked";
        }
        if (said.contains("certificate_expired")) {
            return "; the push certificate has expired: issue a new one";
        }
        if (said.contains("certificate_unknown")) {
            return "; the server takes no push certificates, or this is none: is --port its binary provider port?";
        }
        if (said.contains("unknown_ca")) {
            return "; the server does not trust the CA that issued the push certificate";
        }
        return "";
    }

    /** Ends the process; the value is for the compiler. */
    private static <T> T stop(int code, String line) {
        System.err.println("Push.java: " + line);
        System.exit(code);
        return null;
    }
}
