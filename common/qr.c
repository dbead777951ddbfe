#include "qr.h"
#include "crypto.h"

#include <qrencode.h>

#define TEXT_MAX   1000
#define SCALE      4               /* pixels per module */
#define QUIET      4               /* modules of white around the code */
#define STORED_MAX ((size_t)65535) /* bytes of one stored deflate block */

/* ---- checksums of PNG ---- */

/* CRC-32 of ISO 3309, bit by bit: an image has a few kilobytes. */
static uint32_t
crc32_of(const uint8_t *data, size_t len)
{
    uint32_t crc = 0xFFFFFFFF;

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

static uint32_t
adler32_of(const uint8_t *data, size_t len)
{
    uint32_t a = 1;
    uint32_t b = 0;

    for (size_t i = 0; i < len; i++) {
        a = (a + data[i]) % 65521;
        b = (b + a) % 65521;
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

/* Rows of 1-bit pixels, 1 white, each behind a filter byte 0. */
static struct image
draw(struct arena *a, const QRcode *code)
{
    const size_t modules = (size_t)code->width + 2 * QUIET;
    const size_t side = modules * SCALE;
    const size_t row_size = 1 + (side + 7) / 8;
    struct image pixels = {arena_alloc(a, row_size * side), row_size * side};

    for (size_t y = 0; y < side; y++) {
        uint8_t *row = pixels.bytes + y * row_size + 1;
        const size_t v = y / SCALE;

        for (size_t x = 0; x < side; x++) {
            const size_t u = x / SCALE;
            const bool inside =
                u >= QUIET && v >= QUIET && u < modules - QUIET && v < modules - QUIET;
            const bool dark =
                inside && (code->data[(v - QUIET) * (size_t)code->width + (u - QUIET)] & 1) != 0;

            if (!dark)
                row[x / 8] |= (uint8_t)(0x80 >> x % 8);
        }
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
