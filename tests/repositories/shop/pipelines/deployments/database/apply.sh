#!/bin/sh
# Applies what comes on standard input, as a database would: all of it or nothing.
set -eu
[ -n "$PASSWORD" ]
mkdir -p "$FOLDER/$DATABASE"
cat >"$FOLDER/$DATABASE/$1.part"
mv "$FOLDER/$DATABASE/$1.part" "$FOLDER/$DATABASE/$1"
