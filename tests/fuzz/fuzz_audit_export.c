/* SPDX-License-Identifier: Apache-2.0 */
/* Exports and checkpoints as somebody brings them: whatever they hold, nothing is in order that the expected key has not signed.
 * Input: 0 for a file of checkpoints, else an export; then the text. */
#include "base/json.h"
#include "refusal.h"
#include "trail/checkpoint_file.h"
#include "trail/verify_export.h"

#include <sys/mman.h>
#include <unistd.h>

/* Of no secret key that anybody has. */
static const uint8_t expected_key[AUDIT_PUBLIC_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static void check_checkpoints(struct str text)
{
    struct checkpoint_list list;
    struct err err = {.message = ""};
    const enum err_code code = checkpoint_file_read(text, &list, &err);
    CHECK(code == OK || code == ERR_INVALID, "code %d", code);
    CHECK(code != OK || list.count > 0, "no checkpoints, and no error");
    if (code != OK)
        check_line(err.message);
    for (size_t i = 0; code == OK && i < list.count; i++)
        CHECK(checkpoint_is_signed(&list.items[i], list.public_key), "checkpoint %zu is not signed", i);
    checkpoint_list_release(&list);
}

static void check_export(struct str text)
{
    struct verify_result result;
    uint8_t key[AUDIT_PUBLIC_BYTES];
    struct err err = {.message = ""};
    const int fd = memfd_create("export", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && lseek(fd, 0, SEEK_SET) == 0, "no file");
    const struct verify_export_options options = {.fd = fd, .public_key = expected_key};
    const enum err_code code = verify_export(&options, &result, key, &err);
    (void)close(fd);
    CHECK(code == OK || code == ERR_INVALID, "code %d", code);
    if (code != OK) {
        check_line(err.message);
        return;
    }
    CHECK(!result.ok, "it is in order, and nobody signed it");
    check_line(result.first_bad.detail);
    verify_result_release(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct str text = {(const char *)data + 1, size - 1};
    if (data[0])
        check_export(text);
    else
        check_checkpoints(text);
    return 0;
}
