#!/bin/sh
set -eu
[ "$(cksum <"$MACHINE/image" | cut -d ' ' -f 1)" = "$1" ]
grep -qxF "title=$TITLE" "$MACHINE/configuration"
