/* plain: written by netc for x86-64-v3 (-march=x86-64-v3).
 *
 * flatten1         flatten                                           784         0
 * linear1          linear(20)                                         20     15700
 * relu1            relu                                               20         0
 * linear2          linear(10)                                         10       210
 *
 * Compile with -std=gnu11 -O3 -ffp-contract=off -fno-math-errno, no -ffast-math.
 */
#define NETC_LANES 8
#include "plain.h"
#include "netc_vector.h"

typedef struct netc_task {
    const netc_call *call;
    long at[8];
} netc_task;

/* linear1_W of linear (plain.net:9) */
static __attribute__((noinline)) void init_linear1_W(float *restrict linear1_W, long f) {
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
        vf_store(linear1_W + 16 * f + 12544 * (v / 2) + 8 * (v % 2), (vf_set(0.00999999978f) *
                (vf_from_vi(vi_fmod((vi_iota() + vi_set((f + 3 * v))), vi_set(5))) -
                vf_set(2.0f))));
    }
}

/* linear1_b of linear (plain.net:9) */
static __attribute__((noinline)) void init_linear1_b(float *restrict linear1_b) {
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
        vf_store(linear1_b + 8 * v, vf_set(0.0f));
    }
}

/* linear2_W of linear (plain.net:9) */
static __attribute__((noinline)) void init_linear2_W(float *restrict linear2_W) {
    for (long f = 0; f < 20; f++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            vf_store(linear2_W + 16 * f + 8 * v, (vf_set(0.00999999978f) *
                    (vf_from_vi(vi_fmod((vi_iota() + vi_set((f + 3 * v))), vi_set(5))) -
                    vf_set(2.0f))));
        }
    }
}

/* linear2_b of linear (plain.net:9) */
static __attribute__((noinline)) void init_linear2_b(float *restrict linear2_b) {
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        vf_store(linear2_b + 8 * v, vf_set(0.0f));
    }
}

static void init_task0(void *context, int task) {
    const netc_task *around = context;
    const netc_call *call = around->call;
    char *state = call->state, *arena = call->arena;
    long count = call->count;
    (void)state, (void)arena, (void)count;
    switch (netc_part((const int[]){1, 784, 1, 1}, 4, &task)) {
    case 0: {
        init_linear2_W((float *)(state + 100608));
        break;
    }
    case 1: {
        long f = task;
        init_linear1_W((float *)(state + 0), f);
        break;
    }
    case 2: {
        init_linear1_b((float *)(state + 100416));
        break;
    }
    case 3: {
        init_linear2_b((float *)(state + 101952));
        break;
    }
    }
}

static void init(const netc_call *call) {
    char *state = call->state, *arena = call->arena;
    long count = call->count;
    (void)state, (void)arena, (void)count;
    netc_parallel(call->pool, init_task0, &(netc_task){call, {0}}, (int)(784 + 3));
}

/* pixels */
static __attribute__((noinline)) void prepare_pixels(const uint8_t *restrict bytes, float *restrict
        x_out, long n) {
    for (long i1 = 0; i1 < 28; i1++) {
#pragma GCC unroll 3
        for (long v = 0; v < 3; v++) {
            vf_store(x_out + 784 * n + 28 * i1 + 8 * v, (vf_from_vi(vi_loadu8(bytes + 784 * n + 28 *
                    i1 + 8 * v)) / vf_set(255.0f)));
        }
        for (long i2 = 0; i2 < 4; i2++) {
            x_out[784 * n + 28 * i1 + i2 + 24] = ((float)(bytes[784 * n + 28 * i1 + i2 + 24]) /
                    255.0f);
        }
    }
}

static void prepare_task0(void *context, int task) {
    const netc_task *around = context;
    const netc_call *call = around->call;
    char *state = call->state, *arena = call->arena;
    long count = call->count;
    (void)state, (void)arena, (void)count;
    long n = task;
    prepare_pixels(call->bytes, call->x_out, n);
}

static void prepare(const netc_call *call) {
    char *state = call->state, *arena = call->arena;
    long count = call->count;
    (void)state, (void)arena, (void)count;
    netc_parallel(call->pool, prepare_task0, &(netc_task){call, {0}}, (int)(count));
}

/* linear1 of linear (plain.net:9), relu1 of relu (plain.net:9) */
static __attribute__((noinline)) void train_relu1(const float *restrict linear1_b, const float
        *restrict linear1_W, const float *restrict x, float *restrict linear1, float *restrict
        relu1, long n) {
    vf linear1_0[12];
#pragma GCC unroll 4
    for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 3
        for (long v = 0; v < 3; v++) {
            linear1_0[3 * n2 + v] = vf_load(linear1_b + 8 * v);
        }
    }
    for (long f0 = 0; f0 < 28; f0++) {
        for (long f1 = 0; f1 < 7; f1++) {
#pragma GCC unroll 4
            for (long f12 = 0; f12 < 4; f12++) {
#pragma GCC unroll 4
                for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 3
                    for (long v = 0; v < 3; v++) {
                        linear1_0[3 * n2 + v] = vf_fma(vf_load(linear1_W + 448 * f0 + 64 * f1 + 16 *
                                f12 + 12544 * (v / 2) + 8 * (v % 2)), vf_set(x[3136 * n + 28 * f0 +
                                4 * f1 + f12 + 784 * n2]), linear1_0[3 * n2 + v]);
                    }
                }
            }
        }
    }
#pragma GCC unroll 4
    for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 3
        for (long v = 0; v < 3; v++) {
            vf_store(linear1 + 64 * n + 16 * n2 + 512 * (v / 2) + 8 * (v % 2), linear1_0[3 * n2 +
                    v]);
        }
    }
#pragma GCC unroll 4
    for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 3
        for (long v = 0; v < 3; v++) {
            vf_store(relu1 + 64 * n + 16 * n2 + 512 * (v / 2) + 8 * (v % 2),
                    vf_select(vf_le(linear1_0[3 * n2 + v], vf_set(0.0f)), vf_set(0.0f), linear1_0[3
                    * n2 + v]));
        }
    }
}

/* linear2 of linear (plain.net:9) */
static __attribute__((noinline)) void train_linear2(const float *restrict linear2_b, const float
        *restrict linear2_W, const float *restrict relu1, float *restrict linear2, long count) {
    for (long n = 0; n < ((count + 3) / 4); n++) {
        vf acc_0[8];
#pragma GCC unroll 4
        for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 2
            for (long v = 0; v < 2; v++) {
                acc_0[2 * n2 + v] = vf_load(linear2_b + 8 * v);
            }
        }
        for (long f = 0; f < 4; f++) {
#pragma GCC unroll 4
            for (long f2 = 0; f2 < 4; f2++) {
#pragma GCC unroll 4
                for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 2
                    for (long v = 0; v < 2; v++) {
                        acc_0[2 * n2 + v] = vf_fma(vf_load(linear2_W + 64 * f + 16 * f2 + 8 * v),
                                vf_set(relu1[64 * n + 4 * f + f2 + 16 * n2]), acc_0[2 * n2 + v]);
                    }
                }
            }
        }
#pragma GCC unroll 4
        for (long f = 0; f < 4; f++) {
#pragma GCC unroll 4
            for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 2
                for (long v = 0; v < 2; v++) {
                    acc_0[2 * n2 + v] = vf_fma(vf_load(linear2_W + 16 * f + 8 * v + 256),
                            vf_set(relu1[64 * n + f + 16 * n2 + 512]), acc_0[2 * n2 + v]);
                }
            }
        }
#pragma GCC unroll 4
        for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 2
            for (long v = 0; v < 2; v++) {
                vf_store(linear2 + 64 * n + 16 * n2 + 8 * v, acc_0[2 * n2 + v]);
            }
        }
    }
}

/* softmax_cross_entropy1_top of softmax_cross_entropy (plain.net:10) */
static __attribute__((noinline)) void train_softmax_cross_entropy1_top(const float *restrict
        linear2, float *restrict softmax_cross_entropy1_top) {
    vf acc_0[3];
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
        acc_0[v] = vf_set(-__builtin_inff());
    }
    for (long k = 0; k < 10; k++) {
#pragma GCC unroll 3
        for (long v = 0; v < 3; v++) {
            acc_0[v] = vf_max(acc_0[v], vf_gather(linear2, ((vi_iota() * vi_set(16)) + vi_set((k +
                    128 * v)))));
        }
    }
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
        vf_store(softmax_cross_entropy1_top + 8 * v, acc_0[v]);
    }
}

/* linear2_by_n */
static __attribute__((noinline)) void train_linear2_by_n(const float *restrict linear2, float
        *restrict linear2_by_n) {
    for (long i = 0; i < 2; i++) {
#pragma GCC unroll 3
        for (long v = 0; v < 3; v++) {
            vf columns_0[4];
            vf_columns(columns_0, linear2 + 4 * i + 128 * v, 16);
#pragma GCC unroll 4
            for (long i2 = 0; i2 < 4; i2++) {
                vf_store(linear2_by_n + 64 * i + 16 * i2 + 160 * (v / 2) + 8 * (v % 2),
                        columns_0[i2]);
            }
        }
    }
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
#pragma GCC unroll 2
        for (long i = 0; i < 2; i++) {
            vf_store(linear2_by_n + 16 * i + 160 * (v / 2) + 8 * (v % 2) + 128, vf_gather(linear2,
                    ((vi_iota() * vi_set(16)) + vi_set((128 * v + i + 8)))));
        }
    }
}

/* softmax_cross_entropy1_sum of softmax_cross_entropy (plain.net:10), softmax_cross_entropy1 of
        softmax_cross_entropy (plain.net:10) */
static __attribute__((noinline)) void train_softmax_cross_entropy1(const float *restrict
        linear2_by_n, const float *restrict softmax_cross_entropy1_top, float *restrict
        softmax_cross_entropy1_sum, const int32_t *restrict label, const float *restrict linear2,
        float *restrict softmax_cross_entropy1, long count) {
    for (long n = 0; n < ((count + 31) / 32); n++) {
        vf softmax_cross_entropy1_sum_0[4];
#pragma GCC unroll 4
        for (long v = 0; v < 4; v++) {
            softmax_cross_entropy1_sum_0[v] = vf_set(0.0f);
        }
        for (long k = 0; k < 10; k++) {
#pragma GCC unroll 4
            for (long v = 0; v < 4; v++) {
                const vf t0 = (vf_load(linear2_by_n + 16 * k + 160 * (v / 2) + 8 * (v % 2)) -
                        vf_load(softmax_cross_entropy1_top + 8 * v));
                const vf t1 = vf_floor(vf_fma(t0, vf_set(1.44269502f), vf_set(0.5f)));
                const vf t2 = vf_fma(t1, vf_set(0.000212194442f), vf_fma(t1,
                        vf_set((-0.693359375f)), t0));
                softmax_cross_entropy1_sum_0[v] = (softmax_cross_entropy1_sum_0[v] +
                        vf_select(vf_lt(vf_set(88.3759995f), t0), vf_set(__builtin_inff()),
                        vf_select(vf_lt(t0, vf_set((-87.3000031f))), vf_set(0.0f),
                        (vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_set(0.000198756912f), t2,
                        vf_set(0.00139819994f)), t2, vf_set(0.00833345205f)), t2,
                        vf_set(0.0416657962f)), t2, vf_set(0.166666657f)), t2, vf_set(0.5f)), (t2 *
                        t2), (t2 + vf_set(1.0f))) * (vf)(((vu)((vi_from_vf(t1) + vi_set(127))) <<
                        vu_set(23u)))))));
            }
        }
#pragma GCC unroll 4
        for (long v = 0; v < 4; v++) {
            vf_store(softmax_cross_entropy1_sum + 8 * v, softmax_cross_entropy1_sum_0[v]);
        }
#pragma GCC unroll 4
        for (long v = 0; v < 4; v++) {
            const vm t3 = vf_lt(softmax_cross_entropy1_sum_0[v], vf_set(1.17549435e-38f));
            const vu t4 = (vu)(vf_select(t3, (softmax_cross_entropy1_sum_0[v] * vf_set(8388608.0f)),
                    softmax_cross_entropy1_sum_0[v]));
            const vf t5 = (vf)(((t4 & vu_set(8388607u)) ^ vu_set(1056964608u)));
            const vm t6 = vf_lt(t5, vf_set(0.707106769f));
            const vf t7 = (vf_from_vi((vi)((t4 >> vu_set(23u)))) - vf_select(t3, vf_set(149.0f),
                    vf_set(126.0f)));
            const vf t8 = vf_select(t6, (t7 - vf_set(1.0f)), t7);
            const vf t9 = (vf_select(t6, (t5 + t5), t5) - vf_set(1.0f));
            const vf t10 = (t9 * t9);
            vf_store(softmax_cross_entropy1 + 8 * v,
                    ((vf_select(vf_lt(softmax_cross_entropy1_sum_0[v], vf_set(0.0f)),
                    vf_set(__builtin_nanf("")), vf_select(vf_eq(softmax_cross_entropy1_sum_0[v],
                    vf_set(0.0f)), vf_set(-__builtin_inff()),
                    vf_select(vf_lt(softmax_cross_entropy1_sum_0[v], vf_set(__builtin_inff())),
                    vf_fma(t8, vf_set(0.693359375f), (t9 + vf_fma(t10, vf_set((-0.5f)), vf_fma(t8,
                    vf_set((-0.000212194442f)), ((t9 * t10) *
                    vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_set(0.0703768358f),
                    t9, vf_set((-0.115146101f))), t9, vf_set(0.116769984f)), t9,
                    vf_set((-0.12420141f))), t9, vf_set(0.142493233f)), t9,
                    vf_set((-0.166680574f))), t9, vf_set(0.200007141f)), t9,
                    vf_set((-0.24999994f))), t9, vf_set(0.333333313f))))))),
                    softmax_cross_entropy1_sum_0[v]))) + vf_load(softmax_cross_entropy1_top + 8 *
                    v)) - vf_gather(linear2, (((vi_iota() * vi_set(16)) + vi_load(label + 8 * v)) +
                    vi_set((128 * v))))));
        }
    }
}

/* loss_sum, loss */
static __attribute__((noinline)) void train_loss(const float *restrict softmax_cross_entropy1, const
        float *restrict scalar, float *restrict loss, long count) {
    float loss_sum_0[1] __attribute__((aligned(64)));
    loss_sum_0[0] = 0.0f;
    vf part_1[2];
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        part_1[v] = vf_set(0.0f);
    }
    for (long n = 0; n < (count / 16); n++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            part_1[v] = (part_1[v] + vf_load(softmax_cross_entropy1 + 8 * v));
        }
    }
    for (long n = (count / 16); n < ((count + 15) / 16); n++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            const vm t0 = vi_lt((vi_iota() + vi_set((16 * n + 8 * v))), vi_set(count));
            part_1[v] = vf_select(t0, (part_1[v] + vf_load_where(t0, softmax_cross_entropy1 + 16 * n
                    + 8 * v)), part_1[v]);
        }
    }
    loss_sum_0[0] = (loss_sum_0[0] + vf_tree((part_1[0] + part_1[1])));
    loss[0] = (loss_sum_0[0] * scalar[0]);
}

/* d_loss_sum */
static __attribute__((noinline)) void train_d_loss_sum(const float *restrict scalar, float *restrict
        d_loss_sum) {
    d_loss_sum[0] = scalar[0];
}

/* d_softmax_cross_entropy1_sum of softmax_cross_entropy (plain.net:10) */
static __attribute__((noinline)) void train_d_softmax_cross_entropy1_sum(const float *restrict
        d_loss_sum, const float *restrict softmax_cross_entropy1_sum, float *restrict
        d_softmax_cross_entropy1_sum) {
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
        vf_store(d_softmax_cross_entropy1_sum + 8 * v, (vf_set(d_loss_sum[0]) /
                vf_load(softmax_cross_entropy1_sum + 8 * v)));
    }
}

/* d_linear2 of linear (plain.net:9) */
static __attribute__((noinline)) void train_d_linear2(const float *restrict
        d_softmax_cross_entropy1_sum, const float *restrict linear2, const float *restrict
        softmax_cross_entropy1_top, const int32_t *restrict label, const float *restrict d_loss_sum,
        float *restrict d_linear2, long count) {
    for (long n = 0; n < count; n++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            const vf t0 = (vf_load(linear2 + 16 * n + 8 * v) -
                    vf_set(softmax_cross_entropy1_top[n]));
            const vf t1 = vf_floor(vf_fma(t0, vf_set(1.44269502f), vf_set(0.5f)));
            const vf t2 = vf_fma(t1, vf_set(0.000212194442f), vf_fma(t1, vf_set((-0.693359375f)),
                    t0));
            vf_store(d_linear2 + 16 * n + 8 * v, ((vf_set(d_softmax_cross_entropy1_sum[n]) *
                    vf_select(vf_lt(vf_set(88.3759995f), t0), vf_set(__builtin_inff()),
                    vf_select(vf_lt(t0, vf_set((-87.3000031f))), vf_set(0.0f),
                    (vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_set(0.000198756912f), t2,
                    vf_set(0.00139819994f)), t2, vf_set(0.00833345205f)), t2,
                    vf_set(0.0416657962f)), t2, vf_set(0.166666657f)), t2, vf_set(0.5f)), (t2 * t2),
                    (t2 + vf_set(1.0f))) * (vf)(((vu)((vi_from_vf(t1) + vi_set(127))) <<
                    vu_set(23u))))))) + vf_select(vi_eq((vi_iota() + vi_set((8 * v))),
                    vi_set(label[n])), vf_set(-(d_loss_sum[0])), vf_set(0.0f))));
        }
    }
}

/* linear2_W_by_column */
static __attribute__((noinline)) void train_linear2_W_by_column(const float *restrict linear2_W,
        float *restrict linear2_W_by_column) {
    for (long i = 0; i < 2; i++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            vf columns_0[4];
            vf_columns(columns_0, linear2_W + 4 * i + 128 * v, 16);
#pragma GCC unroll 4
            for (long i2 = 0; i2 < 4; i2++) {
                vf_store(linear2_W_by_column + 64 * i + 8 * v + 16 * i2, columns_0[i2]);
            }
        }
        for (long j = 0; j < 4; j++) {
#pragma GCC unroll 4
            for (long i2 = 0; i2 < 4; i2++) {
                linear2_W_by_column[64 * i + j + 16 * i2 + 160] = linear2_W[4 * i + 16 * j + i2 +
                        256];
            }
        }
    }
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
#pragma GCC unroll 2
        for (long i = 0; i < 2; i++) {
            vf_store(linear2_W_by_column + 8 * v + 16 * i + 128, vf_gather(linear2_W, ((vi_iota() *
                    vi_set(16)) + vi_set((128 * v + i + 8)))));
        }
    }
    for (long j = 0; j < 4; j++) {
#pragma GCC unroll 2
        for (long i = 0; i < 2; i++) {
            linear2_W_by_column[j + 16 * i + 288] = linear2_W[16 * j + i + 264];
        }
    }
}

/* d_relu1 of relu (plain.net:9), d_linear1 of linear (plain.net:9) */
static __attribute__((noinline)) void train_d_linear1(const float *restrict d_linear2, const float
        *restrict linear2_W_by_column, const float *restrict linear1, float *restrict d_linear1,
        long count) {
    for (long n = 0; n < ((count + 3) / 4); n++) {
        vf d_relu1_0[12];
#pragma GCC unroll 4
        for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 3
            for (long v = 0; v < 3; v++) {
                d_relu1_0[3 * n2 + v] = vf_set(0.0f);
            }
        }
        for (long u = 0; u < 10; u++) {
#pragma GCC unroll 4
            for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 3
                for (long v = 0; v < 3; v++) {
                    d_relu1_0[3 * n2 + v] = vf_fma(vf_set(d_linear2[64 * n + u + 16 * n2]),
                            vf_load(linear2_W_by_column + 16 * u + 160 * (v / 2) + 8 * (v % 2)),
                            d_relu1_0[3 * n2 + v]);
                }
            }
        }
#pragma GCC unroll 4
        for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 3
            for (long v = 0; v < 3; v++) {
                vf_store(d_linear1 + 64 * n + 16 * n2 + 512 * (v / 2) + 8 * (v % 2),
                        vf_select(vf_le(vf_load(linear1 + 64 * n + 16 * n2 + 512 * (v / 2) + 8 * (v
                        % 2)), vf_set(0.0f)), vf_set(0.0f), d_relu1_0[3 * n2 + v]));
            }
        }
    }
}

/* d_linear1_W of linear (plain.net:9), next_linear1_W */
static __attribute__((noinline)) void train_next_linear1_W(const float *restrict d_linear1, const
        float *restrict x, float *restrict linear1_W, const float *restrict scalar, long j, long
        count) {
    for (long j2 = 0; j2 < 14; j2++) {
        vf d_linear1_W_0[12];
#pragma GCC unroll 4
        for (long j3 = 0; j3 < 4; j3++) {
#pragma GCC unroll 3
            for (long v = 0; v < 3; v++) {
                d_linear1_W_0[j3 + 4 * v] = vf_set(0.0f);
            }
        }
        for (long n = 0; n < count; n++) {
#pragma GCC unroll 4
            for (long j3 = 0; j3 < 4; j3++) {
#pragma GCC unroll 3
                for (long v = 0; v < 3; v++) {
                    d_linear1_W_0[j3 + 4 * v] = vf_fma(vf_load(d_linear1 + 16 * n + 512 * (v / 2) +
                            8 * (v % 2)), vf_set(x[56 * j + 4 * j2 + 784 * n + j3]),
                            d_linear1_W_0[j3 + 4 * v]);
                }
            }
        }
#pragma GCC unroll 4
        for (long j3 = 0; j3 < 4; j3++) {
#pragma GCC unroll 3
            for (long v = 0; v < 3; v++) {
                vf_store(linear1_W + 896 * j + 64 * j2 + 16 * j3 + 12544 * (v / 2) + 8 * (v % 2),
                        (vf_load(linear1_W + 896 * j + 64 * j2 + 16 * j3 + 12544 * (v / 2) + 8 * (v
                        % 2)) - (vf_set(scalar[1]) * d_linear1_W_0[j3 + 4 * v])));
            }
        }
    }
}

/* d_linear1_b of linear (plain.net:9), next_linear1_b */
static __attribute__((noinline)) void train_next_linear1_b(const float *restrict d_linear1, float
        *restrict linear1_b, const float *restrict scalar, long count) {
    vf d_linear1_b_0[3];
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
        d_linear1_b_0[v] = vf_set(0.0f);
    }
    for (long n = 0; n < count; n++) {
#pragma GCC unroll 3
        for (long v = 0; v < 3; v++) {
            d_linear1_b_0[v] = (d_linear1_b_0[v] + vf_load(d_linear1 + 16 * n + 512 * (v / 2) + 8 *
                    (v % 2)));
        }
    }
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
        vf_store(linear1_b + 8 * v, (vf_load(linear1_b + 8 * v) - (vf_set(scalar[1]) *
                d_linear1_b_0[v])));
    }
}

/* d_linear2_W of linear (plain.net:9), next_linear2_W */
static __attribute__((noinline)) void train_next_linear2_W(const float *restrict d_linear2, const
        float *restrict relu1, float *restrict linear2_W, const float *restrict scalar, long count)
        {
    for (long j = 0; j < 4; j++) {
        vf d_linear2_W_0[10];
#pragma GCC unroll 5
        for (long j2 = 0; j2 < 5; j2++) {
#pragma GCC unroll 2
            for (long v = 0; v < 2; v++) {
                d_linear2_W_0[j2 + 5 * v] = vf_set(0.0f);
            }
        }
        for (long n = 0; n < count; n++) {
#pragma GCC unroll 5
            for (long j2 = 0; j2 < 5; j2++) {
#pragma GCC unroll 2
                for (long v = 0; v < 2; v++) {
                    d_linear2_W_0[j2 + 5 * v] = vf_fma(vf_load(d_linear2 + 16 * n + 8 * v),
                            vf_set(relu1[16 * n + 512 * ((5 * j + j2) / 16) + ((5 * j + j2) % 16)]),
                            d_linear2_W_0[j2 + 5 * v]);
                }
            }
        }
#pragma GCC unroll 5
        for (long j2 = 0; j2 < 5; j2++) {
#pragma GCC unroll 2
            for (long v = 0; v < 2; v++) {
                vf_store(linear2_W + 80 * j + 16 * j2 + 8 * v, (vf_load(linear2_W + 80 * j + 16 * j2
                        + 8 * v) - (vf_set(scalar[1]) * d_linear2_W_0[j2 + 5 * v])));
            }
        }
    }
}

/* d_linear2_b of linear (plain.net:9), next_linear2_b */
static __attribute__((noinline)) void train_next_linear2_b(const float *restrict d_linear2, float
        *restrict linear2_b, const float *restrict scalar, long count) {
    vf d_linear2_b_0[2];
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        d_linear2_b_0[v] = vf_set(0.0f);
    }
    for (long n = 0; n < count; n++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            d_linear2_b_0[v] = (d_linear2_b_0[v] + vf_load(d_linear2 + 16 * n + 8 * v));
        }
    }
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        vf_store(linear2_b + 8 * v, (vf_load(linear2_b + 8 * v) - (vf_set(scalar[1]) *
                d_linear2_b_0[v])));
    }
}

static void train_task0(void *context, int task) {
    const netc_task *around = context;
    const netc_call *call = around->call;
    char *state = call->state, *arena = call->arena;
    long count = call->count;
    (void)state, (void)arena, (void)count;
    switch (netc_part((const int[]){((count + 3) / 4), 1, 1}, 3, &task)) {
    case 0: {
        long n = task;
        train_relu1((float *)(state + 100416), (float *)(state + 0), call->x, (float *)(arena +
                128), (float *)(arena + 4288), n);
        break;
    }
    case 1: {
        train_linear2_W_by_column((float *)(state + 100608), (float *)(arena + 14720));
        break;
    }
    case 2: {
        train_d_loss_sum((float *)arena, (float *)(arena + 12288));
        break;
    }
    }
}

static void train_task1(void *context, int task) {
    const netc_task *around = context;
    const netc_call *call = around->call;
    char *state = call->state, *arena = call->arena;
    long count = call->count;
    (void)state, (void)arena, (void)count;
    switch (netc_part((const int[]){14, 1, 1, 1, 1}, 5, &task)) {
    case 0: {
        long j = task;
        train_next_linear1_W((float *)(arena + 8448), call->x, (float *)(state + 0), (float *)arena,
                j, count);
        break;
    }
    case 1: {
        train_next_linear2_W((float *)(arena + 12608), (float *)(arena + 4288), (float *)(state +
                100608), (float *)arena, count);
        break;
    }
    case 2: {
        train_next_linear1_b((float *)(arena + 8448), (float *)(state + 100416), (float *)arena,
                count);
        break;
    }
    case 3: {
        train_next_linear2_b((float *)(arena + 12608), (float *)(state + 101952), (float *)arena,
                count);
        break;
    }
    case 4: {
        train_loss((float *)(arena + 16064), (float *)arena, call->loss, count);
        break;
    }
    }
}

static void train(const netc_call *call) {
    char *state = call->state, *arena = call->arena;
    long count = call->count;
    (void)state, (void)arena, (void)count;
    float *scalar = (float *)arena;
    uint32_t *word = (uint32_t *)arena;
    (void)scalar, (void)word;
    scalar[0] = (float)((1.0 / (double)(count)));
    scalar[1] = (float)((0.01 * call->rate_scale));
    netc_parallel(call->pool, train_task0, &(netc_task){call, {0}}, (int)(((count + 3) / 4) + 2));
    train_linear2((float *)(state + 101952), (float *)(state + 100608), (float *)(arena + 4288),
            (float *)(arena + 8448), count);
    train_softmax_cross_entropy1_top((float *)(arena + 8448), (float *)(arena + 11904));
    train_linear2_by_n((float *)(arena + 8448), (float *)(arena + 10560));
    train_softmax_cross_entropy1((float *)(arena + 10560), (float *)(arena + 11904), (float *)(arena
            + 12096), call->label, (float *)(arena + 8448), (float *)(arena + 16064), count);
    train_d_softmax_cross_entropy1_sum((float *)(arena + 12288), (float *)(arena + 12096), (float
            *)(arena + 10560));
    train_d_linear2((float *)(arena + 10560), (float *)(arena + 8448), (float *)(arena + 11904),
            call->label, (float *)(arena + 12288), (float *)(arena + 12608), count);
    train_d_linear1((float *)(arena + 12608), (float *)(arena + 14720), (float *)(arena + 128),
            (float *)(arena + 8448), count);
    netc_parallel(call->pool, train_task1, &(netc_task){call, {0}}, (int)(14 + 4));
}

/* linear1 of linear (plain.net:9), relu1 of relu (plain.net:9) */
static __attribute__((noinline)) void eval_relu1(const float *restrict linear1_b, const float
        *restrict linear1_W, const float *restrict x, float *restrict relu1, long block) {
    for (long n = 0; n < 4; n++) {
        vf linear1_0[12];
#pragma GCC unroll 4
        for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 3
            for (long v = 0; v < 3; v++) {
                linear1_0[3 * n2 + v] = vf_load(linear1_b + 8 * v);
            }
        }
        for (long f0 = 0; f0 < 28; f0++) {
            for (long f1 = 0; f1 < 7; f1++) {
#pragma GCC unroll 4
                for (long f12 = 0; f12 < 4; f12++) {
#pragma GCC unroll 4
                    for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 3
                        for (long v = 0; v < 3; v++) {
                            linear1_0[3 * n2 + v] = vf_fma(vf_load(linear1_W + 448 * f0 + 64 * f1 +
                                    16 * f12 + 12544 * (v / 2) + 8 * (v % 2)), vf_set(x[12544 *
                                    block + 3136 * n + 28 * f0 + 4 * f1 + f12 + 784 * n2]),
                                    linear1_0[3 * n2 + v]);
                        }
                    }
                }
            }
        }
#pragma GCC unroll 4
        for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 3
            for (long v = 0; v < 3; v++) {
                vf_store(relu1 + 256 * block + 64 * n + 16 * n2 + 1024 * (v / 2) + 8 * (v % 2),
                        vf_select(vf_le(linear1_0[3 * n2 + v], vf_set(0.0f)), vf_set(0.0f),
                        linear1_0[3 * n2 + v]));
            }
        }
    }
}

/* linear2 of linear (plain.net:9) */
static __attribute__((noinline)) void eval_linear2(const float *restrict linear2_b, const float
        *restrict linear2_W, const float *restrict relu1, float *restrict linear2, long block) {
    for (long n = 0; n < 4; n++) {
        vf acc_0[8];
#pragma GCC unroll 4
        for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 2
            for (long v = 0; v < 2; v++) {
                acc_0[2 * n2 + v] = vf_load(linear2_b + 8 * v);
            }
        }
        for (long f = 0; f < 4; f++) {
#pragma GCC unroll 4
            for (long f2 = 0; f2 < 4; f2++) {
#pragma GCC unroll 4
                for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 2
                    for (long v = 0; v < 2; v++) {
                        acc_0[2 * n2 + v] = vf_fma(vf_load(linear2_W + 64 * f + 16 * f2 + 8 * v),
                                vf_set(relu1[256 * block + 64 * n + 4 * f + f2 + 16 * n2]), acc_0[2
                                * n2 + v]);
                    }
                }
            }
        }
#pragma GCC unroll 4
        for (long f = 0; f < 4; f++) {
#pragma GCC unroll 4
            for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 2
                for (long v = 0; v < 2; v++) {
                    acc_0[2 * n2 + v] = vf_fma(vf_load(linear2_W + 16 * f + 8 * v + 256),
                            vf_set(relu1[256 * block + 64 * n + f + 16 * n2 + 1024]), acc_0[2 * n2 +
                            v]);
                }
            }
        }
#pragma GCC unroll 4
        for (long n2 = 0; n2 < 4; n2++) {
#pragma GCC unroll 2
            for (long v = 0; v < 2; v++) {
                vf_store(linear2 + 256 * block + 64 * n + 16 * n2 + 8 * v, acc_0[2 * n2 + v]);
            }
        }
    }
}

/* softmax_cross_entropy1_top of softmax_cross_entropy (plain.net:10) */
static __attribute__((noinline)) void eval_softmax_cross_entropy1_top(const float *restrict linear2,
        float *restrict softmax_cross_entropy1_top, long block) {
    vf acc_0[2];
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        acc_0[v] = vf_set(-__builtin_inff());
    }
    for (long k = 0; k < 10; k++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            acc_0[v] = vf_max(acc_0[v], vf_gather(linear2, ((vi_iota() * vi_set(16)) + vi_set((256 *
                    block + k + 128 * v)))));
        }
    }
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        vf_store(softmax_cross_entropy1_top + 16 * block + 8 * v, acc_0[v]);
    }
}

/* linear2_by_n */
static __attribute__((noinline)) void eval_linear2_by_n(const float *restrict linear2, float
        *restrict linear2_by_n, long block) {
    for (long i = 0; i < 2; i++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            vf columns_0[4];
            vf_columns(columns_0, linear2 + 256 * block + 4 * i + 128 * v, 16);
#pragma GCC unroll 4
            for (long i2 = 0; i2 < 4; i2++) {
                vf_store(linear2_by_n + 160 * block + 64 * i + 8 * v + 16 * i2, columns_0[i2]);
            }
        }
    }
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
#pragma GCC unroll 2
        for (long i = 0; i < 2; i++) {
            vf_store(linear2_by_n + 160 * block + 8 * v + 16 * i + 128, vf_gather(linear2,
                    ((vi_iota() * vi_set(16)) + vi_set((256 * block + 128 * v + i + 8)))));
        }
    }
}

/* softmax_cross_entropy1_sum of softmax_cross_entropy (plain.net:10), softmax_cross_entropy1 of
        softmax_cross_entropy (plain.net:10) */
static __attribute__((noinline)) void eval_softmax_cross_entropy1(const float *restrict
        linear2_by_n, const float *restrict softmax_cross_entropy1_top, const int32_t *restrict
        label, const float *restrict linear2, float *restrict loss, long block) {
    vf softmax_cross_entropy1_sum_0[2];
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        softmax_cross_entropy1_sum_0[v] = vf_set(0.0f);
    }
    for (long k = 0; k < 10; k++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            const vf t0 = (vf_load(linear2_by_n + 160 * block + 16 * k + 8 * v) -
                    vf_load(softmax_cross_entropy1_top + 16 * block + 8 * v));
            const vf t1 = vf_floor(vf_fma(t0, vf_set(1.44269502f), vf_set(0.5f)));
            const vf t2 = vf_fma(t1, vf_set(0.000212194442f), vf_fma(t1, vf_set((-0.693359375f)),
                    t0));
            softmax_cross_entropy1_sum_0[v] = (softmax_cross_entropy1_sum_0[v] +
                    vf_select(vf_lt(vf_set(88.3759995f), t0), vf_set(__builtin_inff()),
                    vf_select(vf_lt(t0, vf_set((-87.3000031f))), vf_set(0.0f),
                    (vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_set(0.000198756912f), t2,
                    vf_set(0.00139819994f)), t2, vf_set(0.00833345205f)), t2,
                    vf_set(0.0416657962f)), t2, vf_set(0.166666657f)), t2, vf_set(0.5f)), (t2 * t2),
                    (t2 + vf_set(1.0f))) * (vf)(((vu)((vi_from_vf(t1) + vi_set(127))) <<
                    vu_set(23u)))))));
        }
    }
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        const vm t3 = vf_lt(softmax_cross_entropy1_sum_0[v], vf_set(1.17549435e-38f));
        const vu t4 = (vu)(vf_select(t3, (softmax_cross_entropy1_sum_0[v] * vf_set(8388608.0f)),
                softmax_cross_entropy1_sum_0[v]));
        const vf t5 = (vf)(((t4 & vu_set(8388607u)) ^ vu_set(1056964608u)));
        const vm t6 = vf_lt(t5, vf_set(0.707106769f));
        const vf t7 = (vf_from_vi((vi)((t4 >> vu_set(23u)))) - vf_select(t3, vf_set(149.0f),
                vf_set(126.0f)));
        const vf t8 = vf_select(t6, (t7 - vf_set(1.0f)), t7);
        const vf t9 = (vf_select(t6, (t5 + t5), t5) - vf_set(1.0f));
        const vf t10 = (t9 * t9);
        vf_store(loss + 16 * block + 8 * v, ((vf_select(vf_lt(softmax_cross_entropy1_sum_0[v],
                vf_set(0.0f)), vf_set(__builtin_nanf("")),
                vf_select(vf_eq(softmax_cross_entropy1_sum_0[v], vf_set(0.0f)),
                vf_set(-__builtin_inff()), vf_select(vf_lt(softmax_cross_entropy1_sum_0[v],
                vf_set(__builtin_inff())), vf_fma(t8, vf_set(0.693359375f), (t9 + vf_fma(t10,
                vf_set((-0.5f)), vf_fma(t8, vf_set((-0.000212194442f)), ((t9 * t10) *
                vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_fma(vf_set(0.0703768358f), t9,
                vf_set((-0.115146101f))), t9, vf_set(0.116769984f)), t9, vf_set((-0.12420141f))),
                t9, vf_set(0.142493233f)), t9, vf_set((-0.166680574f))), t9, vf_set(0.200007141f)),
                t9, vf_set((-0.24999994f))), t9, vf_set(0.333333313f))))))),
                softmax_cross_entropy1_sum_0[v]))) + vf_load(softmax_cross_entropy1_top + 16 * block
                + 8 * v)) - vf_gather(linear2, (((vi_iota() * vi_set(16)) + vi_load(label + 16 *
                block + 8 * v)) + vi_set((256 * block + 128 * v))))));
    }
}

/* prediction */
static __attribute__((noinline)) void eval_prediction(const float *restrict linear2, int32_t
        *restrict prediction, long block) {
    vf acc_0[2];
    vi arg_1[2];
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        acc_0[v] = vf_set(-__builtin_inff());
        arg_1[v] = vi_set((-1));
    }
    for (long k = 0; k < 10; k++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            if (k == 0) {
                arg_1[v] = vi_set(k);
                acc_0[v] = vf_gather(linear2, ((vi_iota() * vi_set(16)) + vi_set((256 * block + k +
                        128 * v))));
            } else {
                arg_1[v] = vi_select(vf_lt(acc_0[v], vf_gather(linear2, ((vi_iota() * vi_set(16)) +
                        vi_set((256 * block + k + 128 * v))))), vi_set(k), arg_1[v]);
                acc_0[v] = vf_max(acc_0[v], vf_gather(linear2, ((vi_iota() * vi_set(16)) +
                        vi_set((256 * block + k + 128 * v)))));
            }
        }
    }
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        vi_store(prediction + 16 * block + 8 * v, arg_1[v]);
    }
}

/* output */
static __attribute__((noinline)) void eval_output(const float *restrict linear2, float *restrict
        output, long block) {
    for (long n = 0; n < 16; n++) {
        vf_store(output + 160 * block + 10 * n, vf_load(linear2 + 256 * block + 16 * n));
        for (long i = 0; i < 2; i++) {
            output[160 * block + 10 * n + i + 8] = linear2[256 * block + 16 * n + i + 8];
        }
    }
}

static void eval_task0(void *context, int task) {
    const netc_task *around = context;
    const netc_call *call = around->call;
    char *state = call->state, *arena = call->arena;
    long count = call->count;
    (void)state, (void)arena, (void)count;
    long block = task;
    eval_relu1((float *)(state + 100416), (float *)(state + 0), call->x, (float *)(arena + 0),
            block);
    eval_linear2((float *)(state + 101952), (float *)(state + 100608), (float *)(arena + 0), (float
            *)(arena + 8256), block);
    eval_softmax_cross_entropy1_top((float *)(arena + 8256), (float *)(arena + 15040), block);
    eval_linear2_by_n((float *)(arena + 8256), (float *)(arena + 12416), block);
    eval_softmax_cross_entropy1((float *)(arena + 12416), (float *)(arena + 15040), call->label,
            (float *)(arena + 8256), call->loss, block);
    eval_prediction((float *)(arena + 8256), call->prediction, block);
    eval_output((float *)(arena + 8256), call->output, block);
}

static void eval(const netc_call *call) {
    char *state = call->state, *arena = call->arena;
    long count = call->count;
    (void)state, (void)arena, (void)count;
    netc_parallel(call->pool, eval_task0, &(netc_task){call, {0}}, (int)(((count + 15) / 16)));
}

/* linear1 of linear (plain.net:9) */
static __attribute__((noinline)) void predict_linear1(const float *restrict linear1_b, const float
        *restrict linear1_W, const float *restrict x, float *restrict linear1) {
    vf acc_0[3];
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
        acc_0[v] = vf_load(linear1_b + 8 * v);
    }
    for (long f0 = 0; f0 < 28; f0++) {
        for (long f1 = 0; f1 < 7; f1++) {
#pragma GCC unroll 4
            for (long f12 = 0; f12 < 4; f12++) {
#pragma GCC unroll 3
                for (long v = 0; v < 3; v++) {
                    acc_0[v] = vf_fma(vf_load(linear1_W + 448 * f0 + 64 * f1 + 16 * f12 + 12544 * (v
                            / 2) + 8 * (v % 2)), vf_set(x[28 * f0 + 4 * f1 + f12]), acc_0[v]);
                }
            }
        }
    }
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
        vf_store(linear1 + 8 * v, acc_0[v]);
    }
}

/* relu1 of relu (plain.net:9) */
static __attribute__((noinline)) void predict_relu1(const float *restrict linear1, float *restrict
        relu1) {
#pragma GCC unroll 3
    for (long v = 0; v < 3; v++) {
        const vf t0 = vf_load(linear1 + 8 * v);
        vf_store(relu1 + 8 * v, vf_select(vf_le(t0, vf_set(0.0f)), vf_set(0.0f), t0));
    }
}

/* linear2 of linear (plain.net:9) */
static __attribute__((noinline)) void predict_linear2(const float *restrict linear2_b, const float
        *restrict linear2_W, const float *restrict relu1, float *restrict linear2) {
    vf acc_0[2];
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        acc_0[v] = vf_load(linear2_b + 8 * v);
    }
    for (long f = 0; f < 4; f++) {
#pragma GCC unroll 4
        for (long f2 = 0; f2 < 4; f2++) {
#pragma GCC unroll 2
            for (long v = 0; v < 2; v++) {
                acc_0[v] = vf_fma(vf_load(linear2_W + 64 * f + 16 * f2 + 8 * v), vf_set(relu1[4 * f
                        + f2]), acc_0[v]);
            }
        }
    }
#pragma GCC unroll 4
    for (long f = 0; f < 4; f++) {
#pragma GCC unroll 2
        for (long v = 0; v < 2; v++) {
            acc_0[v] = vf_fma(vf_load(linear2_W + 16 * f + 8 * v + 256), vf_set(relu1[f + 16]),
                    acc_0[v]);
        }
    }
#pragma GCC unroll 2
    for (long v = 0; v < 2; v++) {
        vf_store(linear2 + 8 * v, acc_0[v]);
    }
}

/* prediction */
static __attribute__((noinline)) void predict_prediction(const float *restrict linear2, int32_t
        *restrict prediction) {
    float acc_0[1] __attribute__((aligned(64)));
    int32_t arg_1[1] __attribute__((aligned(64)));
    acc_0[0] = -__builtin_inff();
    arg_1[0] = (-1);
    for (long k = 0; k < 10; k++) {
        if (k == 0) {
            arg_1[0] = k;
            acc_0[0] = linear2[k];
        } else {
            arg_1[0] = ((acc_0[0] < linear2[k]) ? k : arg_1[0]);
            acc_0[0] = netc_max(acc_0[0], linear2[k]);
        }
    }
    prediction[0] = arg_1[0];
}

/* output */
static __attribute__((noinline)) void predict_output(const float *restrict linear2, float *restrict
        output) {
    vf_store(output + 0, vf_load(linear2 + 0));
    for (long i = 0; i < 2; i++) {
        output[i + 8] = linear2[i + 8];
    }
}

static void predict(const netc_call *call) {
    char *state = call->state, *arena = call->arena;
    long count = call->count;
    (void)state, (void)arena, (void)count;
    predict_linear1((float *)(state + 100416), (float *)(state + 0), call->x, (float *)(arena + 0));
    predict_relu1((float *)(arena + 0), (float *)(arena + 192));
    predict_linear2((float *)(state + 101952), (float *)(state + 100608), (float *)(arena + 192),
            (float *)(arena + 0));
    predict_prediction((float *)(arena + 0), call->prediction);
    predict_output((float *)(arena + 0), call->output);
}

static const netc_piece piece0[] = {{0, 16, 2, 12544}, {1, 1, 784, 16}, {0, 1, 16, 1}};
static const netc_piece piece1[] = {{0, 1, 32, 1}};
static const netc_piece piece2[] = {{1, 1, 20, 16}, {0, 1, 16, 1}};
static const netc_piece piece3[] = {{0, 1, 16, 1}};
static const netc_tensor tensors[] = {
    {"linear1.W", NETC_PARAM, 2, {20, 784}, 0, 100352, 3, piece0},
    {"linear1.b", NETC_PARAM, 1, {20}, 100416, 128, 1, piece1},
    {"linear2.W", NETC_PARAM, 2, {10, 20}, 100608, 1280, 2, piece2},
    {"linear2.b", NETC_PARAM, 1, {10}, 101952, 64, 1, piece3},
};
static const netc_layer layers[] = {
    {"flatten1", "flatten", 1, {784}, 0},
    {"linear1", "linear(20)", 1, {20}, 15700},
    {"relu1", "relu", 1, {20}, 0},
    {"linear2", "linear(10)", 1, {10}, 210},
};
static const char *const classes[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};
static double rate(const netc_call *call) {
    return (0.01 * call->rate_scale);
}

const netc_net plain = {
    .abi = NETC_ABI, .version = "0.1",
    .name = "plain",
    .hash = 0x7a949520b18e8c0fu,
    .target = "x86-64-v3",
    .flags = "-march=x86-64-v3",
    .state_bytes = 102080, .arena_bytes = 16256,
    .tensor = tensors, .n_tensors = 4,
    .layer = layers, .n_layers = 4,
    .data = {"fashion_mnist", "idx", "fashion-mnist", {"train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz"}, {"t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz"}, "dataset-fashion-mnist", 3, {1, 28, 28}, 10, classes, 0,
            1},
    .training = {20, 2, 1, 0, 0, 0, 0},
    .x_rank = 3, .x_shape = {1, 28, 28},
    .output_rank = 1, .output_shape = {10},
    .prepare_batch = 64, .eval_batch = 64,
    .train_steps = 1,
    .train_flops = 63920, .predict_flops = 31760,
    .init = init,
    .prepare = prepare,
    .train = train,
    .eval = eval,
    .predict = predict,
    .rate = rate,
};
