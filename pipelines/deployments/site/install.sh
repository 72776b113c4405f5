#!/bin/sh
# Copies under another name first: what has its final name is complete.
set -eu
from=$1 to=$FOLDER/releases/$2

rm -rf "$to.part"
cp -R "$from" "$to.part"
rm -rf "$to" # if there is one, the guard found it damaged
mv "$to.part" "$to"
