/*
 * A mail that passes mail_check has the headers we wrote and no others, in lines that fit, however
 * its recipient, subject, sender and words look.  The data is those four, between line feeds.
 */
#include "mail/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Date, From, Reply-To, To, Message-ID, Subject, MIME-Version, Auto-Submitted, Content-Type, and
 * with html alone its encoding. */
#define HEADERS 10

/* The text up to the next line feed, in the arena. */
static const char *
next_piece(struct arena *a, struct str *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    const size_t len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
    const char *piece = arena_copy(a, (struct str){rest->ptr, len});
    const size_t taken = MIN(len + 1, rest->len);

    *rest = (struct str){rest->ptr + taken, rest->len - taken};
    return piece;
}

/* Every line ends in CR LF and fits; before the first empty one stand as many as we wrote. */
static void
check_lines(const char *text)
{
    int headers = 0;
    bool in_headers = true;

    while (*text != '\0') {
        const char *end = strstr(text, "\r\n");

        MUST(end != NULL && end - text <= 998);
        MUST(memchr(text, '\n', (size_t)(end - text)) == NULL);
        in_headers = in_headers && end != text;
        headers += in_headers && *text != ' ';
        text = end + 2;
    }
    MUST(headers == HEADERS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct task task = {.arena = arena_new(16 * 1024 * 1024)};
    struct str rest = {(const char *)data, size};
    struct mail_message m = {.message_id = "id@shop.example", .date_s = (int64_t)size};
    struct mail_sender from;
    struct buf out;

    m.to = next_piece(task.arena, &rest);
    m.subject = next_piece(task.arena, &rest);
    const char *sender = next_piece(task.arena, &rest);
    m.html = arena_copy(task.arena, rest);
    if (mail_check(&task, &m) == ERR_OK && mail_sender_read(str_of(sender), &from)) {
        buf_init_arena(&out, task.arena, 4 * 1024 * 1024);
        mail_build(&out, &m, &from, &from);
        MUST(!out.overflow);
        check_lines(out.ptr);
    }
    arena_free(task.arena);
    return 0;
}
