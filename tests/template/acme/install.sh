#!/bin/sh
set -e
ENV=${1:-test}
INSTALL_DIR=/opt/acme/shop
JAVA_OPTS="-Xmx2g -Dshop.url=https://shop.test.acme.example"
if [ "$ENV" = "prod" ]; then
    LICENSE_SERVER=lic.acme.example:27000
else
    LICENSE_SERVER=lic-test.acme.example:27000
fi
mkdir -p $INSTALL_DIR
cp -r config shop.war $INSTALL_DIR/
sed -i "s|@LICENSE@|$LICENSE_SERVER|" $INSTALL_DIR/config/shop.properties
curl -sf --user admin:s3cr3tpw https://repo.acme.example/artifactory/shop/4.2/shop.war -o /tmp/shop.war
ssh deploy@10.20.30.41 sudo systemctl restart shop
