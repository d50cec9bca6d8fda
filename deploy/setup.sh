#!/bin/sh
# What the project needs on this machine; quick, and without effect, once it is there.
#   deploy/setup.sh python    .venv from the lock
#   deploy/setup.sh browser   a Chromium for the PDF
#   deploy/setup.sh brokers   RabbitMQ and Redis for the fleet and the tests
set -eu
cd "$(dirname "$0")/.."

on_debian_as_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

apt_install() {
    echo "Installing $* (Debian package)..."
    # Nothing that is installed here starts by itself: the fleet and the tests start what they need on loopback.
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; made=1; }
    { apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 ||
        { apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }; } || failed=1
    [ -z "${made:-}" ] || rm -f "$policy"
    [ -z "${failed:-}" ]
}

python() {
    uv=$(command -v uv || true)
    if [ -z "$uv" ]; then
        uv="$PWD/.uv/bin/uv"
        [ -x "$uv" ] || { python3 -m venv .uv && .uv/bin/python -m pip install -q --disable-pip-version-check uv; }
    fi
    UV_PYTHON_DOWNLOADS=never "$uv" sync --frozen --all-extras --quiet
}

browser() {
    .venv/bin/python -m services.reports.renderer >/dev/null 2>&1 && return
    if on_debian_as_root; then
        apt_install chromium fonts-dejavu-core && return
    fi
    .venv/bin/python -m playwright install chromium >/dev/null 2>&1 ||
        echo "No Chromium: all but the PDF works. Install one (Debian: apt-get install chromium) or set CL_CHROMIUM_PATH."
}

brokers() {
    missing=""
    [ -n "${CL_TEST_BUS_URL:-}" ] || command -v rabbitmq-server >/dev/null 2>&1 || [ -x /usr/sbin/rabbitmq-server ] ||
        missing="$missing rabbitmq-server"
    [ -n "${CL_TEST_CACHE_URL:-}" ] || command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
    [ -z "$missing" ] || ! on_debian_as_root || apt_install $missing
}

for part in "$@"; do "$part"; done
