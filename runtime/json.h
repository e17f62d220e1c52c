/* json.h: a strict reader of the JSON that a safetensors header may hold: objects, arrays, strings
 * and whole numbers. It pulls tokens from a text that ends in a zero byte and decodes strings in
 * place. After a mistake every call fails, and `wrong` says what was expected where. */
#ifndef NETC_JSON_H
#define NETC_JSON_H
#include <stdbool.h>

typedef struct netc_json {
    char *start, *at;
    const char *wrong; /* what was expected at `at`; null while all is well */
} netc_json;

bool netc_json_eat(netc_json *j, char c);      /* skip it if it is next */
bool netc_json_expect(netc_json *j, char c);
char *netc_json_read_string(netc_json *j);     /* UTF-8 without zero bytes; null: not one */
bool netc_json_read_whole(netc_json *j, long *n); /* 0 .. 2^62 */
bool netc_json_at_end(netc_json *j);
bool netc_json_wrong(netc_json *j, const char *expected); /* false */
#endif
