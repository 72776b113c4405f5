#!/bin/sh
cp /opt/acme/shop/shop.war.old /opt/acme/shop/shop.war
