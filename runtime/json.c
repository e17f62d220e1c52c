/* json.c: the strict reader of json.h. */
#include "json.h"
#include <stdint.h>
#include <stddef.h>

bool netc_json_wrong(netc_json *j, const char *expected) {
    if (!j->wrong) j->wrong = expected;
    return false;
}

static void skip_space(netc_json *j) {
    while (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r') j->at++;
}

bool netc_json_eat(netc_json *j, char c) {
    if (j->wrong) return false;
    skip_space(j);
    if (*j->at != c) return false;
    j->at++;
    return true;
}

bool netc_json_expect(netc_json *j, char c) {
    static const char *const names[] = {"'{'", "'}'", "'['", "']'", "':'", "','"};
    static const char chars[] = "{}[]:,";
    if (netc_json_eat(j, c)) return true;
    for (int i = 0; chars[i]; i++)
        if (chars[i] == c) netc_json_wrong(j, names[i]);
    return false;
}

bool netc_json_at_end(netc_json *j) {
    if (j->wrong) return false;
    skip_space(j);
    return *j->at ? netc_json_wrong(j, "the end") : true;
}

bool netc_json_read_whole(netc_json *j, long *n) {
    if (j->wrong) return false;
    skip_space(j);
    char *from = j->at;
    for (*n = 0; *j->at >= '0' && *j->at <= '9'; j->at++) {
        if (*n > (1L << 62) / 10 - 9) return netc_json_wrong(j, "a smaller number");
        *n = *n * 10 + (*j->at - '0');
    }
    if (j->at == from || (*from == '0' && j->at - from > 1))
        return netc_json_wrong(j, "a whole number");
    return true;
}

static bool hex4(netc_json *j, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, j->at++) {
        char c = *j->at, low = c | 0x20;
        if (c >= '0' && c <= '9') *code = *code << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f') *code = *code << 4 | (uint32_t)(low - 'a' + 10);
        else return netc_json_wrong(j, "four hexadecimal digits");
    }
    return true;
}

static char *put_utf8(char *to, uint32_t code) {
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *to++ = (char)(0xe0 | code >> 12);
        } else {
            *to++ = (char)(0xf0 | code >> 18);
            *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (code & 0x3f));
    return to;
}

/* What follows \u; never longer than its escape. */
static bool read_unicode(netc_json *j, char **to) {
    uint32_t code, low;
    if (!hex4(j, &code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (j->at[0] != '\\' || j->at[1] != 'u') return netc_json_wrong(j, "a low surrogate");
        j->at += 2;
        if (!hex4(j, &low)) return false;
        if (low < 0xdc00 || low > 0xdfff) return netc_json_wrong(j, "a low surrogate");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (!code || (code >= 0xdc00 && code < 0xe000)) {
        return netc_json_wrong(j, "a character");
    }
    *to = put_utf8(*to, code);
    return true;
}

static bool read_escape(netc_json *j, char **to) {
    static const char from[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = *j->at;
    if (c == 'u') {
        j->at++;
        return read_unicode(j, to);
    }
    for (int i = 0; from[i]; i++) {
        if (from[i] != c) continue;
        *(*to)++ = meant[i];
        j->at++;
        return true;
    }
    return netc_json_wrong(j, "an escape");
}

char *netc_json_read_string(netc_json *j) {
    if (!netc_json_eat(j, '"')) {
        netc_json_wrong(j, "a string");
        return NULL;
    }
    char *start = j->at, *to = j->at;
    while (*j->at != '"') {
        if ((unsigned char)*j->at < 0x20) {
            netc_json_wrong(j, "the end of a string");
            return NULL;
        }
        if (*j->at != '\\') {
            *to++ = *j->at++;
            continue;
        }
        j->at++;
        if (!read_escape(j, &to)) return NULL;
    }
    j->at++;
    *to = 0;
    return start;
}
