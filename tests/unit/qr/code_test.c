#include "check.h"

#include "qr/code.h"

#include <qrencode.h>

#define PREFIX "data:image/png;base64,"
#define SCALE  4
#define QUIET  4

static struct arena *a;

static int
set_up(void **state)
{
    (void)state;
    a = arena_new(4 * 1024 * 1024);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

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

/* ---- a reader of deflate with fixed codes (RFC 1951, 3.2.6) ---- */

struct reader {
    struct bytes from;
    size_t at; /* bit */
};

static unsigned
bit(struct reader *r)
{
    assert_true(r->at / 8 < r->from.len);
    const unsigned b = r->from.ptr[r->at / 8] >> r->at % 8 & 1;
    r->at++;
    return b;
}

static unsigned
number(struct reader *r, unsigned count) /* lowest bit first */
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++)
        n |= bit(r) << i;
    return n;
}

static unsigned
code_bits(struct reader *r, unsigned so_far, unsigned count) /* highest bit first */
{
    while (count-- > 0)
        so_far = so_far << 1 | bit(r);
    return so_far;
}

static unsigned
symbol(struct reader *r)
{
    unsigned code = code_bits(r, 0, 7);

    if (code <= 0x17)
        return 256 + code;
    code = code_bits(r, code, 1);
    if (code >= 0x30 && code <= 0xBF)
        return code - 0x30;
    if (code >= 0xC0 && code <= 0xC7)
        return 280 + code - 0xC0;
    return 144 + code_bits(r, code, 1) - 0x190;
}

static void
copy_match(struct reader *r, unsigned length_symbol, struct bytes *out)
{
    static const unsigned lengths[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                       31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const unsigned distances[] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193};
    const unsigned n = length_symbol - 257;

    assert_true(n < ARRAY_LEN(lengths));
    const unsigned len = lengths[n] + number(r, n < 8 || n == 28 ? 0 : n / 4 - 1);
    const unsigned d = code_bits(r, 0, 5);
    assert_true(d < ARRAY_LEN(distances));
    const unsigned distance = distances[d] + number(r, d < 4 ? 0 : d / 2 - 1);
    assert_true(distance <= out->len);
    assert_true(len <= 258);
    for (unsigned i = 0; i < len; i++, out->len++)
        out->ptr[out->len] = out->ptr[out->len - distance];
}

static struct bytes
inflate_fixed(struct bytes z, size_t room)
{
    struct bytes out = {arena_alloc(a, room + 258), 0};
    struct reader r = {z, 16};
    uint64_t sum_a = 1;
    uint64_t sum_b = 0;

    assert_int_equal((z.ptr[0] * 256 + z.ptr[1]) % 31, 0); /* zlib's check of its head */
    assert_int_equal(z.ptr[0] & 15, 8);
    assert_int_equal(number(&r, 1), 1); /* one block */
    assert_int_equal(number(&r, 2), 1);
    for (unsigned s; (s = symbol(&r)) != 256;) {
        assert_true(out.len < room);
        if (s > 256)
            copy_match(&r, s, &out);
        else
            out.ptr[out.len++] = (uint8_t)s;
    }
    for (size_t i = 0; i < out.len; i++) {
        sum_a += out.ptr[i];
        sum_b += sum_a;
    }
    const size_t at = (r.at + 7) / 8;
    assert_int_equal(u32_at(z, at), sum_b % 65521 * 65536 + sum_a % 65521);
    assert_int_equal(at + 4, z.len);
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
    const struct bytes pixels = inflate_fixed(data, row * side);
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
picture_shows_an_address(void **state)
{
    (void)state;
    check_picture(STR("0x71C7656EC7ab88b098defB751B7401B5f6d8976F"));
}

static void
picture_shows_one_character(void **state)
{
    (void)state;
    check_picture(STR("x"));
}

static void
picture_shows_any_bytes(void **state)
{
    (void)state;
    check_picture((struct str){"bitcoin:\0\xFF\xC3\xA9", 12});
}

static void
picture_shows_texts_of_every_size(void **state)
{
    static char text[1000];

    (void)state;
    memset(text, 'q', sizeof(text));
    for (size_t len = 100; len <= sizeof(text); len += 150) {
        check_picture((struct str){text, len});
        arena_reset(a);
    }
}

static void
empty_text_has_no_picture(void **state)
{
    (void)state;
    assert_null(qr_data_url(a, STR("")));
    assert_null(qr_data_url(a, STR_NONE));
}

static void
text_has_at_most_1000_bytes(void **state)
{
    static char text[1001];

    (void)state;
    memset(text, 'q', sizeof(text));
    assert_non_null(qr_data_url(a, (struct str){text, 1000}));
    assert_null(qr_data_url(a, (struct str){text, 1001}));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(picture_shows_an_address),  TEST(picture_shows_one_character),
        TEST(picture_shows_any_bytes),   TEST(picture_shows_texts_of_every_size),
        TEST(empty_text_has_no_picture), TEST(text_has_at_most_1000_bytes),
    };

    return cmocka_run_group_tests_name("qr", tests, NULL, NULL);
}
