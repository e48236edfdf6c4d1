/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/read_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool read_whole_file(const char *name, struct buf *out)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    if (file == stdin)
        name = "standard input";
    char block[8192];
    size_t n;
    if (!file) {
        (void)fprintf(stderr, "horae: cannot read %s: %s\n", name, strerror(errno));
        return false;
    }
    while (!out->failed && (n = fread(block, 1, sizeof block, file)) > 0)
        buf_add(out, block, n);
    bool failed = ferror(file) != 0;
    if (failed)
        (void)fprintf(stderr, "horae: cannot read %s: %s\n", name, strerror(errno));
    else if (out->failed)
        (void)fprintf(stderr, "horae: %s has more than %zu bytes\n", name, out->max);
    if (file != stdin)
        (void)fclose(file);
    return !failed && !out->failed;
}
