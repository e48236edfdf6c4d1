/* SPDX-License-Identifier: Apache-2.0 */
/* What every refusal must be: one sentence of UTF-8 in one line (base/err.h), with the member or parameter at fault. */
#ifndef HORAE_TESTS_FUZZ_REFUSAL_H
#define HORAE_TESTS_FUZZ_REFUSAL_H

#include "base/err.h"
#include "base/str.h"
#include "fuzz.h"

static inline void check_line(const char *text)
{
    CHECK(str_is_utf8(text, strlen(text)), "\"%s\" is not UTF-8", text);
    for (const char *p = text; *p; p++)
        CHECK((unsigned char)*p >= 32 && *p != 127, "\"%s\" holds a control character", text);
}

/* The text, and that a parameter is named. */
static inline void check_refusal(enum err_code code, const struct err *err)
{
    CHECK(code != OK && code == err->code, "%d is not the code %d of the error", (int)code, (int)err->code);
    CHECK(err->message[0], "no message");
    check_line(err->message);
    check_line(err->param);
    CHECK(err->param[0] || strstr(err->message, "the body") == err->message || strstr(err->message, "\"\"") ||
              strcmp(err->api_code, "INVALID_PARAMETER") != 0,
          "\"%s\" names no parameter", err->message);
}

#endif
