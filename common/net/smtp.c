/*
 * libcurl's multi interface is not used: at the end of a message (smtp_done) and for QUIT it waits
 * for the server without giving way, and a server may take its time there.
 */
#include "net/smtp.h"

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/metric.h"
#include "loop/offload.h"
#include "net/lookup.h"
#include "net/transfer.h"

#define CONNECT_TIMEOUT_MS 5000

#define GOODBYE_S 1L /* for the answer to QUIT: the mail is gone by then */

/* Shared with the thread that runs it; lives on the caller's coroutine stack, which waits. */
struct mail_transfer {
    CURL *easy;
    int64_t deadline_ms;
    CURLcode result;
    struct str left; /* of the message */
    bool handed_over;
    bool refused_after; /* the answer to the complete message came, and was no */
    char command[5];    /* the verb that was sent last */
    bool refused_for_good;
    char reply[256];
    char error[CURL_ERROR_SIZE];
};

static size_t
give_message(char *data, size_t size, size_t count, void *arg)
{
    struct mail_transfer *t = arg;
    const size_t len = MIN(size * count, t->left.len);

    if (len == 0) {
        KILL_POINT("smtp", "mail", "written"); /* but for the line that ends it */
        t->handed_over = true;
        return 0;
    }
    memcpy(data, t->left.ptr, len);
    t->left.ptr += len;
    t->left.len -= len;
    return len;
}

/* 530 to 538 ask for a login or for TLS; 5.7 is what a server allows us, relaying say; 5.1.7
 * and 5.1.8 are about the sender (RFC 4954, 3463). */
static bool
is_about_us(const char *line, size_t len)
{
    return (len >= 3 && memcmp(line, "53", 2) == 0) ||
           (len >= 7 && memcmp(line + 4, "5.7", 3) == 0) ||
           (len >= 9 && (memcmp(line + 4, "5.1.7", 5) == 0 || memcmp(line + 4, "5.1.8", 5) == 0));
}

/* A 5xx is final when it is about this mail: its recipient, or its words.  What is said to our
 * greeting, login or sender is about us, and true for all mails until somebody mends it. */
static bool
is_final(const struct mail_transfer *t, const char *line, size_t len)
{
    return len >= 3 && line[0] == '5' &&
           (t->handed_over ||
            ((strcmp(t->command, "RCPT") == 0 || strcmp(t->command, "DATA") == 0) &&
             !is_about_us(line, len)));
}

static int
note_command(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    struct mail_transfer *t = arg;

    (void)easy;
    if (type == CURLINFO_HEADER_OUT && size >= 4)
        memcpy(t->command, data, 4);
    return 0;
}

/* Every line of the server comes here. */
static size_t
take_reply(char *data, size_t size, size_t count, void *arg)
{
    struct mail_transfer *t = arg;
    const size_t len = MIN(size * count, sizeof t->reply - 1);
    size_t n = 0;

    if (t->handed_over)
        KILL_POINT("smtp", "reply", "arrived"); /* to the mail; then the goodbye */
    if (t->handed_over && len > 0 && (data[0] == '4' || data[0] == '5'))
        t->refused_after = true;
    if (t->handed_over) /* what is left is the goodbye */
        (void)curl_easy_setopt(t->easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, GOODBYE_S);
    if (is_final(t, data, size * count))
        t->refused_for_good = true;
    if (len >= 3 && memcmp(data, "221", 3) == 0)
        return size * count; /* the goodbye says nothing about the mail */
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)data[i] >= 0x20 && (unsigned char)data[i] < 0x7F)
            t->reply[n++] = data[i];
    t->reply[n] = '\0';
    return size * count;
}

static struct curl_slist *
set_options(struct mail_transfer *t, const struct smtp_request *mail)
{
    CURL *e = t->easy;
    struct curl_slist *to = curl_slist_append(NULL, mail->to);

    (void)curl_easy_setopt(e, CURLOPT_URL, mail->url);
    (void)curl_easy_setopt(e, CURLOPT_MAIL_FROM, mail->from);
    (void)curl_easy_setopt(e, CURLOPT_MAIL_RCPT, to);
    if (mail->user != NULL) {
        (void)curl_easy_setopt(e, CURLOPT_USERNAME, mail->user);
        (void)curl_easy_setopt(e, CURLOPT_PASSWORD, mail->password);
    }
    (void)curl_easy_setopt(e, CURLOPT_USE_SSL,
                           (long)(mail->plain_allowed ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    (void)curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(e, CURLOPT_READFUNCTION, give_message);
    (void)curl_easy_setopt(e, CURLOPT_READDATA, t);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_reply);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_reply);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
    (void)curl_easy_setopt(e, CURLOPT_DEBUGFUNCTION, note_command); /* prints nothing */
    (void)curl_easy_setopt(e, CURLOPT_DEBUGDATA, t);
    (void)curl_easy_setopt(e, CURLOPT_VERBOSE, 1L);
    (void)curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    return to;
}

/* In a thread of the pool, and perhaps a while after it was asked for: the time that is left is
 * what there is now. */
static void
run(void *arg)
{
    struct mail_transfer *t = arg;
    const long left_ms = (long)MAX(t->deadline_ms - clock_ms(), 1);

    transfer_bounds(t->easy, CONNECT_TIMEOUT_MS, left_ms, "smtp,smtps");
    (void)curl_easy_setopt(t->easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, MAX(1L, left_ms / 1000));
    t->result = curl_easy_perform(t->easy);
}

enum err
smtp_send(struct task *task, const struct smtp_request *mail, struct smtp_answer *ret)
{
    struct mail_transfer t = {
        .left = mail->message,
        .deadline_ms = MIN(task->deadline_ms, clock_ms() + mail->timeout_ms),
    };

    const char *resolved;

    MUST(mail->url != NULL && mail->from != NULL && mail->to != NULL);
    TRY(lookup_url(task, mail->url, MIN(t.deadline_ms, clock_ms() + CONNECT_TIMEOUT_MS),
                   &resolved));
    transfer_init();
    t.easy = curl_easy_init();
    MUST(t.easy != NULL);
    struct curl_slist *to = set_options(&t, mail);
    struct curl_slist *addresses = resolved == NULL ? NULL : curl_slist_append(NULL, resolved);
    (void)curl_easy_setopt(t.easy, CURLOPT_RESOLVE, addresses);
    metric_add(METRIC_HTTP_CALLS, 1);
    KILL_POINT("smtp", "mail", "before");
    const bool ran = offload(OFFLOAD_MAIL, run, &t, NULL, t.deadline_ms);
    KILL_POINT("smtp", "mail", "answered");
    curl_easy_cleanup(t.easy);
    curl_slist_free_all(to);
    curl_slist_free_all(addresses);
    if (!ran)
        return fail_detail(&task->fail, ERR_UPSTREAM, "no time left for a mail");
    if (t.result == CURLE_OK) {
        memcpy(ret->reply, t.reply, sizeof ret->reply);
        return ERR_OK;
    }
    metric_add(METRIC_HTTP_ERRORS, 1);
    return fail_detail(&task->fail,
                       t.refused_for_good                  ? ERR_PROVIDER
                       : t.handed_over && !t.refused_after ? ERR_UNKNOWN_OUTCOME
                                                           : ERR_UPSTREAM,
                       "smtp: %s%s%s", t.error[0] != '\0' ? t.error : curl_easy_strerror(t.result),
                       t.reply[0] != '\0' ? "; last reply: " : "", t.reply);
}
