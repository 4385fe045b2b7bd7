import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/**
 * A sending phone made of the parts that Android has: SSLServerSocket, java.util.zip.ZipOutputStream, and nothing of
 * Ferry. Usage: Phone KEYSTORE PROTOCOL BEHAVIOUR FILE... Prints "port N", then each message it gets, then "end REASON".
 * BEHAVIOUR: "plain"; "reset" drops the download inside its second entry; "slow-ack" acknowledges the status late.
 */
public final class Phone {
    private static final String TASK = "-1753642990";
    private final CountDownLatch ended = new CountDownLatch(1);
    private final String behaviour;
    private final Path[] files;
    private volatile String reason = "nothing came";

    private Phone(String behaviour, Path[] files) {
        this.behaviour = behaviour;
        this.files = files;
    }

    public static void main(String[] arguments) throws Exception {
        Path[] files = new Path[arguments.length - 3];
        for (int i = 0; i < files.length; i++) {
            files[i] = Path.of(arguments[i + 3]);
        }
        new Phone(arguments[2], files).serve(arguments[0], arguments[1]);
    }

    private void serve(String keystore, String protocol) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(Path.of(keystore))) {
            keys.load(in, "changeit".toCharArray());
        }
        KeyManagerFactory managers = KeyManagerFactory.getInstance("SunX509");
        managers.init(keys, "changeit".toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        SSLServerSocket server = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0);
        server.setEnabledProtocols(new String[] {protocol});
        System.out.println("port " + server.getLocalPort());
        Thread acceptor = new Thread(() -> accept(server));
        acceptor.setDaemon(true);
        acceptor.start();
        ended.await(60, TimeUnit.SECONDS);
        System.out.println("end " + reason);
        System.exit(0);
    }

    private void accept(SSLServerSocket server) {
        while (true) {
            try {
                SSLSocket socket = (SSLSocket) server.accept();
                Thread talker = new Thread(() -> talk(socket));
                talker.setDaemon(true);
                talker.start();
            } catch (IOException error) {
                return;
            }
        }
    }

    private void talk(SSLSocket socket) {
        try (socket) {
            String head = readHead(socket.getInputStream());
            if (head.startsWith("GET /websocket ")) {
                converse(socket, head);
            } else if (head.startsWith("GET /download?taskId=" + TASK + " ")) {
                sendArchive(socket.getOutputStream());
            } else {
                socket.getOutputStream().write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".getBytes());
            }
        } catch (Exception error) {
            System.out.println("error " + error);
        }
    }

    private static String readHead(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        while (!head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
            int octet = in.read();
            if (octet < 0) {
                throw new IOException("closed inside a head");
            }
            head.write(octet);
        }
        return head.toString(StandardCharsets.ISO_8859_1);
    }

    private void converse(SSLSocket socket, String head) throws Exception {
        String key = head.replaceAll("(?is).*sec-websocket-key: *([^\r]*)\r.*", "$1");
        byte[] digest = MessageDigest.getInstance("SHA-1")
            .digest((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").getBytes());
        OutputStream out = socket.getOutputStream();
        out.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: " + Base64.getEncoder().encodeToString(digest) + "\r\n\r\n").getBytes());
        send(out, "action:0:versionNegotiation?{\"version\":1,\"versions\":\"[1]\"}");
        DataInputStream in = new DataInputStream(socket.getInputStream());
        for (String text = receive(in); text != null; text = receive(in)) {
            System.out.println("message " + text);
            if (text.startsWith("ack:0:")) {
                send(out, offer());
            } else if (text.startsWith("action:")) {
                if (behaviour.equals("slow-ack")) {
                    Thread.sleep(500);
                }
                send(out, text.replaceAll("action:([0-9]+):([A-Za-z]+).*", "ack:$1:$2"));
                reason = text.replaceAll(".*\"type\": *([0-9]+).*", "$1");
            }
        }
        ended.countDown();
    }

    private String offer() throws IOException {
        long total = 0;
        for (Path file : files) {
            total += Files.size(file);
        }
        return "action:1:sendRequest?{\"taskId\":\"" + TASK + "\",\"id\":\"" + TASK + "\",\"senderId\":\"1c5e\","
            + "\"senderName\":\"\u5f20\u4e09\u7684\u624b\u673a\",\"fileName\":\"a.jpg\",\"mimeType\":\"image\\/jpeg\","
            + "\"fileCount\":" + files.length + ",\"totalSize\":" + total + "}";
    }

    private static void send(OutputStream out, String text) throws IOException {
        byte[] payload = text.getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream frame = new ByteArrayOutputStream();
        frame.write(0x81);
        if (payload.length < 126) {
            frame.write(payload.length);
        } else {
            frame.write(126);
            frame.write(payload.length >> 8);
            frame.write(payload.length);
        }
        frame.write(payload);
        out.write(frame.toByteArray());
        out.flush();
    }

    private static String receive(DataInputStream in) throws IOException {
        int first = in.read();
        if (first != 0x81) {
            return null; // a close frame, or the end
        }
        int length = in.readUnsignedByte() & 0x7f;
        if (length == 126) {
            length = in.readUnsignedShort();
        }
        byte[] mask = in.readNBytes(4);
        byte[] payload = in.readNBytes(length);
        for (int i = 0; i < payload.length; i++) {
            payload[i] ^= mask[i % 4];
        }
        return new String(payload, StandardCharsets.UTF_8);
    }

    private void sendArchive(OutputStream raw) throws IOException {
        raw.write("HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nTransfer-Encoding: chunked\r\n\r\n".getBytes());
        Chunks chunks = new Chunks(raw);
        ZipOutputStream zip = new ZipOutputStream(chunks);
        for (int i = 0; i < files.length; i++) {
            zip.putNextEntry(new ZipEntry(i + "/" + files[i].getFileName()));
            try (InputStream in = Files.newInputStream(files[i])) {
                if (behaviour.equals("reset") && i == 1) {
                    zip.write(in.readNBytes(100_000));
                    zip.flush();
                    raw.flush();
                    return;
                }
                in.transferTo(zip);
            }
            zip.closeEntry();
        }
        zip.close();
        raw.write("0\r\n\r\n".getBytes());
        raw.flush();
    }

    /** HTTP chunks as Ktor cuts them: 4088 bytes each. */
    private static final class Chunks extends OutputStream {
        private final OutputStream out;
        private final byte[] buffer = new byte[4088];
        private int size;

        Chunks(OutputStream out) {
            this.out = out;
        }

        @Override
        public void write(int octet) throws IOException {
            write(new byte[] {(byte) octet}, 0, 1);
        }

        @Override
        public void write(byte[] data, int offset, int length) throws IOException {
            while (length > 0) {
                int part = Math.min(length, buffer.length - size);
                System.arraycopy(data, offset, buffer, size, part);
                size += part;
                offset += part;
                length -= part;
                if (size == buffer.length) {
                    flush();
                }
            }
        }

        @Override
        public void flush() throws IOException {
            if (size > 0) {
                out.write((Integer.toHexString(size) + "\r\n").getBytes());
                out.write(buffer, 0, size);
                out.write("\r\n".getBytes());
                size = 0;
            }
        }

        @Override
        public void close() throws IOException {
            flush();
        }
    }
}
