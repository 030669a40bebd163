#!/bin/sh
# deb: configure OLD-VERSION; rpm: the number of versions that are installed.
set -e

if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers skytools.conf
elif ! getent passwd skytools >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/skytools --shell /usr/sbin/nologin skytools
fi
if command -v systemd-tmpfiles >/dev/null; then
	systemd-tmpfiles --create skytools.conf
else
	install -d -m 0750 -o skytools -g skytools /var/lib/skytools /var/log/skytools
	chown root:skytools /etc/skytools
	chmod 0750 /etc/skytools
fi

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
case "$1 $2" in
"configure "?* | "2 "*) systemctl try-restart 'londiste@*.service' 'pgq-ticker@*.service' ;;
esac
