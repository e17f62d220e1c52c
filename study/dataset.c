/* dataset.c: see dataset.h. */
#include "dataset.h"
#include <stdlib.h>

void open_dataset(Study *s, const json_t *summary, int which, netc_dataset *d, netc_data *spec) {
    netc_error error = {""};
    json_t *data = at(summary, "data");
    const char *folder = string(data, "folder");
    *spec = (netc_data){.name = string(data, "name"), .folder = folder, .use = 1,
                        .rank = (int)json_array_size(at(data, "shape")),
                        .n_classes = (int)json_array_size(at(data, "classes"))};
    for (int i = 0; i < spec->rank; i++)
        spec->shape[i] = (long)json_integer_value(json_array_get(at(data, "shape"), (size_t)i));
    for (int i = 0; i < 2; i++) {
        spec->train[i] = json_string_value(json_array_get(at(data, "train"), (size_t)i));
        spec->test[i] = json_string_value(json_array_get(at(data, "test"), (size_t)i));
    }
    if (!netc_dataset_open(d, spec, s->options.data, 1, s->options.limit, which, &error))
        fail("%s", error.text);
}

void hash_dataset(Study *s, const json_t *summary) {
    netc_dataset d;
    netc_data spec;
    char parts[4 * 64 + 1];
    open_dataset(s, summary, NETC_TRAINING_FILES | NETC_TEST_FILES, &d, &spec);
    const netc_samples *set[2] = {&d.train, &d.test};
    for (int i = 0; i < 2; i++) {
        sha256_text(parts + 128 * i, set[i]->bytes, (size_t)(set[i]->count * d.sample_bytes));
        sha256_text(parts + 128 * i + 64, set[i]->label, (size_t)set[i]->count);
    }
    sha256_text(s->data_hash, parts, 4 * 64);
    s->train_count = d.train.count;
    s->test_count = d.test.count;
    netc_dataset_close(&d);
}
