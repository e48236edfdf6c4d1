/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/segment_place.h"

#include "db/db_part.h"

struct segment_place *segment_place_new(const struct segment_place_options *options)
{
    return db_part_is_for(options->url) ? segment_server_new(options) : segment_place_files(options->folder);
}

const char *segment_place_folder(const struct segment_place *place)
{
    return place->folder;
}

void segment_place_free(struct segment_place *place)
{
    if (place)
        place->kind->free(place);
}

enum err_code segment_list(struct segment_place *place, int64_t **ret, size_t *ret_count, struct err *err)
{
    return place->kind->list(place, ret, ret_count, err);
}

enum err_code segment_open_reader(struct segment_place *place, int64_t number, struct db **ret, struct err *err)
{
    return place->kind->open_reader(place, number, ret, err);
}

void segment_close_reader(struct segment_place *place, struct db *db)
{
    if (db)
        place->kind->close_reader(place, db);
}

bool segment_is_there(struct segment_place *place, int64_t number)
{
    return place->kind->is_there(place, number);
}

enum err_code segment_remove(struct segment_place *place, int64_t number, struct err *err)
{
    return place->kind->remove(place, number, err);
}
