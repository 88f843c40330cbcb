#!/bin/sh
# Installs tvilling-agent from the hub %HUB% and connects it. Run as
# root; the one argument is a connection string of the device, with a token or a
# key (see "tvilling device enroll-command").
set -eu

fail() {
    echo "tvilling-agent: $*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "this has to run as root: put sudo before sh"
[ $# -eq 1 ] || fail "give the device's connection string as the one argument"

case "$(uname -m)" in
x86_64) platform=amd64 sum=%SUM_AMD64% ;;
aarch64) platform=arm64 sum=%SUM_ARM64% ;;
armv7* | armv8l) platform=armv7 sum=%SUM_ARMV7% ;;
*) fail "there is no agent for $(uname -m)" ;;
esac
[ "$sum" != none ] || fail "the hub has no agent for $platform: put tvilling-agent-linux-$platform into its agents folder"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trust=
cat >"$tmp/ca.pem" <<'PEM'
%CA%PEM
[ ! -s "$tmp/ca.pem" ] || trust="--cacert $tmp/ca.pem"

# shellcheck disable=SC2086 # nothing in it has blanks but what separates
curl -fsS $trust -o "$tmp/tvilling-agent" "https://%HUB%/tvilling/agent/linux-$platform"
echo "$sum  $tmp/tvilling-agent" | sha256sum -c - >/dev/null || fail "the download is damaged"
mkdir -p /usr/bin /etc/tvilling-agent
chmod 0755 "$tmp/tvilling-agent"
# A running agent keeps its file; the new one takes its name.
cp "$tmp/tvilling-agent" /usr/bin/.tvilling-agent.new
mv /usr/bin/.tvilling-agent.new /usr/bin/tvilling-agent
if [ -s "$tmp/ca.pem" ]; then
    cp "$tmp/ca.pem" /etc/tvilling-agent/ca.pem
    chmod 0644 /etc/tvilling-agent/ca.pem
    set -- "$1" --ca-file /etc/tvilling-agent/ca.pem
fi
connection=$1
shift
printf '%s\n' "$connection" | /usr/bin/tvilling-agent enroll --https-port %HTTPS_PORT% --mqtt-port %MQTT_PORT% "$@"

if [ -d /run/systemd/system ]; then
    cat >/etc/systemd/system/tvilling-agent.service <<'UNIT'
%UNIT%UNIT
    systemctl daemon-reload
    systemctl enable tvilling-agent
    systemctl restart tvilling-agent
elif [ -d /etc/init.d ]; then
    cat >/etc/init.d/tvilling-agent <<'INIT'
%INIT%INIT
    chmod 0755 /etc/init.d/tvilling-agent
    if command -v update-rc.d >/dev/null 2>&1; then update-rc.d tvilling-agent defaults; fi
    /etc/init.d/tvilling-agent restart
else
    echo "tvilling-agent: installed; start it with: /usr/bin/tvilling-agent run"
    exit 0
fi
/usr/bin/tvilling-agent status --wait 30s
