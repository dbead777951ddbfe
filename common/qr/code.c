#include "qr/code.h"

#include <qrencode.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/encode.h"

#define TEXT_MAX 1000
#define SCALE    4 /* pixels per module of a PNG */
#define SVG_SIZE 3 /* … of an SVG */
#define QUIET    4 /* modules of white around the code */

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

/* A chunk of PNG (length, type, data, CRC of the last two) is begun, filled and ended. */
static size_t
begin_chunk(struct image *to, const char *type)
{
    put_u32(to, 0);
    const size_t start = to->len;
    put(to, type, 4);
    return start;
}

static void
end_chunk(struct image *to, size_t start)
{
    struct image head = {to->bytes + start - 4, 0};

    put_u32(&head, (uint32_t)(to->len - start - 4));
    put_u32(to, (uint32_t)crc32(0, to->bytes + start, (uInt)(to->len - start)));
}

/* ---- the picture ---- */

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

#define CHUNKS 12 /* of a chunk, beside its data */
#define STORED 11 /* of a stored block, beside its data: zlib's head, the block's, the checksum */

/* The pixels as one stored block (RFC 1950, RFC 1951 3.2.4): a picture of this size is 3 KB, and
 * zlib's compressor costs more than sending them. */
static void
put_pixels(struct image *to, const QRcode *code, size_t modules, size_t row_size)
{
    const size_t size = modules * SCALE * row_size;
    const uint8_t len[] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)~size,
                           (uint8_t)(~size >> 8)};

    MUST(size <= UINT16_MAX); /* texts of TEXT_MAX bytes have less than 140 modules */
    put(to, "\x78\x01", 2);
    put(to, "\x01", 1); /* the last block, stored */
    put(to, len, sizeof(len));
    const uint8_t *pixels = to->bytes + to->len;
    for (size_t v = 0; v < modules; v++) {
        const uint8_t *row = to->bytes + to->len;

        draw_row(code, v, to->bytes + to->len, row_size);
        to->len += row_size;
        for (int again = 1; again < SCALE; again++)
            put(to, row, row_size);
    }
    put_u32(to, (uint32_t)adler32(1, pixels, (uInt)size));
}

static struct image
png(struct arena *a, const QRcode *code)
{
    const size_t modules = (size_t)code->width + 2 * QUIET;
    const size_t row_size = 1 + (modules + 1) / 2;
    const size_t pixels = modules * SCALE * row_size;
    struct image out = {(uint8_t *)arena_bytes(a, 8 + 3 * CHUNKS + 13 + STORED + pixels), 0};
    size_t chunk;

    put(&out, "\x89PNG\r\n\x1a\n", 8);
    chunk = begin_chunk(&out, "IHDR");
    put_u32(&out, (uint32_t)modules * SCALE);
    put_u32(&out, (uint32_t)modules * SCALE);
    put(&out, "\1\0\0\0\0", 5); /* 1 bit, grayscale, deflate, no filter, not interlaced */
    end_chunk(&out, chunk);
    chunk = begin_chunk(&out, "IDAT");
    put_pixels(&out, code, modules, row_size);
    end_chunk(&out, chunk);
    end_chunk(&out, begin_chunk(&out, "IEND"));
    return out;
}

static void
code_free(void *code)
{
    QRcode_free(code);
}

/* NULL: there is no such code. */
static QRcode *
encode(struct arena *a, struct str text, QRecLevel level)
{
    if (text.len == 0 || text.len > TEXT_MAX)
        return NULL;
    QRcode *code = QRcode_encodeData((int)text.len, (const unsigned char *)text.ptr, 0, level);
    if (code != NULL)
        arena_defer(a, code_free, code);
    return code;
}

const char *
qr_data_url(struct arena *a, struct str text)
{
    static const char prefix[] = "data:image/png;base64,";
    const size_t prefix_len = sizeof(prefix) - 1;
    QRcode *code = encode(a, text, QR_ECLEVEL_M);

    if (code == NULL)
        return NULL;
    const struct image image = png(a, code);
    char *url = arena_bytes(a, prefix_len + BASE64_SIZE(image.len));
    memcpy(url, prefix, prefix_len);
    (void)base64_encode(image.bytes, image.len, url + prefix_len);
    return url;
}

/* ---- as a drawing ---- */

/* Dark modules that stand side by side are one bar. */
static void
draw_bars(struct buf *out, const QRcode *code)
{
    const int width = code->width;

    for (int y = 0; y < width; y++)
        for (int x = 0, end; x < width; x = end + 1) {
            for (end = x; end < width && (code->data[y * width + end] & 1) != 0;)
                end++;
            if (end > x)
                buf_printf(out, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, end - x, end - x);
        }
}

#define BAR_MAX ((size_t)32) /* characters of one */

const char *
qr_svg(struct arena *a, struct str text)
{
    QRcode *code = encode(a, text, QR_ECLEVEL_H);
    struct buf out;

    if (code == NULL)
        return NULL;
    const int side = code->width + 2 * QUIET;
    buf_init_arena(&out, a, 512 + (size_t)side * (size_t)side / 2 * BAR_MAX);
    buf_printf(&out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
               "viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\">"
               "<path fill=\"white\" d=\"M0 0h%dv%dH0z\"/><path d=\"",
               side * SVG_SIZE, side * SVG_SIZE, side, side, side, side);
    draw_bars(&out, code);
    buf_add_text(&out, "\"/></svg>");
    MUST(!out.overflow);
    return out.ptr;
}
