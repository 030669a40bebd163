#!/bin/bash
# Installs the packages, looks at them and removes them, on a copy-on-write
# view of this machine: DIST SCRATCH VERSION ARCH. Runs under unshare --mount,
# so the view is gone when this ends.
set -euo pipefail
dist=$1 scratch=$2 version=$3 arch=$4
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

fail() { echo "FAILED: $*" >&2; exit 1; }
say() { echo "== $*"; }

mkdir -p "$scratch"/{upper,work,root}
root=$scratch/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mkdir -p "$root/debs"
cp "$dist"/*_"$arch".deb "$root/debs/"
inside() { chroot "$root" "$@"; }
main=/debs/skytools-go_${version}_$arch.deb
compat=/debs/skytools-go-compat_${version}_$arch.deb

# Stand-ins of Debian's packages that have files of the same names.
for p in pgqd python3-londiste; do
	inside dpkg --purge --force-depends $p >/dev/null 2>&1 || true
	mkdir -p "$scratch/$p/DEBIAN"
	printf 'Package: %s\nVersion: 99\nArchitecture: all\nMaintainer: nobody\nDescription: stand-in\n' $p >"$scratch/$p/DEBIAN/control"
	dpkg-deb --build "$scratch/$p" "$root/debs/$p.deb" >/dev/null
done
listing() { inside find /usr /etc /var/lib /var/log /home -xdev ! -path '/var/lib/dpkg/*' ! -name 'dpkg.log' ! -name '*.cache*' ! -name 'passwd-' ! -name 'group-' ! -name 'shadow-' ! -name 'gshadow-' ! -name .pwd.lock ! -path '/var/lib/systemd/deb-systemd*' | sort; }
listing >"$scratch/before"

say "refused beside Debian's londiste"
inside dpkg -i /debs/python3-londiste.deb >/dev/null
! inside dpkg -i "$main" >"$scratch/out" 2>&1 || fail "installed beside python3-londiste"
grep -q 'conflicts with python3-londiste' "$scratch/out" || fail "no word of the conflict: $(cat "$scratch/out")"
inside dpkg --purge python3-londiste >/dev/null

say "installed"
inside dpkg -i "$main"
for p in londiste pgqadm; do
	[ "$(inside $p --version)" = "Skytools version $version" ] || fail "$p --version"
	inside bash -n /usr/share/bash-completion/completions/$p
	inside test -s /usr/share/zsh/vendor-completions/_$p -a -s /usr/share/fish/vendor_completions.d/$p.fish
done
[ "$(inside stat -c '%U:%G %a' /var/lib/skytools /var/log/skytools /etc/skytools | tr '\n' ,)" = "skytools:skytools 750,skytools:skytools 750,root:skytools 750," ] ||
	fail "owners: $(inside stat -c '%n %U:%G %a' /var/lib/skytools /var/log/skytools /etc/skytools)"
inside londiste --ini | inside tee /etc/skytools/mine.ini >/dev/null
inside chmod 640 /etc/skytools/mine.ini; inside chgrp skytools /etc/skytools/mine.ini
inside setpriv --reuid skytools --regid skytools --clear-groups londiste /etc/skytools/mine.ini help replay >/dev/null

say "the page of each command and file"
for page in $(inside dpkg -L skytools-go | grep /man/.*gz$); do
	warnings=$(inside env MANWIDTH=80 man --warnings=w -E UTF-8 -l "$page" 2>&1 >/dev/null)
	[ -z "$warnings" ] || fail "man $page: $warnings"
done
inside man -w londiste.ini >/dev/null

say "the units"
for unit in londiste@mine.service pgq-ticker@mine.service; do
	said=$(inside systemd-analyze verify $unit 2>&1) || fail "$unit: $said"
	[ -z "$said" ] || fail "$unit: $said"
	inside systemd-analyze security --offline=true --threshold=20 "$unit" | tail -1
done
inside systemctl enable londiste@mine.service 2>/dev/null
inside test -L /etc/systemd/system/multi-user.target.wants/londiste@mine.service || fail "not enabled"

say "the names of Skytools, and refused beside Debian's pgqd"
inside dpkg -i /debs/pgqd.deb >/dev/null
! inside dpkg -i "$compat" >"$scratch/out" 2>&1 || fail "installed beside pgqd"
grep -q 'conflicts with pgqd' "$scratch/out" || fail "no word of the conflict: $(cat "$scratch/out")"
inside dpkg --purge --force-depends pgqd >/dev/null # the extension wants it
inside dpkg -i "$compat"
for p in londiste.py pgqadm.py pgqd; do
	[ "$(inside $p --version)" = "Skytools version $version" ] || fail "$p --version"
	inside man -w $p >/dev/null
done

say "installed again, as an upgrade"
inside dpkg -i "$main" "$compat"

say "removed"
inside dpkg --remove skytools-go-compat skytools-go
! inside test -e /usr/bin/londiste -o -e /usr/bin/pgqd || fail "programs are left"
inside test -d /var/lib/skytools || fail "state is gone before the purge"
listing | grep -v -e '^/var/lib/skytools' -e '^/var/log/skytools' -e '^/etc/skytools' -e 'wants/londiste@mine.service$' | diff "$scratch/before" - ||
	fail "removal left something, or took something"

say "purged"
inside dpkg --purge skytools-go-compat skytools-go
inside test -e /etc/skytools/mine.ini || fail "the administrator's ini file is gone"
inside rm -r /etc/skytools
listing | diff "$scratch/before" - || fail "the purge left something, or took something"
say "done"
