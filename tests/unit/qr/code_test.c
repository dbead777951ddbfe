#include "check_arena.h"

#include <qrencode.h>
#include <zlib.h>

#include "qr/code.h"

#define PREFIX "data:image/png;base64,"
#define SCALE  4
#define QUIET  4

/* ---- a reader of PNG for what qr writes, written apart from it ---- */

struct bytes {
    uint8_t *ptr;
    size_t len;
};

static struct bytes
decode_base64(const char *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct bytes out = {arena_alloc(a, strlen(text)), 0};
    uint32_t bits = 0;
    int count = 0;

    assert_int_equal(strlen(text) % 4, 0);
    for (; *text != '\0' && *text != '='; text++) {
        const char *place = strchr(alphabet, *text);

        assert_non_null(place);
        bits = bits << 6 | (uint32_t)(place - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out.ptr[out.len++] = (uint8_t)(bits >> count);
        }
    }
    return out;
}

static uint32_t
u32_at(struct bytes b, size_t at)
{
    assert_true(at + 4 <= b.len);
    return (uint32_t)b.ptr[at] << 24 | (uint32_t)b.ptr[at + 1] << 16 |
           (uint32_t)b.ptr[at + 2] << 8 | b.ptr[at + 3];
}

/* The polynomial division of ISO 3309 on the bits in their order, highest power first. */
static uint32_t
slow_crc(const uint8_t *data, size_t len)
{
    uint32_t rest = 0xFFFFFFFF; /* bit 31: highest power */
    uint32_t mirrored = 0;

    for (size_t i = 0; i < 8 * len; i++) {
        const uint32_t bit = data[i / 8] >> i % 8 & 1;

        rest = rest << 1 ^ ((rest >> 31 ^ bit) != 0 ? 0x04C11DB7 : 0);
    }
    for (int i = 0; i < 32; i++)
        mirrored |= (rest >> i & 1) << (31 - i);
    return ~mirrored;
}

/* The chunk at *at, which must be of `type` and have a right CRC. */
static struct bytes
chunk(struct bytes png, size_t *at, const char *type)
{
    const size_t len = u32_at(png, *at);

    assert_memory_equal(png.ptr + *at + 4, type, 4);
    const struct bytes data = {png.ptr + *at + 8, len};
    assert_int_equal(u32_at(png, *at + 8 + len), slow_crc(png.ptr + *at + 4, len + 4));
    *at += len + 12;
    return data;
}

/* As zlib reads it. */
static struct bytes
inflate_pixels(struct bytes z, size_t room)
{
    uLongf len = (uLongf)room;
    struct bytes out = {arena_alloc(a, room + 1), 0};

    assert_int_equal(uncompress(out.ptr, &len, z.ptr, (uLong)z.len), Z_OK);
    out.len = (size_t)len;
    return out;
}

/* Every pixel is what libqrencode says about its module. */
static void
check_picture(struct str text)
{
    const char *url = qr_data_url(a, text);
    size_t at = 8;

    assert_non_null(url);
    assert_memory_equal(url, PREFIX, strlen(PREFIX));
    const struct bytes png = decode_base64(url + strlen(PREFIX));
    assert_memory_equal(png.ptr, "\x89PNG\r\n\x1a\n", 8);
    const struct bytes head = chunk(png, &at, "IHDR");
    const struct bytes data = chunk(png, &at, "IDAT");
    assert_int_equal(chunk(png, &at, "IEND").len, 0);
    assert_int_equal(at, png.len);

    QRcode *code =
        QRcode_encodeData((int)text.len, (const unsigned char *)text.ptr, 0, QR_ECLEVEL_M);
    assert_non_null(code);
    const size_t width = (size_t)code->width;
    const size_t side = (width + 2 * QUIET) * SCALE;
    const size_t row = 1 + (side + 7) / 8;
    assert_int_equal(head.len, 13);
    assert_int_equal(u32_at(head, 0), side);
    assert_int_equal(u32_at(head, 4), side);
    assert_memory_equal(head.ptr + 8, "\1\0\0\0\0", 5);
    const struct bytes pixels = inflate_pixels(data, row * side);
    assert_int_equal(pixels.len, row * side);
    for (size_t y = 0; y < side; y++) {
        assert_int_equal(pixels.ptr[y * row], 0);
        for (size_t x = 0; x < side; x++) {
            const bool white = (pixels.ptr[y * row + 1 + x / 8] << x % 8 & 0x80) != 0;
            const size_t u = x / SCALE - QUIET; /* wraps to a huge number in the quiet zone */
            const size_t v = y / SCALE - QUIET;
            const bool dark = u < width && v < width && (code->data[v * width + u] & 1) != 0;

            assert_int_equal(white, !dark);
        }
    }
    QRcode_free(code);
}

static void
picture_shows_an_address(void **state UNUSED)
{
    check_picture(STR("0x71C7656EC7ab88b098defB751B7401B5f6d8976F"));
}

static void
picture_shows_one_character(void **state UNUSED)
{
    check_picture(STR("x"));
}

static void
picture_shows_any_bytes(void **state UNUSED)
{
    check_picture((struct str){"bitcoin:\0\xFF\xC3\xA9", 12});
}

static void
picture_shows_texts_of_every_size(void **state UNUSED)
{
    static char text[1000];

    memset(text, 'q', sizeof(text));
    for (size_t len = 100; len <= sizeof(text); len += 150) {
        check_picture((struct str){text, len});
        arena_reset(a);
    }
}

static void
empty_text_has_no_picture(void **state UNUSED)
{
    assert_null(qr_data_url(a, STR("")));
    assert_null(qr_data_url(a, STR_NONE));
}

static void
text_has_at_most_1000_bytes(void **state UNUSED)
{
    static char text[1001];

    memset(text, 'q', sizeof(text));
    assert_non_null(qr_data_url(a, (struct str){text, 1000}));
    assert_null(qr_data_url(a, (struct str){text, 1001}));
}

/* ---- a reader of the bars that the drawing has, written apart from it ---- */

/* Every module is what libqrencode says about it, and around them all is white. */
static void
check_drawing(struct str text)
{
    const char *svg = qr_svg(a, text);
    QRcode *code =
        QRcode_encodeData((int)text.len, (const unsigned char *)text.ptr, 0, QR_ECLEVEL_H);
    int width = 0, height = 0, right = 0, bottom = 0;
    int x, y, bar, back, read = 0;

    assert_non_null(svg);
    assert_non_null(code);
    const int side = code->width + 2 * QUIET;
    char *dark = arena_alloc(a, (size_t)(side * side));
    assert_int_equal(sscanf(svg,
                            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                            "viewBox=\"0 0 %d %d\"",
                            &width, &height, &right, &bottom),
                     4);
    assert_int_equal(width, 3 * side);
    assert_int_equal(height, 3 * side);
    assert_int_equal(right, side);
    assert_int_equal(bottom, side);
    const char *at = strstr(svg, "<path d=\"");
    assert_non_null(at);
    at += strlen("<path d=\"");
    for (; sscanf(at, "M%d %dh%dv1h-%dz%n", &x, &y, &bar, &back, &read) == 4; at += read) {
        assert_int_equal(bar, back);
        assert_true(x >= 0 && y >= 0 && y < side && bar > 0 && x + bar <= side);
        memset(dark + y * side + x, 1, (size_t)bar);
    }
    assert_string_equal(at, "\"/></svg>");
    for (y = 0; y < side; y++)
        for (x = 0; x < side; x++) {
            const int u = x - QUIET, v = y - QUIET;
            const bool inside = u >= 0 && v >= 0 && u < code->width && v < code->width;

            assert_int_equal(dark[y * side + x], inside ? code->data[v * code->width + u] & 1 : 0);
        }
    QRcode_free(code);
}

static void
drawing_shows_a_secret(void **state UNUSED)
{
    check_drawing(STR("otpauth://totp/shop.example.com:eve@example.com?algorithm=SHA1&digits=6&"
                      "issuer=shop.example.com&period=30&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
}

static void
drawing_shows_texts_of_every_size(void **state UNUSED)
{
    static char text[1000];

    memset(text, 'q', sizeof(text));
    for (size_t len = 1; len <= sizeof(text); len += 111) {
        check_drawing((struct str){text, len});
        arena_reset(a);
    }
}

static void
drawing_goes_into_a_data_url_as_it_is(void **state UNUSED)
{
    const char *svg = qr_svg(a, STR("otpauth://totp/a%20b:c?issuer=%23"));

    assert_null(strpbrk(svg, "#%\n"));
}

static void
drawing_of_nothing_or_too_much_is_none(void **state UNUSED)
{
    static char text[1001];

    memset(text, 'q', sizeof(text));
    assert_null(qr_svg(a, STR("")));
    assert_null(qr_svg(a, (struct str){text, 1001}));
}

static const struct CMUnitTest tests[] = {
    TEST(drawing_shows_a_secret),
    TEST(drawing_shows_texts_of_every_size),
    TEST(drawing_goes_into_a_data_url_as_it_is),
    TEST(drawing_of_nothing_or_too_much_is_none),
    TEST(picture_shows_an_address),
    TEST(picture_shows_one_character),
    TEST(picture_shows_any_bytes),
    TEST(picture_shows_texts_of_every_size),
    TEST(empty_text_has_no_picture),
    TEST(text_has_at_most_1000_bytes),
};

int
main(void)
{
    return cmocka_run_group_tests_name("qr_code", tests, NULL, NULL);
}
