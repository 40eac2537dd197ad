#!/bin/sh
# Installs what the tests need besides Go, on Debian and as root. Elsewhere it
# lists what is missing. Tests that need a missing tool are skipped; in CI they
# fail.
set -eu

missing=""
need() { # command, Debian package
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

need openssl openssl
need curl curl
need xmllint libxml2-utils          # validates SOAP messages
need gcc gcc                        # for the race detector
need keytool default-jdk-headless   # reads the trust store as Java does
need javac default-jdk-headless     # compiles clients in Java
need mvn maven                      # fetches what they are made of
need php php-cli                    # SoapClient
need wsdl2h gsoap                   # makes C from the WSDL
need soapcpp2 gsoap
need node nodejs                    # runs another SMSC
need npm npm                        # fetches it, and axe-core for the pages
php -r 'exit(class_exists("SoapClient") ? 0 : 1);' >/dev/null 2>&1 || missing="$missing php-soap"
[ -e /usr/include/stdsoap2.h ] || missing="$missing libgsoap-dev"
[ -e /usr/include/openssl/ssl.h ] || missing="$missing libssl-dev"
[ -e /usr/include/zlib.h ] || missing="$missing zlib1g-dev"
/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
[ -x /usr/sbin/bearerbox ] || need bearerbox kannel # another ESME
[ -x /usr/bin/chromium ] || missing="$missing chromium" # is the phone of the pages
echo '#include <stdlib.h>' | ${CC:-gcc} -E - >/dev/null 2>&1 || missing="$missing libc6-dev"
if ! command -v initdb >/dev/null 2>&1 && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
	[ -n "${SIGNUM_TEST_POSTGRES:-}" ] || missing="$missing postgresql"
fi
need buildah buildah                # runs the image
need docker-compose docker-compose  # reads the compose file
need systemd-analyze systemd        # checks the units
need ip iproute2                    # networks of its services
[ -x /usr/sbin/haproxy ] || need haproxy haproxy # before the nodes
[ -x /usr/sbin/pgbouncer ] || need pgbouncer pgbouncer # before PostgreSQL

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing:$missing"
	# The tests start their own servers; do not create a system-wide one.
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q >/dev/null
	# shellcheck disable=SC2086
	apt-get install -q -y --no-install-recommends -o Dpkg::Options::=--force-confold $missing >/dev/null
	exit 0
fi
echo "missing, so that some tests will be skipped:$missing" >&2
[ "${CI:-}" != true ]
