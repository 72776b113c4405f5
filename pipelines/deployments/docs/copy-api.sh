#!/bin/sh
set -eu
from=$1 to=$2

rm -rf "$to"
mkdir -p "$to"
cp -R "$from/." "$to"
rm -f "$to/.lock" # cargo's, and no documentation
