/* SPDX-License-Identifier: Apache-2.0 */
/* URLs that may hold passwords, as they may be shown. */
#ifndef HORAE_BASE_URL_TEXT_H
#define HORAE_BASE_URL_TEXT_H

#include "base/buf.h"

/* Adds `text` to `out`; of an URL with passwords (scheme://user:PASSWORD@host, or an option ?password=, ?sslpassword=) only that they are
 * there: ***. An @ that is not written as %40 is taken for one of a password: rather too much is hidden. */
void url_text_hide(const char *text, struct buf *out);
/* The same in place, for arguments of a command line, which every user of the machine can read. True when something was hidden. */
bool url_text_hide_in_place(char *text);

#endif
