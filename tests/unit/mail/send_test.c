#include "check_arena.h"

#include "base/clock.h"
#include "base/log.h"
#include "mail/message.h"
#include "mail/send.h"

static void
who_sent_a_mail_late_has_time_to_write_it_down(void **state UNUSED)
{
    const struct mail_message m = {
        .message_id = "1@shop.example", .to = "a@b.example", .subject = "s", .html = "<p>h</p>"};
    struct task task = {.arena = a, .deadline_ms = clock_ms() - 1};
    const char *id = NULL;

    assert_int_equal(mail_send(&task, &m, &id), ERR_OK);
    assert_string_equal(id, "dev-1");
    assert_true(task.deadline_ms >= clock_ms() + 1000);
}

static const struct CMUnitTest tests[] = {
    TEST(who_sent_a_mail_late_has_time_to_write_it_down),
};

int
main(void)
{
    struct buf problems;
    size_t count = 0;

    while (mail_settings[count] != NULL)
        count++;
    buf_init_heap(&problems, 4096);
    MUST(setenv("SUPABASE_URL", "https://shop.example", 1) == 0);
    if (!settings_load(mail_settings, count, &problems))
        die("%s", problems.ptr);
    buf_release(&problems);
    log_init("test", LOG_ERROR);
    return cmocka_run_group_tests_name("mail_send", tests, NULL, NULL);
}
