/* netc_vector.h: vectors of NETC_LANES floats for generated code, which defines NETC_LANES (8, 16)
 * before including this, or leaves it out and has scalars only.
 *
 * Everything is defined for any machine in terms of GNU C's vector types; where the processor has
 * vectors of this width, the few operations that compilers do not find by themselves are given as
 * intrinsics. All of them are exact IEEE operations, so every version gives the same bits.
 */
#ifndef NETC_VECTOR_H
#define NETC_VECTOR_H
#include "netc.h"

#ifdef __FAST_MATH__
#error "this code computes exact IEEE results: compile it without -ffast-math"
#endif
#define NETC_INLINE static inline __attribute__((always_inline, unused))

/* --- scalars: the same operations under the same names --- */

NETC_INLINE float netc_max(float a, float b) { return b > a ? b : a; }
NETC_INLINE float netc_min(float a, float b) { return b < a ? b : a; }
NETC_INLINE double netc_fmax(double a, double b) { return b > a ? b : a; }
NETC_INLINE double netc_fmin(double a, double b) { return b < a ? b : a; }
NETC_INLINE int32_t netc_imax(int32_t a, int32_t b) { return b > a ? b : a; }
NETC_INLINE int32_t netc_imin(int32_t a, int32_t b) { return b < a ? b : a; }
NETC_INLINE long netc_fdiv(long a, long m) { return a / m - (a % m < 0); }
NETC_INLINE long netc_fmod(long a, long m) { return a % m + (a % m < 0 ? m : 0); }
NETC_INLINE float netc_absf(float x) { return __builtin_fabsf(x); }
NETC_INLINE float netc_sqrtf(float x) { return __builtin_sqrtf(x); }
NETC_INLINE float netc_floorf(float x) { /* exact: beyond 2^23 every float is whole; -0 is */
    if (!(x > -8388608.f && x < 8388608.f) || x == 0) return x;
    float t = (float)(int32_t)x;
    return t > x ? t - 1 : t;
}
NETC_INLINE int32_t netc_int(float x) { /* toward zero; out of range as the processors have it */
    return x > -2147483648.f && x < 2147483648.f ? (int32_t)x : INT32_MIN;
}
NETC_INLINE uint32_t netc_bitsf(float x) {
    uint32_t u;
    __builtin_memcpy(&u, &x, 4);
    return u;
}
NETC_INLINE float netc_from_bitsf(uint32_t u) {
    float x;
    __builtin_memcpy(&x, &u, 4);
    return x;
}
NETC_INLINE uint32_t netc_word(double x) { /* floor, kept within range */
    return x >= 4294967295.0 ? UINT32_MAX : x > 0 ? (uint32_t)x : 0;
}
NETC_INLINE uint32_t netc_mulhi(uint32_t a, uint32_t b) {
    return (uint32_t)((uint64_t)a * b >> 32);
}

#ifdef NETC_LANES
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

typedef float vf __attribute__((vector_size(4 * NETC_LANES), may_alias));
typedef int32_t vi __attribute__((vector_size(4 * NETC_LANES), may_alias));
typedef uint32_t vu __attribute__((vector_size(4 * NETC_LANES), may_alias));
typedef int8_t vb __attribute__((vector_size(NETC_LANES), may_alias));
typedef uint8_t vub __attribute__((vector_size(NETC_LANES), may_alias));
typedef uint64_t vul __attribute__((vector_size(8 * NETC_LANES)));
typedef vf vf_unaligned __attribute__((aligned(4)));
typedef vi vi_unaligned __attribute__((aligned(4)));
typedef vu vu_unaligned __attribute__((aligned(4)));
typedef vb vb_unaligned __attribute__((aligned(1)));
typedef vub vub_unaligned __attribute__((aligned(1)));

#if NETC_LANES == 16 && defined(__AVX512F__) && defined(__AVX512DQ__) && \
    defined(__AVX512BW__) && defined(__AVX512VL__)
#define NETC_512 1
#elif NETC_LANES == 8 && defined(__AVX2__) && defined(__FMA__)
#define NETC_256 1
#endif

NETC_INLINE vf vf_set(float x) { return x - (vf){}; } /* not +, which would lose a minus zero */
NETC_INLINE vi vi_set(int32_t x) { return x - (vi){}; }
NETC_INLINE vu vu_set(uint32_t x) { return x - (vu){}; }
NETC_INLINE vf vf_load(const float *p) { return *(const vf_unaligned *)p; }
NETC_INLINE void vf_store(float *p, vf x) { *(vf_unaligned *)p = x; }
NETC_INLINE vi vi_load(const int32_t *p) { return *(const vi_unaligned *)p; }
NETC_INLINE void vi_store(int32_t *p, vi x) { *(vi_unaligned *)p = x; }
NETC_INLINE vu vu_load(const uint32_t *p) { return *(const vu_unaligned *)p; }
NETC_INLINE void vu_store(uint32_t *p, vu x) { *(vu_unaligned *)p = x; }
#if NETC_512 /* compilers convert between widths element by element */
NETC_INLINE vi vi_load8(const int8_t *p) {
    return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
}
NETC_INLINE void vi_store8(int8_t *p, vi x) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8((__m512i)x));
}
NETC_INLINE vi vi_loadu8(const uint8_t *p) {
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
#else
NETC_INLINE vi vi_load8(const int8_t *p) {
#if NETC_256
    return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
#else
    return __builtin_convertvector(*(const vb_unaligned *)p, vi);
#endif
}
NETC_INLINE void vi_store8(int8_t *p, vi x) {
    *(vb_unaligned *)p = __builtin_convertvector(x, vb);
}
NETC_INLINE vi vi_loadu8(const uint8_t *p) {
#if NETC_256
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
#else
    return __builtin_convertvector(*(const vub_unaligned *)p, vi);
#endif
}
#endif
NETC_INLINE vi vi_iota(void) {
    vi x = {};
    for (int i = 0; i < NETC_LANES; i++) x[i] = i;
    return x;
}
NETC_INLINE vu vu_mulhi(vu a, vu b) {
    return __builtin_convertvector(
        __builtin_convertvector(a, vul) * __builtin_convertvector(b, vul) >> 32, vu);
}
NETC_INLINE vf vf_from_vi(vi x) { return __builtin_convertvector(x, vf); }

/* Masks, comparisons, selection. */
#if NETC_512
typedef __mmask16 vm;
#define NETC_F(x) ((__m512)(x))
#define NETC_I(x) ((__m512i)(x))
NETC_INLINE vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(NETC_F(a), NETC_F(b), _CMP_LT_OQ); }
NETC_INLINE vm vf_le(vf a, vf b) { return _mm512_cmp_ps_mask(NETC_F(a), NETC_F(b), _CMP_LE_OQ); }
NETC_INLINE vm vf_eq(vf a, vf b) { return _mm512_cmp_ps_mask(NETC_F(a), NETC_F(b), _CMP_EQ_OQ); }
NETC_INLINE vm vf_ne(vf a, vf b) { return _mm512_cmp_ps_mask(NETC_F(a), NETC_F(b), _CMP_NEQ_UQ); }
NETC_INLINE vm vi_lt(vi a, vi b) { return _mm512_cmplt_epi32_mask(NETC_I(a), NETC_I(b)); }
NETC_INLINE vm vi_le(vi a, vi b) { return _mm512_cmple_epi32_mask(NETC_I(a), NETC_I(b)); }
NETC_INLINE vm vi_eq(vi a, vi b) { return _mm512_cmpeq_epi32_mask(NETC_I(a), NETC_I(b)); }
NETC_INLINE vm vi_ne(vi a, vi b) { return _mm512_cmpneq_epi32_mask(NETC_I(a), NETC_I(b)); }
NETC_INLINE vm vu_lt(vu a, vu b) { return _mm512_cmplt_epu32_mask(NETC_I(a), NETC_I(b)); }
NETC_INLINE vm vu_le(vu a, vu b) { return _mm512_cmple_epu32_mask(NETC_I(a), NETC_I(b)); }
NETC_INLINE vm vm_set(int x) { return x ? 0xffff : 0; }
NETC_INLINE vm vm_and(vm a, vm b) { return a & b; }
NETC_INLINE vm vm_or(vm a, vm b) { return a | b; }
NETC_INLINE vm vm_not(vm a) { return ~a; }
NETC_INLINE vf vf_select(vm m, vf a, vf b) {
    return (vf)_mm512_mask_blend_ps(m, NETC_F(b), NETC_F(a));
}
NETC_INLINE vi vi_select(vm m, vi a, vi b) {
    return (vi)_mm512_mask_blend_epi32(m, NETC_I(b), NETC_I(a));
}
NETC_INLINE vf vf_max(vf a, vf b) { return (vf)_mm512_max_ps(NETC_F(b), NETC_F(a)); }
NETC_INLINE vf vf_min(vf a, vf b) { return (vf)_mm512_min_ps(NETC_F(b), NETC_F(a)); }
NETC_INLINE vf vf_fma(vf a, vf b, vf c) {
    return (vf)_mm512_fmadd_ps(NETC_F(a), NETC_F(b), NETC_F(c));
}
NETC_INLINE vf vf_sqrt(vf x) { return (vf)_mm512_sqrt_ps(NETC_F(x)); }
NETC_INLINE vf vf_floor(vf x) { return (vf)_mm512_roundscale_ps(NETC_F(x), 9); }
NETC_INLINE vi vi_from_vf(vf x) { return (vi)_mm512_cvttps_epi32(NETC_F(x)); }
NETC_INLINE vf vf_gather(const float *p, vi i) {
    return (vf)_mm512_i32gather_ps(NETC_I(i), p, 4);
}
NETC_INLINE vf vf_load_where(vm m, const float *p) { return (vf)_mm512_maskz_loadu_ps(m, p); }
NETC_INLINE vf vf_gather_where(vm m, const float *p, vi i) {
    return (vf)_mm512_mask_i32gather_ps(_mm512_setzero_ps(), m, NETC_I(i), p, 4);
}
#else
typedef vi vm;
NETC_INLINE vm vf_lt(vf a, vf b) { return (vm)(a < b); }
NETC_INLINE vm vf_le(vf a, vf b) { return (vm)(a <= b); }
NETC_INLINE vm vf_eq(vf a, vf b) { return (vm)(a == b); }
NETC_INLINE vm vf_ne(vf a, vf b) { return (vm)(a != b); }
NETC_INLINE vm vi_lt(vi a, vi b) { return (vm)(a < b); }
NETC_INLINE vm vi_le(vi a, vi b) { return (vm)(a <= b); }
NETC_INLINE vm vi_eq(vi a, vi b) { return (vm)(a == b); }
NETC_INLINE vm vi_ne(vi a, vi b) { return (vm)(a != b); }
NETC_INLINE vm vu_lt(vu a, vu b) { return (vm)(a < b); }
NETC_INLINE vm vu_le(vu a, vu b) { return (vm)(a <= b); }
NETC_INLINE vm vm_set(int x) { return vi_set(x ? -1 : 0); }
NETC_INLINE vm vm_and(vm a, vm b) { return a & b; }
NETC_INLINE vm vm_or(vm a, vm b) { return a | b; }
NETC_INLINE vm vm_not(vm a) { return ~a; }
NETC_INLINE vi vi_select(vm m, vi a, vi b) { return (m & a) | (~m & b); }
#if NETC_256
#define NETC_F(x) ((__m256)(x))
NETC_INLINE vf vf_select(vm m, vf a, vf b) {
    return (vf)_mm256_blendv_ps(NETC_F(b), NETC_F(a), NETC_F(m));
}
NETC_INLINE vf vf_max(vf a, vf b) { return (vf)_mm256_max_ps(NETC_F(b), NETC_F(a)); }
NETC_INLINE vf vf_min(vf a, vf b) { return (vf)_mm256_min_ps(NETC_F(b), NETC_F(a)); }
NETC_INLINE vf vf_fma(vf a, vf b, vf c) {
    return (vf)_mm256_fmadd_ps(NETC_F(a), NETC_F(b), NETC_F(c));
}
NETC_INLINE vf vf_sqrt(vf x) { return (vf)_mm256_sqrt_ps(NETC_F(x)); }
NETC_INLINE vf vf_floor(vf x) { return (vf)_mm256_floor_ps(NETC_F(x)); }
NETC_INLINE vi vi_from_vf(vf x) { return (vi)_mm256_cvttps_epi32(NETC_F(x)); }
NETC_INLINE vf vf_gather(const float *p, vi i) {
    return (vf)_mm256_i32gather_ps(p, (__m256i)i, 4);
}
NETC_INLINE vf vf_load_where(vm m, const float *p) {
    return (vf)_mm256_maskload_ps(p, (__m256i)m);
}
NETC_INLINE vf vf_gather_where(vm m, const float *p, vi i) {
    return (vf)_mm256_mask_i32gather_ps(_mm256_setzero_ps(), p, (__m256i)i, NETC_F(m), 4);
}
#else
#define NETC_EACH(T, x)                                    \
    T r_ = {};                                             \
    for (int i_ = 0; i_ < NETC_LANES; i_++) r_[i_] = (x); \
    return r_
NETC_INLINE vf vf_select(vm m, vf a, vf b) { return (vf)vi_select(m, (vi)a, (vi)b); }
NETC_INLINE vf vf_max(vf a, vf b) { return vf_select(vf_lt(a, b), b, a); }
NETC_INLINE vf vf_min(vf a, vf b) { return vf_select(vf_lt(b, a), b, a); }
NETC_INLINE vf vf_fma(vf a, vf b, vf c) { NETC_EACH(vf, netc_fmaf(a[i_], b[i_], c[i_])); }
NETC_INLINE vf vf_sqrt(vf x) { NETC_EACH(vf, netc_sqrtf(x[i_])); }
NETC_INLINE vf vf_floor(vf x) { NETC_EACH(vf, netc_floorf(x[i_])); }
NETC_INLINE vi vi_from_vf(vf x) { NETC_EACH(vi, netc_int(x[i_])); }
NETC_INLINE vf vf_gather(const float *p, vi i) { NETC_EACH(vf, p[i[i_]]); }
NETC_INLINE vf vf_load_where(vm m, const float *p) { NETC_EACH(vf, m[i_] ? p[i_] : 0); }
NETC_INLINE vf vf_gather_where(vm m, const float *p, vi i) {
    NETC_EACH(vf, m[i_] ? p[i[i_]] : 0);
}
#endif
#endif

NETC_INLINE vf vf_abs(vf x) { return (vf)((vi)x & 0x7fffffff); }
NETC_INLINE vf vf_neg(vf x) { return (vf)((vi)x ^ INT32_MIN); }
NETC_INLINE vi vi_max(vi a, vi b) { return vi_select(vi_lt(a, b), b, a); }
NETC_INLINE vi vi_min(vi a, vi b) { return vi_select(vi_lt(b, a), b, a); }
NETC_INLINE vu vu_select(vm m, vu a, vu b) { return (vu)vi_select(m, (vi)a, (vi)b); }
#define NETC_LANEWISE(T, x)                                \
    do {                                                   \
        T r_ = {};                                         \
        for (int i_ = 0; i_ < NETC_LANES; i_++) r_[i_] = (x); \
        return r_;                                         \
    } while (0)
NETC_INLINE int netc_lane_of(vm m, int i) {
#if NETC_512
    return m >> i & 1;
#else
    return m[i] != 0;
#endif
}
NETC_INLINE vi vi_gather(const int32_t *p, vi at) { NETC_LANEWISE(vi, p[at[i_]]); }
NETC_INLINE vi vi_gather8(const int8_t *p, vi at) { NETC_LANEWISE(vi, p[at[i_]]); }
NETC_INLINE vi vi_gatheru8(const uint8_t *p, vi at) { NETC_LANEWISE(vi, p[at[i_]]); }
#if NETC_512
NETC_INLINE vi vi_load_where(vm m, const int32_t *p) {
    return (vi)_mm512_maskz_loadu_epi32(m, p);
}
NETC_INLINE vi vi_load8_where(vm m, const int8_t *p) {
    return (vi)_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(m, p));
}
NETC_INLINE vi vi_loadu8_where(vm m, const uint8_t *p) {
    return (vi)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(m, p));
}
#else
NETC_INLINE vi vi_load_where(vm m, const int32_t *p) {
    NETC_LANEWISE(vi, netc_lane_of(m, i_) ? p[i_] : 0);
}
NETC_INLINE vi vi_load8_where(vm m, const int8_t *p) {
    NETC_LANEWISE(vi, netc_lane_of(m, i_) ? p[i_] : 0);
}
NETC_INLINE vi vi_loadu8_where(vm m, const uint8_t *p) {
    NETC_LANEWISE(vi, netc_lane_of(m, i_) ? p[i_] : 0);
}
#endif
NETC_INLINE vi vi_gather_where(vm m, const int32_t *p, vi at) {
    NETC_LANEWISE(vi, netc_lane_of(m, i_) ? p[at[i_]] : 0);
}
NETC_INLINE vi vi_gather8_where(vm m, const int8_t *p, vi at) {
    NETC_LANEWISE(vi, netc_lane_of(m, i_) ? p[at[i_]] : 0);
}
NETC_INLINE vi vi_gatheru8_where(vm m, const uint8_t *p, vi at) {
    NETC_LANEWISE(vi, netc_lane_of(m, i_) ? p[at[i_]] : 0);
}
/* to[k], k < 4: what lies at k in each of as many rows as there are lanes, `stride` apart. */
#if NETC_512 || NETC_256
#if NETC_512
#define NETC_UNPACK(how, a, b) _mm512_unpack##how(a, b)
#define NETC_PAIRS(x) ((__m512d)(x))
NETC_INLINE __m512 netc_rows(const float *p, long stride) { /* each fourth row */
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(p));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(p + 4 * stride), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(p + 8 * stride), 2);
    return _mm512_insertf32x4(x, _mm_loadu_ps(p + 12 * stride), 3);
}
NETC_INLINE vi netc_gather_bytes(const int8_t *p, long stride) {
    return (vi)_mm512_i32gather_epi32(NETC_I(vi_iota() * vi_set((int32_t)stride)), p, 1);
}
#else
#define NETC_UNPACK(how, a, b) _mm256_unpack##how(a, b)
#define NETC_PAIRS(x) ((__m256d)(x))
NETC_INLINE __m256 netc_rows(const float *p, long stride) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)),
                                _mm_loadu_ps(p + 4 * stride), 1);
}
NETC_INLINE vi netc_gather_bytes(const int8_t *p, long stride) {
    vi at = vi_iota() * vi_set((int32_t)stride);
    return (vi)_mm256_i32gather_epi32((const int *)(const void *)p, (__m256i)at, 1);
}
#endif
NETC_INLINE void vf_columns(vf *to, const float *p, long stride) {
    typeof(netc_rows(p, stride)) a = netc_rows(p, stride), b = netc_rows(p + stride, stride),
                                 c = netc_rows(p + 2 * stride, stride),
                                 d = netc_rows(p + 3 * stride, stride),
                                 ab = NETC_UNPACK(lo_ps, a, b), cd = NETC_UNPACK(lo_ps, c, d);
    to[0] = (vf)NETC_UNPACK(lo_pd, NETC_PAIRS(ab), NETC_PAIRS(cd));
    to[1] = (vf)NETC_UNPACK(hi_pd, NETC_PAIRS(ab), NETC_PAIRS(cd));
    ab = NETC_UNPACK(hi_ps, a, b);
    cd = NETC_UNPACK(hi_ps, c, d);
    to[2] = (vf)NETC_UNPACK(lo_pd, NETC_PAIRS(ab), NETC_PAIRS(cd));
    to[3] = (vf)NETC_UNPACK(hi_pd, NETC_PAIRS(ab), NETC_PAIRS(cd));
}
NETC_INLINE void vi_columns8(vi *to, const int8_t *p, long stride) {
    vi x = netc_gather_bytes(p, stride);
    for (int k = 0; k < 4; k++) to[k] = (vi)((vu)x << (24 - 8 * k)) >> 24;
}
#else
NETC_INLINE void vf_columns(vf *to, const float *p, long stride) {
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < NETC_LANES; i++) to[k][i] = p[stride * i + k];
}
NETC_INLINE void vi_columns8(vi *to, const int8_t *p, long stride) {
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < NETC_LANES; i++) to[k][i] = p[stride * i + k];
}
#endif
NETC_INLINE void vi_columns(vi *to, const int32_t *p, long stride) {
    vf x[4];
    vf_columns(x, (const float *)(const void *)p, stride);
    for (int k = 0; k < 4; k++) to[k] = (vi)x[k];
}
NETC_INLINE vi vi_fdiv(vi a, vi m) { NETC_LANEWISE(vi, (int32_t)netc_fdiv(a[i_], m[i_])); }
NETC_INLINE vi vi_fmod(vi a, vi m) { NETC_LANEWISE(vi, (int32_t)netc_fmod(a[i_], m[i_])); }

/* part[i] + part[i + n/2], again until one is left */
NETC_INLINE float vf_tree(vf x) {
#if NETC_512
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(NETC_F(x)),
                             _mm512_extractf32x8_ps(NETC_F(x), 1));
#elif NETC_256
    __m256 a = NETC_F(x);
#endif
#if NETC_512 || NETC_256
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
#else
    float part[NETC_LANES];
    for (int i = 0; i < NETC_LANES; i++) part[i] = x[i];
    for (int n = NETC_LANES / 2; n; n /= 2)
        for (int i = 0; i < n; i++) part[i] += part[i + n];
    return part[0];
#endif
}
#endif
#endif
