#!/bin/sh
# deb: remove, purge, upgrade …; rpm: the number of versions that stay.
# What was enabled, the state and the logs go with a purge, or with the last
# version of the rpm. The ini files that the administrator wrote stay, and so
# does the user, who may own files elsewhere.
set -e

case "$1" in
purge | 0)
	rm -f /etc/systemd/system/*.wants/londiste@*.service /etc/systemd/system/*.wants/pgq-ticker@*.service
	rm -rf /var/lib/skytools /var/log/skytools
	;;
esac
[ ! -d /run/systemd/system ] || systemctl daemon-reload
