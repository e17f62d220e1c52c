/* json.c: short ways into results. */
#include "study.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *at(const json_t *j, const char *path) {
    while (j && *path) {
        char step[256];
        size_t n = strcspn(path, ".");
        if (n >= sizeof step) return NULL;
        memcpy(step, path, n);
        step[n] = 0;
        j = json_is_array(j) ? json_array_get(j, strtoul(step, NULL, 10))
                             : json_object_get(j, step);
        path += n + (path[n] == '.');
    }
    return (json_t *)j;
}

double real(const json_t *j, const char *path) {
    json_t *found = at(j, path);
    return json_is_number(found) ? json_number_value(found) : NAN;
}

const char *string(const json_t *j, const char *path) {
    const char *found = json_string_value(at(j, path));
    return found ? found : "";
}

json_t *rounded(double x) { return isfinite(x) ? json_real(x) : json_null(); }
