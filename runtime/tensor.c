/* tensor.c: tensors of the state block to and from row-major order, whatever layout the compiler
 * chose for them (netc_piece).
 */
#include "internal.h"

/* Where index i of an axis lies, in floats, by the pieces of that axis. */
static long along(const netc_tensor *t, int axis, long i) {
    long at = 0;
    for (int p = 0; p < t->n_pieces; p++)
        if (t->piece[p].axis == axis)
            at += i / t->piece[p].div % t->piece[p].count * t->piece[p].stride;
    return at;
}

/* The next row: counts up all axes but the last. */
static void next_row(const netc_tensor *t, long *index) {
    for (int a = t->rank - 2; a >= 0; a--) {
        if (++index[a] < t->shape[a]) return;
        index[a] = 0;
    }
}

static long row_at(const netc_tensor *t, const long *index) {
    long at = 0;
    for (int a = 0; a < t->rank - 1; a++) at += along(t, a, index[a]);
    return at;
}

static long row_length(const netc_tensor *t) { return t->rank ? t->shape[t->rank - 1] : 1; }

void netc_tensor_get(const netc_tensor *t, const void *state, float *to) {
    const float *block = (const float *)((const char *)state + t->offset);
    long index[NETC_MAX_RANK] = {0}, n = row_length(t), all = netc_elements(t->rank, t->shape);
    for (long done = 0; done < all; done += n, next_row(t, index)) {
        long row = row_at(t, index);
        for (long i = 0; i < n; i++) to[done + i] = block[row + along(t, t->rank - 1, i)];
    }
}

void netc_tensor_set(const netc_tensor *t, void *state, const float *from) {
    float *block = (float *)((char *)state + t->offset);
    long index[NETC_MAX_RANK] = {0}, n = row_length(t), all = netc_elements(t->rank, t->shape);
    for (long done = 0; done < all; done += n, next_row(t, index)) {
        long row = row_at(t, index);
        for (long i = 0; i < n; i++) block[row + along(t, t->rank - 1, i)] = from[done + i];
    }
}

long netc_largest_tensor(const netc_net *net) {
    long largest = 1;
    for (int i = 0; i < net->n_tensors; i++) {
        long n = netc_elements(net->tensor[i].rank, net->tensor[i].shape);
        if (n > largest) largest = n;
    }
    return largest;
}

const netc_tensor *netc_not_finite(const netc_net *net, const void *state, float *work) {
    for (int i = 0; i < net->n_tensors; i++) {
        const netc_tensor *t = &net->tensor[i];
        long n = netc_elements(t->rank, t->shape);
        netc_tensor_get(t, state, work);
        for (long k = 0; k < n; k++)
            if (!(work[k] - work[k] == 0)) return t;
    }
    return NULL;
}
