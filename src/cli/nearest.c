/* SPDX-License-Identifier: Apache-2.0 */
/* Optimal string alignment: Levenshtein's table with one more rule for two neighbours that changed places, because
 * that is how fingers slip ("tsak"). Names are short, so three rows on the stack are all it needs. */
#include "cli/nearest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nearest_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), rows[3][NEAREST_NAME_MAX + 1];
    if (n > NEAREST_NAME_MAX || m > NEAREST_NAME_MAX)
        return NEAREST_NAME_MAX;
    for (size_t k = 0; k <= m; k++)
        rows[0][k] = k;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t k = 1; k <= m; k++) {
            row[k] = least(least(above[k], row[k - 1]) + 1, above[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = least(row[k], two_above[k - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

void nearest_offer(struct nearest *nearest, const char *given, const char *name)
{
    size_t distance = nearest_distance(given, name), allowed = strlen(given) / 3;
    if (distance > (allowed ? allowed : 1) || (nearest->name && distance >= nearest->distance))
        return;
    nearest->name = name;
    nearest->distance = distance;
}

void nearest_print(const struct nearest *nearest, FILE *out)
{
    if (nearest->name)
        (void)fprintf(out, "; did you mean \"%s\"?", nearest->name);
}
