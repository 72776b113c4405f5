#!/bin/sh
grep -q tea "$DATABASE/products"
