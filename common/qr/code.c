#include "qr/code.h"
#include "base/encode.h"
#include "crypto/digest.h"

#include <qrencode.h>

#define TEXT_MAX   1000
#define SCALE      4               /* pixels per module */
#define QUIET      4               /* modules of white around the code */

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

/* ---- deflate (RFC 1951), as much of it as this picture needs ---- */

/* One block with the fixed codes: bits fill bytes from the lowest on, but codes begin with their
 * highest bit. */
struct deflate {
    struct image *to;
    uint64_t bits;
    unsigned count;
    uint32_t a, b; /* Adler-32 of what went in */
};

static void
put_bits(struct deflate *d, uint32_t bits, unsigned count)
{
    d->bits |= (uint64_t)bits << d->count;
    for (d->count += count; d->count >= 8; d->count -= 8) {
        d->to->bytes[d->to->len++] = (uint8_t)d->bits;
        d->bits >>= 8;
    }
}

static void
put_code(struct deflate *d, uint32_t code, unsigned count)
{
    uint32_t turned = 0;

    for (unsigned i = 0; i < count; i++)
        turned |= (code >> i & 1) << (count - 1 - i);
    put_bits(d, turned, count);
}

static unsigned
log2_of(uint32_t n)
{
    return 31 - (unsigned)__builtin_clz(n);
}

/* What stands `distance` (4 or more) back, for `len` (3 to 257) bytes. */
static void
put_match(struct deflate *d, uint32_t len, uint32_t distance)
{
    const uint32_t l = len - 3, back = distance - 1;
    const unsigned l_extra = l < 8 ? 0 : log2_of(l) - 2, back_extra = log2_of(back) - 1;
    const uint32_t symbol = 1 + 4 * l_extra + (l >> l_extra); /* from 256 on */

    if (symbol < 24)
        put_code(d, symbol, 7);
    else
        put_code(d, 0xC0 + symbol - 24, 8);
    put_bits(d, l & ((1U << l_extra) - 1), l_extra);
    put_code(d, 2 * back_extra + (back >> back_extra), 5);
    put_bits(d, back & ((1U << back_extra) - 1), back_extra);
}

/* The last `len` bytes again, `times` times. */
static void
put_again(struct deflate *d, size_t len, unsigned times)
{
    const unsigned most = 257 / (unsigned)len;

    for (unsigned n; times > 0; times -= n) {
        n = MIN(times, most);
        put_match(d, (uint32_t)len * n, (uint32_t)len);
    }
}

/* Bytes of two modules, and the filter byte. */
static void
put_literals(struct deflate *d, const uint8_t *row, size_t len)
{
    /* the codes of 0x00, 0x0F, 0xF0 and 0xFF, turned */
    static const struct {
        uint16_t code;
        uint8_t count;
    } table[] = {{0x00C, 8}, {0x0FC, 8}, {0x01F, 9}, {0x1FF, 9}};

    for (size_t i = 0; i < len; i++) {
        const unsigned n = (row[i] >> 6 & 2) | (row[i] & 1);

        put_bits(d, table[n].code, table[n].count);
    }
}

/* A row that comes `times` times: its own sums are taken once.  (RFC 1950) */
static void
add_rows(struct deflate *d, const uint8_t *row, size_t len, unsigned times)
{
    uint32_t a = 0, b = 0;

    for (size_t i = 0; i < len; i++) {
        a += row[i];
        b += a;
    }
    for (; times > 0; times--) {
        d->b = (d->b + (uint32_t)len * d->a + b) % 65521;
        d->a = (d->a + a) % 65521;
    }
}

/* ---- the picture ---- */

#define ROW_MAX 128 /* the largest code has 177 modules: 94 bytes */

/* A row of 1-bit pixels, 1 white, behind a filter byte 0.  A module is half a byte wide. */
static void
draw_row(const QRcode *code, size_t v, uint8_t *row, size_t row_size)
{
    const size_t width = (size_t)code->width;

    _Static_assert(SCALE == 4 && QUIET % 2 == 0, "two modules are one byte");
    row[0] = 0;
    memset(row + 1, 0xFF, row_size - 1);
    for (size_t x = 0; v >= QUIET && v < QUIET + width && x < width; x++)
        if ((code->data[(v - QUIET) * width + x] & 1) != 0)
            row[1 + (QUIET + x) / 2] ^= x % 2 == 0 ? 0xF0 : 0x0F;
}

/* The rows of a line of modules are all the same, and so are some lines: a quarter of the bytes
 * and of the work of a block that is only stored. */
static void
put_pixels(struct image *to, const QRcode *code, size_t modules, size_t row_size)
{
    struct deflate d = {.to = to, .a = 1};
    uint8_t rows[2][ROW_MAX];

    MUST(row_size <= ROW_MAX);
    put(to, "\x78\x01", 2);
    put_bits(&d, 1 | 1 << 1, 3); /* the last block, fixed codes */
    for (size_t v = 0; v < modules; v++) {
        uint8_t *row = rows[v % 2];

        draw_row(code, v, row, row_size);
        if (v > 0 && memcmp(row, rows[1 - v % 2], row_size) == 0) {
            put_again(&d, row_size, SCALE);
        } else {
            put_literals(&d, row, row_size);
            put_again(&d, row_size, SCALE - 1);
        }
        add_rows(&d, row, row_size, SCALE);
    }
    put_code(&d, 0, 7); /* the end */
    put_bits(&d, 0, 7); /* what is left of a byte */
    put_u32(to, d.b << 16 | d.a);
}

static struct image
png(struct arena *a, const QRcode *code)
{
    const size_t modules = (size_t)code->width + 2 * QUIET;
    const size_t row_size = 1 + (modules + 1) / 2;
    /* 9 bits for each byte at most, and less than 16 bytes of matches for each line */
    const size_t data_max = modules * (row_size + row_size / 8 + 1 + 16) + 16;
    struct image data = {arena_alloc(a, data_max), 0};
    struct image head = {arena_alloc(a, 16), 0};

    put_pixels(&data, code, modules, row_size);
    struct image out = {arena_alloc(a, 8 + 3 * 12 + 13 + data.len), 0};
    put_u32(&head, (uint32_t)modules * SCALE);
    put_u32(&head, (uint32_t)modules * SCALE);
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
