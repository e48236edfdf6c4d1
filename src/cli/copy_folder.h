/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders below a folder, to another one. */
#ifndef HORAE_CLI_COPY_FOLDER_H
#define HORAE_CLI_COPY_FOLDER_H

#include "base/err.h"

/* A file, readable by its owner only; does nothing when it is not there, or when one of the same size and time is. */
enum err_code copy_one_file(const char *from, const char *to, struct err *err);
/* All files below `from`, which need not be there. What the target has besides stays. Deeper than 8 folders: ERR_LIMIT. */
enum err_code copy_folder(const char *from, const char *to, struct err *err);
/* What was written below `folder` is on disk when it returns. */
enum err_code copy_folder_sync(const char *folder, struct err *err);

#endif
