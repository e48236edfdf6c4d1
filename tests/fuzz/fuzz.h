/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzzer uses: a check that ends the process with its own text, and a cursor over the input.
 * One fuzzer is tests/fuzz/fuzz_<subject>.c with LLVMFuzzerTestOneInput; its first inputs and every input that once
 * failed stand in tests/fuzz/corpus/<subject>/. A fuzzer checks properties, not only that nothing crashes. */
#ifndef HORAE_TESTS_FUZZ_H
#define HORAE_TESTS_FUZZ_H

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* CHECK(next > at, "next %lld is not after %lld", …): the text goes to standard error, then the process aborts and
 * libFuzzer keeps the input. */
#define CHECK(condition, ...) \
    do { \
        if (!(condition)) { \
            (void)fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            (void)fprintf(stderr, __VA_ARGS__); \
            (void)fprintf(stderr, "\n"); \
            abort(); \
        } \
    } while (0)

struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

/* The next byte as a choice of `count` (2 to 256): '0' is 0, '1' is 1, so that corpus files stay readable. 0 at the end. */
static inline unsigned fuzz_choice(struct fuzz_input *input, unsigned count)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return (uint8_t)(*input->at++ - '0') % count;
}

/* Four bytes as an instant from the year 1425 to 2514. */
static inline int64_t fuzz_time(struct fuzz_input *input)
{
    uint32_t time = 0;
    for (int i = 0; i < 4; i++)
        time = time * 256 + fuzz_choice(input, 256);
    return (int64_t)(int32_t)time * 8;
}

/* What is left, as text in a fresh block without a NUL at its end, so that the sanitizer sees each byte read beyond it. */
static inline char *fuzz_rest(const struct fuzz_input *input)
{
    char *text = malloc(input->left ? input->left : 1);
    CHECK(text != NULL, "no memory");
    if (input->left)
        memcpy(text, input->at, input->left);
    return text;
}

#endif
