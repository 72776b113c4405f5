#!/bin/sh
[ -d "$FOLDER/releases" ]
