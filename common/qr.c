#include "qr.h"
#include "crypto.h"

#include <qrencode.h>

#define TEXT_MAX   1000
#define SCALE      4               /* pixels per module */
#define QUIET      4               /* modules of white around the code */
#define STORED_MAX ((size_t)65535) /* bytes of one stored deflate block */

/* ---- checksums of PNG ---- */

/* CRC-32 of ISO 3309, half a byte at a time. */
static uint32_t
crc32_of(const uint8_t *data, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = 0xFFFFFFFF;

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* The sums are reduced before 32 bits could overflow: after 5552 bytes (as in zlib). */
static uint32_t
adler32_of(const uint8_t *data, size_t len)
{
    uint32_t a = 1;
    uint32_t b = 0;

    while (len > 0) {
        const size_t n = MIN(len, 5552);

        for (size_t i = 0; i < n; i++) {
            a += data[i];
            b += a;
        }
        a %= 65521;
        b %= 65521;
        data += n;
        len -= n;
    }
    return b << 16 | a;
}

/* ---- writing into a block of known size ---- */

struct image {
    uint8_t *bytes;
    size_t len;
};

static void
put(struct image *to, const void *data, size_t len)
{
    memcpy(to->bytes + to->len, data, len);
    to->len += len;
}

static void
put_u32(struct image *to, uint32_t n)
{
    const uint8_t bytes[] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

    put(to, bytes, sizeof(bytes));
}

/* A chunk of PNG: length, type, data, CRC of the last two. */
static void
put_chunk(struct image *to, const char *type, const uint8_t *data, size_t len)
{
    put_u32(to, (uint32_t)len);
    const size_t start = to->len;
    put(to, type, 4);
    put(to, data, len);
    put_u32(to, crc32_of(to->bytes + start, len + 4));
}

/* One stored deflate block between zlib's head and checksum: the largest picture, of TEXT_MAX
 * bytes, is half as big as a block may be. */
#define STORED_SIZE(len) (2 + 5 + (len) + 4)

static void
put_stored(struct image *to, const uint8_t *data, size_t len)
{
    const uint8_t head[] = {
        0x78, 0x01, 1, (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)~len, (uint8_t)(~len >> 8)};

    MUST(len <= STORED_MAX);
    put(to, head, sizeof(head));
    put(to, data, len);
    put_u32(to, adler32_of(data, len));
}

/* ---- the picture ---- */

/* Rows of 1-bit pixels, 1 white, each behind a filter byte 0.  A module is half a byte wide, and
 * the rows of one line of modules are all the same. */
static struct image
draw(struct arena *a, const QRcode *code)
{
    const size_t width = (size_t)code->width;
    const size_t modules = width + 2 * QUIET;
    const size_t row_size = 1 + (modules + 1) / 2;
    struct image pixels = {arena_alloc(a, row_size * modules * SCALE), 0};
    uint8_t *row = arena_alloc(a, row_size);

    _Static_assert(SCALE == 4 && QUIET % 2 == 0, "two modules are one byte");
    for (size_t v = 0; v < modules; v++) {
        memset(row + 1, 0xFF, row_size - 1);
        for (size_t x = 0; v >= QUIET && v < QUIET + width && x < width; x++)
            if ((code->data[(v - QUIET) * width + x] & 1) != 0)
                row[1 + (QUIET + x) / 2] ^= x % 2 == 0 ? 0xF0 : 0x0F;
        for (int i = 0; i < SCALE; i++)
            put(&pixels, row, row_size);
    }
    return pixels;
}

static struct image
png(struct arena *a, const QRcode *code)
{
    const uint32_t side = ((uint32_t)code->width + 2 * QUIET) * SCALE;
    const struct image pixels = draw(a, code);
    struct image data = {arena_alloc(a, STORED_SIZE(pixels.len)), 0};
    struct image head = {arena_alloc(a, 16), 0};
    struct image out = {arena_alloc(a, 8 + 3 * 12 + 13 + STORED_SIZE(pixels.len)), 0};

    put_stored(&data, pixels.bytes, pixels.len);
    put_u32(&head, side);
    put_u32(&head, side);
    put(&head, "\1\0\0\0\0", 5); /* 1 bit, grayscale, deflate, no filter, not interlaced */
    put(&out, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(&out, "IHDR", head.bytes, head.len);
    put_chunk(&out, "IDAT", data.bytes, data.len);
    put_chunk(&out, "IEND", data.bytes, 0);
    return out;
}

static void
code_free(void *code)
{
    QRcode_free(code);
}

const char *
qr_data_url(struct arena *a, struct str text)
{
    static const char prefix[] = "data:image/png;base64,";
    const size_t prefix_len = sizeof(prefix) - 1;

    if (text.len == 0 || text.len > TEXT_MAX)
        return NULL;
    QRcode *code =
        QRcode_encodeData((int)text.len, (const unsigned char *)text.ptr, 0, QR_ECLEVEL_M);
    if (code == NULL)
        return NULL;
    arena_defer(a, code_free, code);

    const struct image image = png(a, code);
    char *url = arena_alloc(a, prefix_len + BASE64_SIZE(image.len));
    memcpy(url, prefix, prefix_len);
    (void)base64_encode(image.bytes, image.len, url + prefix_len);
    return url;
}
