/* test_clock.c: the Date of RFC 9110 section 5.6.7, and clocks that go forward. */
#include "base/clock.h"

#include "check.h"

static void known_dates_are_written_right(void)
{
    static const struct { i64 wall_s; const char *text; } dates[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* the RFC's own example */
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"}, /* a leap day in a year that ends in 00 */
        {1709251199, "Thu, 29 Feb 2024 23:59:59 GMT"},
        {1709251200, "Fri, 01 Mar 2024 00:00:00 GMT"},
        {2147483647, "Tue, 19 Jan 2038 03:14:07 GMT"},
        {2147483648, "Tue, 19 Jan 2038 03:14:08 GMT"}, /* one more than 31 bits hold */
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"}, /* 2100 is no leap year */
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {-1, "Wed, 31 Dec 1969 23:59:59 GMT"},
    };
    for (size_t i = 0; i < TUX_COUNT(dates); i++) {
        char text[TUX_DATE_BYTES + 1];
        tux_date(dates[i].wall_s, text);
        CHECK_TEXT(text, dates[i].text);
    }
}

static void every_month_has_its_name(void)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int month = 0; month < 12; month++) {
        char text[TUX_DATE_BYTES + 1];
        struct tm t = {.tm_year = 126, .tm_mon = month, .tm_mday = 15};
        tux_date((i64)timegm(&t), text);
        CHECK(memcmp(text + 8, names + 3 * month, 3) == 0);
    }
}

/* 400 years, some hours apart, against the C library in the C locale. */
static void it_agrees_with_the_library(void)
{
    for (i64 at = -2208988800; at < 10413792000; at += 401 * 3607) {
        char text[TUX_DATE_BYTES + 1], wanted[64];
        time_t seconds = (time_t)at;
        struct tm t;
        strftime(wanted, sizeof wanted, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&seconds, &t));
        tux_date(at, text);
        CHECK_TEXT(text, wanted);
    }
}

static void it_writes_thirty_bytes_and_no_more(void)
{
    struct check_guard guard = check_guard_open(TUX_DATE_BYTES + 1);
    char *room = (char *)check_guard_room(&guard, TUX_DATE_BYTES + 1);
    room[-1] = 'x';
    static const i64 any[] = {0, 784111777, 253402300800, -62135596801, 67767976233532799};
    for (size_t i = 0; i < TUX_COUNT(any); i++) {
        tux_date(any[i], room);
        CHECK_EQ(room[TUX_DATE_BYTES], 0);
        CHECK_EQ(room[-1], 'x');
    }
}

static void clocks_go_forward(void)
{
    u64 ms = tux_now_ms(), ns = tux_now_ns();
    CHECK(ms > 0 && ns / 1000000 >= ms && ns / 1000000 < ms + 60000);
    CHECK(tux_now_ns() >= ns && tux_now_ms() >= ms);
    i64 wall = tux_wall_s(), library = (i64)time(NULL);
    CHECK(wall >= library - 60 && wall <= library + 60);
}

int main(void)
{
    known_dates_are_written_right();
    every_month_has_its_name();
    it_agrees_with_the_library();
    it_writes_thirty_bytes_and_no_more();
    clocks_go_forward();
    return 0;
}
