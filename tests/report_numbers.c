/* report_numbers RESULTS.json REPORT.html: every number of the page stands in results.json where
 * the page says, as far as the page shows its digits; every tag is closed that has to be; nothing
 * comes from elsewhere. Reads both files with no code of the study's. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad, numbers;

static char *read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    long n;
    char *text;
    if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0) exit(2);
    rewind(f);
    text = calloc((size_t)n + 1, 1);
    if (!text || fread(text, 1, (size_t)n, f) != (size_t)n) exit(2);
    fclose(f);
    return text;
}

static const json_t *find(const json_t *j, char *path) {
    for (char *step = strtok(path, "."); step && j; step = strtok(NULL, "."))
        j = json_is_array(j) ? json_array_get(j, (size_t)atol(step)) : json_object_get(j, step);
    return j;
}

/* "−12,345.6" with its number of decimals; false where it is something else. */
static int parse(const char *text, const char *end, double *x, int *decimals) {
    char digits[64];
    size_t n = 0;
    int minus = !strncmp(text, "−", strlen("−"));
    const char *point = NULL;
    for (const char *p = text + (minus ? strlen("−") : 0); p < end && n < sizeof digits - 1; p++) {
        if (*p == ',') continue;
        if (*p == '.') point = p;
        digits[n++] = *p;
    }
    digits[n] = 0;
    *decimals = point ? (int)(end - point) - 1 : 0;
    *x = strtod(digits, (char **)&point);
    if (minus) *x = -*x;
    return n && !*point;
}

static void check(const json_t *results, const char *tag) {
    char path[256] = "", unknown[256];
    double times = 1, shown;
    int decimals;
    sscanf(tag, "<span data-p=\"%255[^\"]\" data-t=\"%lf\"", path, &times);
    memcpy(unknown, path, sizeof path);
    const json_t *found = find(results, path);
    const char *text = strchr(tag, '>') + 1, *end = strchr(text, '<');
    double x = json_is_number(found) ? json_number_value(found) * times : NAN;
    numbers++;
    if (!strncmp(text, "&lt; ", 5) && parse(text + 5, end, &shown, &decimals) && x < shown) return;
    if (parse(text, end, &shown, &decimals) &&
        fabs(x - shown) <= 0.5000001 * pow(10, -decimals))
        return;
    printf("%s is %.12g, the page shows %.*s\n", unknown, x, (int)(end - text), text);
    bad++;
}

static void complain(int is, const char *what) {
    if (!is) return;
    printf("%s\n", what);
    bad++;
}

static long occurrences(const char *text, const char *what) {
    long n = 0;
    for (; (text = strstr(text, what)); text += strlen(what)) n++;
    return n;
}

static void check_tags(const char *page) {
    static const char *const paired[] = {"table", "div", "section", "figure", "span", "svg", "a",
                                         "details", "summary", "pre", "code", "nav", "main", "h2"};
    char open[2][32], close[32];
    for (size_t i = 0; i < sizeof paired / sizeof *paired; i++) {
        snprintf(open[0], sizeof open[0], "<%s>", paired[i]);
        snprintf(open[1], sizeof open[1], "<%s ", paired[i]);
        snprintf(close, sizeof close, "</%s>", paired[i]);
        if (occurrences(page, open[0]) + occurrences(page, open[1]) == occurrences(page, close))
            continue;
        printf("<%s> is not closed as often as it is opened\n", paired[i]);
        bad++;
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    json_t *results = json_load_file(argv[1], 0, NULL);
    char *page = read_file(argv[2]);
    complain(!results, "results.json is no JSON");
    if (!results) return 1;
    for (const char *p = page; (p = strstr(p, "<span data-p=")); p++) check(results, p);
    check_tags(page);
    complain(strstr(page, "<script") != NULL, "a script");
    complain(strstr(page, " src=\"http") || strstr(page, "url(") || strstr(page, "<link") ||
             strstr(page, "@import"), "something comes from elsewhere");
    complain(occurrences(page, "<img ") != occurrences(page, "src=\"data:image/png;base64,iVBOR"),
             "a picture that is no PNG");
    printf("%d numbers of the page\n", numbers);
    complain(numbers < 100, "which is few");
    json_decref(results);
    free(page);
    return bad > 0;
}
