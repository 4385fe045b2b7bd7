/* The floor: what receiving one archive costs in one C thread, with nothing between the libraries and the disk.
 *
 *     floor PORT TARGET DIR [read-ahead]
 *
 * TLS 1.3 AES-256-GCM (OpenSSL), chunked body, streamed ZIP of deflated entries with data descriptors (inflate and
 * CRC-32 by the system's zlib), SHA-256 of every file (OpenSSL EVP), write() into DIR. It trusts its peer more than
 * a receiver may: it exists to be divided by. With `read-ahead`, OpenSSL reads what has come, not first the five bytes
 * of a record's head and then the record; Python's ssl module has no such setting, so the goals leave it out.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define PIECE (128 * 1024)    /* bytes read from the connection before the next stage sees them */
#define UNPACKED (128 * 1024) /* bytes inflated before they are hashed and written */
#define MINIMUM(a, b) ((a) < (b) ? (a) : (b))

enum { LOCAL = 0x04034b50, CENTRAL = 0x02014b50, DESCRIPTOR = 0x08074b50 };
enum { LOCAL_SIZE = 30, DESCRIPTOR_SIZE = 16, DEFLATED = 8, FLAGS = 0x0808 };

static SSL *tls;
static unsigned char piece[PIECE], *at = piece, *end = piece; /* payload not consumed yet */
static size_t chunk_left, chunk_size, chunk_digits;
static int body_ended;

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("floor: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

/* The connection. */

static void dial(int port, int read_ahead) {
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int connection = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (connect(connection, (struct sockaddr *)&peer, sizeof peer)) die("nobody listens at port %d", port);
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384");
    SSL_CTX_set_read_ahead(context, read_ahead);
    tls = SSL_new(context);
    SSL_set_fd(tls, connection);
    if (SSL_connect(tls) != 1) die("the handshake failed");
}

static size_t fill(size_t have) {
    while (have < PIECE) {
        int got = SSL_read(tls, piece + have, PIECE - have);
        if (got <= 0) break;
        have += got;
    }
    return have;
}

/* The body: chunk headers are squeezed out of the piece in place. */

static void frame_byte(unsigned char byte) {
    if (byte == '\n' && chunk_digits) {
        chunk_left = chunk_size;
        body_ended = chunk_size == 0;
        chunk_size = chunk_digits = 0;
    } else if (byte != '\r' && byte != '\n') {
        const char *digits = "0123456789abcdef", *digit = memchr(digits, byte | 0x20, 16);
        if (byte <= '9') digit = memchr(digits, byte, 10);
        if (!digit) die("the chunk size holds %02x", byte);
        chunk_size = chunk_size * 16 + (digit - digits);
        chunk_digits++;
    }
}

static void unframe(unsigned char *in, unsigned char *stop) {
    unsigned char *out = in;
    at = in;
    while (in < stop && !body_ended) {
        size_t length = MINIMUM(chunk_left, (size_t)(stop - in));
        if (!length) {
            frame_byte(*in++);
            continue;
        }
        if (out != in) memmove(out, in, length);
        in += length, out += length, chunk_left -= length;
    }
    end = out;
}

static int next_piece(void) {
    size_t size = body_ended ? 0 : fill(0);
    unframe(piece, piece + size);
    return at < end;
}

static void get(const char *target) {
    char request[512], *body;
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: floor\r\n\r\n", target);
    SSL_write(tls, request, length);
    size_t size = fill(0);
    body = memmem(piece, size, "\r\n\r\n", 4);
    if (!body || memcmp(piece, "HTTP/1.1 200", 12)) die("the answer is no 200");
    unframe((unsigned char *)body + 4, piece + size);
}

static void take(void *into, size_t size) {
    unsigned char *out = into;
    while (size) {
        if (at == end && !next_piece()) die("the body ended early");
        size_t length = MINIMUM(size, (size_t)(end - at));
        memcpy(out, at, length);
        out += length, at += length, size -= length;
    }
}

/* The archive. */

static uint32_t u16(const unsigned char *bytes) { return bytes[0] | bytes[1] << 8; }
static uint32_t u32(const unsigned char *bytes) { return u16(bytes) | u16(bytes + 2) << 16; }

static int open_entry(int directory, const unsigned char *header) {
    char name[65536], skipped[65536], *base;
    size_t length = u16(header + 26), extra = u16(header + 28);
    if (u16(header + 6) != FLAGS || u16(header + 8) != DEFLATED) die("an entry is not deflated with a descriptor");
    take(name, length);
    take(skipped, extra);
    name[length] = 0;
    base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    int file = openat(directory, base, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file < 0) die("%s cannot be made", base);
    return file;
}

static void write_all(int file, const unsigned char *bytes, size_t size) {
    while (size) {
        ssize_t count = write(file, bytes, size);
        if (count < 0) die("a file cannot be written");
        bytes += count, size -= count;
    }
}

static void check_descriptor(uint32_t crc, uint64_t packed, uint64_t size) {
    unsigned char d[DESCRIPTOR_SIZE];
    take(d, sizeof d);
    if (u32(d) != DESCRIPTOR || u32(d + 4) != crc || u32(d + 8) != packed || u32(d + 12) != size)
        die("an entry does not fit its descriptor");
}

static uint64_t unpack(int file, z_stream *stream, EVP_MD_CTX *hash) {
    static unsigned char unpacked[UNPACKED];
    unsigned char digest[EVP_MAX_MD_SIZE];
    uint32_t crc = 0;
    int state = Z_OK;
    inflateReset(stream);
    EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    while (state != Z_STREAM_END) {
        if (at == end && !next_piece()) die("the body ended inside an entry");
        stream->next_in = at, stream->avail_in = end - at;
        stream->next_out = unpacked, stream->avail_out = UNPACKED;
        state = inflate(stream, Z_NO_FLUSH);
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) die("an entry is damaged");
        size_t size = UNPACKED - stream->avail_out;
        at = stream->next_in;
        crc = crc32(crc, unpacked, size);
        EVP_DigestUpdate(hash, unpacked, size);
        write_all(file, unpacked, size);
    }
    EVP_DigestFinal_ex(hash, digest, NULL);
    check_descriptor(crc, stream->total_in, stream->total_out);
    return stream->total_out;
}

int main(int count, char **arguments) {
    if (count == 2 && !strcmp(arguments[1], "--version")) {
        printf("zlib %s, %s\n", zlibVersion(), OpenSSL_version(OPENSSL_VERSION));
        return 0;
    }
    if (count < 4) die("usage: floor PORT TARGET DIR [read-ahead] | --version");
    int directory = open(arguments[3], O_DIRECTORY | O_RDONLY), files = 0;
    unsigned char header[LOCAL_SIZE];
    uint64_t total = 0;
    z_stream stream = {0};
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (directory < 0) die("%s is no directory", arguments[3]);
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) die("zlib does not start");
    dial(atoi(arguments[1]), count > 4);
    get(arguments[2]);
    for (take(header, 4); u32(header) == LOCAL; take(header, 4)) {
        take(header + 4, LOCAL_SIZE - 4);
        int file = open_entry(directory, header);
        total += unpack(file, &stream, hash);
        close(file);
        files++;
    }
    if (u32(header) != CENTRAL) die("there is no ZIP record where one must be");
    while (next_piece()) at = end;
    printf("%d files, %llu bytes\n", files, (unsigned long long)total);
    return 0;
}
