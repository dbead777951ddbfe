/*
 * Passwords that are tried first by whoever guesses: those of eight characters and more that lead
 * the lists of leaked ones, in lower case, in the order of strcmp.
 */
#include "auth.h"

#include <stdlib.h>

#include "base/text.h"

static const char *const common[] = {
    /* clang-format off */
    "00000000", "0123456789", "0987654321", "11111111", "1111111111", "11223344", "112233445566",
    "12121212", "123123123", "123123123123", "12341234", "1234512345", "123454321", "12345678",
    "123456789", "1234567890", "12345678910", "123456789a", "1234abcd", "1234qwer", "123654789",
    "123qwe123", "123qweasd", "123qweasdzxc", "147258369", "159753159753", "1q2w3e4r",
    "1q2w3e4r5t", "1q2w3e4r5t6y", "1qaz2wsx", "1qaz2wsx3edc", "1qazxsw2", "22222222", "31415926",
    "66666666", "77777777", "87654321", "88888888", "987654321", "9876543210", "99999999",
    "a1234567", "a12345678", "a123456789", "aa123456", "aa12345678", "aaaaaaaa", "abc12345",
    "abc123456", "abcd1234", "abcdefgh", "access14", "admin123", "admin1234", "administrator",
    "alexander", "alexandra", "andromeda", "angel123", "anthony1", "arsenal1", "asdasdasd",
    "asdf1234", "asdfasdf", "asdfghjk", "asdfghjkl", "babygirl", "babygirl1", "barcelona",
    "baseball", "baseball1", "basketball", "batman123", "benjamin", "bitcoin1", "blink182",
    "bullshit", "butterfly", "caroline", "changeme", "charlie1", "chelsea1", "chocolate",
    "christian", "christopher", "cocacola", "computer", "consumer", "cookie123", "corvette",
    "courtney", "danielle", "december", "diamond1", "dragon123", "drowssap", "einstein",
    "elizabeth", "estrella", "explorer", "facebook", "february", "football",
    "football1", "forextrader", "fuckyou1", "garfield", "gateway1", "godzilla", "greenday",
    "guinness", "hannah01", "harrypotter", "heather1", "hello123", "hello1234", "helloworld",
    "homework", "iloveyou", "iloveyou1", "iloveyou2", "infinity", "internet", "isabella",
    "jasmine1", "jennifer", "jessica1", "jonathan", "jordan23", "justin11", "kimberly", "lakers24",
    "letmein1", "letmein123", "liverpool", "liverpool1", "london123", "lovelove", "loveyou1",
    "manchester", "mario123", "marlboro", "maryjane", "master123", "matthew1", "mercedes",
    "metallica", "metatrader", "michael1", "michelle", "mickey123", "midnight", "monkey123",
    "mustang1", "myspace1", "naruto123", "nicholas", "nintendo", "november", "p@ssw0rd",
    "pa55word", "panther1", "pass1234", "passw0rd", "password", "password!", "password01",
    "password1", "password1!", "password11", "password12", "password123", "password1234",
    "password12345", "password2", "password3", "password9", "patricia", "playboy1", "pokemon1",
    "porsche911", "princess", "princess1", "q1w2e3r4", "q1w2e3r4t5", "qazwsx123", "qazwsxedc",
    "qqqqqqqq", "qwaszx12", "qweasdzxc", "qwer1234", "qwerasdf", "qwerqwer", "qwert123",
    "qwert12345", "qwerty12", "qwerty123", "qwerty1234", "qwerty12345", "qwerty123456", "qwertyui",
    "qwertyuiop", "rainbow1", "rangers1", "realmadrid", "rockyou1", "samantha", "samsung1",
    "scooby-doo", "sebastian", "september", "shadow123", "slipknot", "snoopy123", "snowball",
    "spiderman", "starwars", "starwars1", "steelers", "stephanie", "summer123", "sunshine",
    "sunshine1", "superman", "superman1", "superstar", "swordfish", "test1234", "testtest",
    "tigger123", "trader123", "trading123", "trustno1", "twilight", "valentina", "vanessa1",
    "veronica", "victoria", "warcraft", "welcome1", "welcome123", "whatever", "william1",
    "winston1", "xbox360!", "yankees1", "zaq12wsx", "zaq1zaq1", "zxcvbnm1", "zxcvbnm123",
    "zzzzzzzz",
    /* clang-format on */
};

static int
by_text(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

bool
auth_password_is_common(struct str password)
{
    char lower[PASSWORD_BYTES_MAX + 1] = "";

    if (password.len > PASSWORD_BYTES_MAX)
        return false;
    for (size_t i = 0; i < password.len; i++)
        lower[i] = ascii_lower(password.ptr[i]);
    return bsearch(lower, common, ARRAY_LEN(common), sizeof common[0], by_text) != NULL;
}
