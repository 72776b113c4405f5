#!/bin/sh
set -eu
mkdir -p "$MACHINE"
cp "$1" "$MACHINE/image.part"
mv "$MACHINE/image.part" "$MACHINE/image"
