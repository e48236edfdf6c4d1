/* SPDX-License-Identifier: Apache-2.0 */
/* The only place for compiler attributes; everything else uses these names. */
#ifndef HORAE_BASE_COMPILER_H
#define HORAE_BASE_COMPILER_H

#include <stddef.h>
#include <stdlib.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NO_RETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

/* Clean-up by scope: `auto_free char *text = …;` frees on leaving the block. */
#define auto_free __attribute__((cleanup(compiler_free_pointer)))
#define auto_release(function) __attribute__((cleanup(function)))

static inline void compiler_free_pointer(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
