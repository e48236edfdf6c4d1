#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed-executable.sh STRIP EXECUTABLE IMAGE ASSEMBLER: strips the executable into IMAGE and writes an assembler file
# that carries its bytes between keeper_image_begin and keeper_image_end, in read-only memory.
set -eu
strip=$1 executable=$2 image=$3 assembler=$4
"$strip" --strip-all -R .comment -o "$image" "$executable"
absolute=$(cd "$(dirname "$image")" && pwd)/$(basename "$image")
cat >"$assembler" <<END
    .section .rodata
    .balign 16
    .global keeper_image_begin
    .global keeper_image_end
    .hidden keeper_image_begin
    .hidden keeper_image_end
keeper_image_begin:
    .incbin "$absolute"
keeper_image_end:
    .byte 0
    .section .note.GNU-stack,"",%progbits
END
