#!/bin/sh
# deb: remove, or upgrade; rpm: the number of versions that stay.
set -e

case "$1" in
remove | 0) [ ! -d /run/systemd/system ] || systemctl stop 'londiste@*.service' 'pgq-ticker@*.service' ;;
esac
