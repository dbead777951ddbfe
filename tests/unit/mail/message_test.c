#include "check_arena.h"

#include "base/task.h"
#include "mail/message.h"

static struct mail_message
message(void)
{
    return (struct mail_message){.message_id = "0e3c@shop.example",
                                 .to = "ann@example.com",
                                 .subject = "Hello",
                                 .html = "<p>Hi</p>",
                                 .text = "Hi",
                                 .date_s = 1769862896};
}

static void
addresses(void **state UNUSED)
{
    static const char *const good[] = {"a@b", "ann.o'hara+x@mail.example.com", "id@127.0.0.1"};
    static const char *const bad[] = {
        "",       "a",     "@",    "@b",      "a@",    "a@b@c",   "a b@c",       "a@b\r\nBcc: x@y",
        "a@b\n",  "<a@b>", "a@b>", "a@b,c@d", "a@b;c", "\"a\"@b", "a\xC3\xBC@b", "a@b\x7F",
        "a@b(c)", "a\\@b"};
    char text[400];

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(mail_address_ok(str_of(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(mail_address_ok(str_of(bad[i])));
    assert_false(mail_address_ok((struct str){"a\0@b", 4}));
    assert_false(mail_address_ok(STR_NONE));
    memset(text, 'x', sizeof text);
    text[64] = '@';
    assert_true(mail_address_ok((struct str){text, 254}));
    assert_false(mail_address_ok((struct str){text, 255}));
    text[64] = 'x';
    text[65] = '@';
    assert_false(mail_address_ok((struct str){text, 100}));
}

static void
senders(void **state UNUSED)
{
    struct mail_sender s = {"before", STR("before")};

    assert_false(mail_sender_read(STR("no address"), &s));
    assert_false(mail_sender_read(STR("A <a@b"), &s));
    assert_false(mail_sender_read(STR("A <a@b> c"), &s));
    assert_false(mail_sender_read(STR("A <>"), &s));
    assert_false(mail_sender_read(STR(""), &s));
    assert_string_equal(s.name, "before");
    assert_true(mail_sender_read(STR("a@b"), &s));
    assert_string_equal(s.name, "");
    assert_true(mail_sender_read(STR("\"The Shop\" <a@b>"), &s));
    assert_string_equal(s.name, "The Shop");
    check_str(s.address, "a@b");
    assert_true(mail_sender_read(STR("\"The \\\"Shop\\\", <it>\" <a@b>"), &s));
    assert_string_equal(s.name, "The \"Shop\", <it>");
    assert_true(mail_sender_read(STR(" <a@b>"), &s));
    assert_string_equal(s.name, "");
    assert_false(mail_sender_read(STR("A\r\nBcc: c@d <a@b>"), &s));
    assert_false(mail_sender_read(STR("\xFF <a@b>"), &s));
}

static void
hosts(void **state UNUSED)
{
    check_str(mail_host_of(STR("https://api.example.com:8443/x")), "api.example.com");
    check_str(mail_host_of(STR("http://127.0.0.1:54321")), "127.0.0.1");
    check_str(mail_host_of(STR("https://api.example.com")), "api.example.com");
    check_str(mail_host_of(STR("http://[::1]:80")), "localhost");
    check_str(mail_host_of(STR("https://")), "localhost");
}

/* Header injection and wrong text are refused before anything is sent. */
static void
injection_is_refused(void **state UNUSED)
{
    struct task task = {.arena = a};
    struct mail_message m = message();

    assert_int_equal(mail_check(&task, &m), ERR_OK);
    m.to = "a@b\r\nBcc: c@d";
    assert_int_equal(mail_check(&task, &m), ERR_INVALID);
    m = message();
    m.subject = "x\r\nBcc: c@d";
    assert_int_equal(mail_check(&task, &m), ERR_INVALID);
    assert_string_equal(task.fail.text, "Invalid subject. Must be one line");
    m.subject = "x\ny";
    assert_int_equal(mail_check(&task, &m), ERR_INVALID);
    m.subject = "\xFF";
    assert_int_equal(mail_check(&task, &m), ERR_INVALID);
    m = message();
    m.html = "\xC3";
    assert_int_equal(mail_check(&task, &m), ERR_INVALID);
    m = message();
    m.message_id = "x@y>\r\nBcc: c@d";
    assert_int_equal(mail_check(&task, &m), ERR_INVALID);
}

/* SMTPUTF8 is not everywhere: such an address is refused, and told why. */
static void
foreign_addresses_are_refused_with_a_reason(void **state UNUSED)
{
    static const char *const tos[] = {"zo\xC3\xAB@example.com", "ann@b\xC3\xBC"
                                                                "cher.example"};
    struct task task = {.arena = a};
    struct mail_message m = message();

    for (size_t i = 0; i < ARRAY_LEN(tos); i++) {
        m.to = tos[i];
        assert_int_equal(mail_check(&task, &m), ERR_INVALID);
        assert_non_null(strstr(task.fail.text, "other than ASCII"));
    }
}

static const struct CMUnitTest tests[] = {
    TEST(foreign_addresses_are_refused_with_a_reason),
    TEST(addresses),
    TEST(senders),
    TEST(hosts),
    TEST(injection_is_refused),
};

int
main(void)
{
    return cmocka_run_group_tests_name("mail_message", tests, NULL, NULL);
}
