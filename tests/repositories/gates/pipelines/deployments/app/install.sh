#!/bin/sh
echo "installing $TITLE"
[ ! -e "$STOP" ]
