/* Sums of rows and pooling for Conv-4 as it is evaluated on a CPU, each in one pass over memory.
 *
 * Images lie pixel by pixel, all maps of a pixel next to each other. What these three do is said in
 * winograd.py and folded_conv4.py, which do the same with torch's own operations, pass by pass; the
 * numbers below follow from POINTS there.
 */

#define PLANES 8

/* What is no number stays none, as torch.maximum has it. */
static inline float larger(float one, float other) {
    return one > other || one != one ? one : other;
}

static inline float rectified(float value) { return value < 0 ? 0 : value; }

/* The eight sums of rows 6 s .. 6 s + 7 that F(6, 3) multiplies, for every strip s of every image.
 * images [count][rows][length], planes: 8 of [count][strips][length]. */
void spread_rows(const float *images, float *const planes[PLANES], long count, long rows,
                 long strips, long length, int threads) {
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long image = 0; image < count; image++)
        for (long strip = 0; strip < strips; strip++) {
            const float *restrict g = images + (image * rows + 6 * strip) * length;
            const long at = (image * strips + strip) * length;
            float *restrict zero = planes[0] + at, *restrict one = planes[1] + at;
            float *restrict less_one = planes[2] + at, *restrict two = planes[3] + at;
            float *restrict less_two = planes[4] + at, *restrict half = planes[5] + at;
            float *restrict less_half = planes[6] + at, *restrict infinite = planes[7] + at;
#pragma omp simd
            for (long i = 0; i < length; i++) {
                const float g0 = g[i], g1 = g[i + length], g2 = g[i + 2 * length];
                const float g3 = g[i + 3 * length], g4 = g[i + 4 * length];
                const float g5 = g[i + 5 * length], g6 = g[i + 6 * length];
                const float g7 = g[i + 7 * length];
                zero[i] = 5.25f * (g2 - g4) + g6 - g0;
                infinite[i] = 5.25f * (g3 - g5) + g7 - g1;
                float even = g2 - 4.25f * g4 + g6, odd = g1 - 4.25f * g3 + g5;
                one[i] = even + odd;
                less_one[i] = even - odd;
                even = 0.25f * g2 - 1.25f * g4 + g6, odd = 0.5f * g1 - 2.5f * g3 + 2 * g5;
                two[i] = even + odd;
                less_two[i] = even - odd;
                even = 4 * g2 - 5 * g4 + g6, odd = 2 * g1 - 2.5f * g3 + 0.5f * g5;
                half[i] = even + odd;
                less_half[i] = even - odd;
            }
        }
}

/* Of one column: the larger of rows 0 and 1, of 2 and 3, of 4 and 5, from their eight products. */
static inline void larger_rows(float zero, float one, float less_one, float two, float less_two,
                               float half, float less_half, float infinite, float *restrict upper,
                               float *restrict middle, float *restrict lower) {
    const float s1 = one + less_one, d1 = one - less_one;
    const float s2 = two + less_two, d2 = two - less_two;
    const float s3 = half + less_half, d3 = half - less_half;
    *upper = larger(zero + s1 + s2 + s3, d1 + 2 * d2 + 0.5f * d3);
    *middle = larger(s1 + 4 * s2 + 0.25f * s3, d1 + 8 * d2 + 0.125f * d3);
    *lower = larger(s1 + 16 * s2 + 0.0625f * s3, infinite + d1 + 32 * d2 + 0.03125f * d3);
}

/* Six rows of outputs from eight products, and their 2x2 max-pool, bias and ReLU: three rows.
 * made: 8 of [count][strips][width][maps]; pooled: rows of [across][maps], as far apart as said,
 * `high` of an image. */
void gather_rows(const float *const made[PLANES], const float *bias, float *pooled, long count,
                 long strips, long width, long maps, long high, long across, long by_image,
                 long by_row, int threads) {
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long image = 0; image < count; image++)
        for (long strip = 0; strip < strips; strip++) {
            float spare[2 * maps]; /* for rows that the image has not */
            for (long column = 0; column < across; column++) {
                const long at = ((image * strips + strip) * width + 2 * column) * maps;
                const float *restrict zero = made[0] + at, *restrict one = made[1] + at;
                const float *restrict less_one = made[2] + at, *restrict two = made[3] + at;
                const float *restrict less_two = made[4] + at, *restrict half = made[5] + at;
                const float *restrict less_half = made[6] + at, *restrict infinite = made[7] + at;
                float *to = pooled + image * by_image + 3 * strip * by_row + column * maps;
                float *restrict first = 3 * strip < high ? to : spare;
                float *restrict second = 3 * strip + 1 < high ? to + by_row : spare;
                float *restrict third = 3 * strip + 2 < high ? to + 2 * by_row : spare + maps;
#pragma omp simd
                for (long i = 0; i < maps; i++) {
                    const long j = i + maps;
                    float a, b, c, d, e, f;
                    larger_rows(zero[i], one[i], less_one[i], two[i], less_two[i], half[i],
                                less_half[i], infinite[i], &a, &b, &c);
                    larger_rows(zero[j], one[j], less_one[j], two[j], less_two[j], half[j],
                                less_half[j], infinite[j], &d, &e, &f);
                    first[i] = rectified(larger(a, d) + bias[i]);
                    second[i] = rectified(larger(b, e) + bias[i]);
                    third[i] = rectified(larger(c, f) + bias[i]);
                }
            }
        }
}

/* The 2x2 max-pool and ReLU of made [count][rows][width][maps]; pooled as above. */
void pool_rows(const float *made, float *pooled, long count, long rows, long width, long maps,
               long high, long across, long by_image, long by_row, int threads) {
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long image = 0; image < count; image++)
        for (long row = 0; row < high; row++) {
            const float *restrict upper = made + (image * rows + 2 * row) * width * maps;
            const float *restrict lower = upper + width * maps;
            float *restrict to = pooled + image * by_image + row * by_row;
            for (long column = 0; column < across; column++)
                for (long map = 0; map < maps; map++) {
                    const long i = 2 * column * maps + map, next = i + maps;
                    const float left = larger(upper[i], lower[i]);
                    const float right = larger(upper[next], lower[next]);
                    to[column * maps + map] = rectified(larger(left, right));
                }
        }
}
