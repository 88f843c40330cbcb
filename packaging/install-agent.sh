#!/bin/sh
# Installs tvilling-agent from the hub %HUB% and connects it. Run as
# root; the one argument is a connection string of the device, with a token or a
# key (see "tvilling device enroll-command"). Needs curl and sha256sum.
#
# Until the new agent is enrolled, nothing that is there already is changed: an
# agent that runs goes on, with its program and its configuration.
set -eu

bin=/usr/bin/tvilling-agent
etc=/etc/tvilling-agent
new=/usr/bin/tvilling-agent.new
tmp=
former=

fail() {
    echo "tvilling-agent: $*" >&2
    exit 1
}

# cleanup removes what is left over, and puts back an authority that was to be
# replaced if the enrolment did not come to its end.
cleanup() {
    rm -f "$new"
    case $former in
    none) rm -f "$etc/ca.pem" ;;
    kept) cp "$tmp/former.pem" "$etc/ca.pem" ;;
    esac
    [ -z "$tmp" ] || rm -rf "$tmp"
}

# authority prints the certificate that the hub's is signed by, if a device
# cannot know it.
authority() {
    cat <<'PEM'
%CA%
PEM
}

unit() {
    cat <<'UNIT'
%UNIT%
UNIT
}

init() {
    cat <<'INIT'
%INIT%
INIT
}

# download fetches the program, and checks that it is the one that the hub has.
download() {
    case "$(uname -m)" in
    x86_64) platform=linux-amd64 sum=%SUM_AMD64% ;;
    aarch64) platform=linux-arm64 sum=%SUM_ARM64% ;;
    armv7* | armv8l) platform=linux-armv7 sum=%SUM_ARMV7% ;;
    *) fail "there is no agent for $(uname -m)" ;;
    esac
    [ "$sum" != none ] || fail "the hub has no agent for $platform: put the file tvilling-agent-$platform into its folder of agents, and run the line again"
    url="https://%HUB%/tvilling/agent/$platform"
    set -- -fsS --proto =https --connect-timeout 30 -o "$new" "$url"
    [ ! -s "$tmp/ca.pem" ] || set -- --cacert "$tmp/ca.pem" "$@"
    curl "$@" || fail "cannot fetch $url"
    got=$(sha256sum "$new")
    [ "${got%% *}" = "$sum" ] || fail "the program that came is not the one that the hub had: run the line again"
    chmod 0755 "$new"
}

# enroll has the new program fetch the key of the security module.
enroll() {
    connection=$1
    set -- --https-port %HTTPS_PORT% --mqtt-port %MQTT_PORT% --ca-file ""
    mkdir -p "$etc"
    if [ -s "$tmp/ca.pem" ]; then
        if [ -e "$etc/ca.pem" ]; then
            cp "$etc/ca.pem" "$tmp/former.pem"
            former=kept
        else
            former=none
        fi
        cp "$tmp/ca.pem" "$etc/ca.pem"
        chmod 0644 "$etc/ca.pem"
        set -- "$@" --ca-file "$etc/ca.pem"
    fi
    printf '%s\n' "$connection" | "$new" enroll "$@" || fail "the device is not connected; nothing was changed"
    former=
}

# start has the system's own means run the agent, now and from now on.
start() {
    if [ -d /run/systemd/system ]; then
        unit >/etc/systemd/system/tvilling-agent.service
        systemctl daemon-reload
        systemctl --quiet enable tvilling-agent
        systemctl restart tvilling-agent
    elif [ -d /etc/init.d ]; then
        init >/etc/init.d/tvilling-agent
        chmod 0755 /etc/init.d/tvilling-agent
        if command -v update-rc.d >/dev/null 2>&1; then
            update-rc.d tvilling-agent defaults
        elif [ -e /etc/init.d/rcS ]; then
            ln -sf tvilling-agent /etc/init.d/S95tvilling-agent
        else
            echo "tvilling-agent: have this system start /etc/init.d/tvilling-agent when it boots" >&2
        fi
        /etc/init.d/tvilling-agent restart
    else
        echo "tvilling-agent: installed; have this system run: $bin run"
        return
    fi
    "$bin" status --wait 30s
}

main() {
    [ "$(uname -s)" = Linux ] || fail "the agent is for Linux, and this is $(uname -s)"
    [ "$(id -u)" -eq 0 ] || fail "this has to run as root: put sudo before sh"
    [ $# -eq 1 ] || fail "give the device's connection string as the one argument"
    for tool in curl sha256sum; do
        command -v "$tool" >/dev/null 2>&1 || fail "$tool is not there: install it, and run the line again"
    done
    # The program is executed and the secrets are read by those alone who may.
    umask 022
    trap cleanup EXIT
    trap 'exit 1' HUP INT TERM
    tmp=$(mktemp -d)
    authority >"$tmp/ca.pem"
    download
    enroll "$1"
    # A running agent keeps its file; the new one takes its name, once it is on the disk.
    sync
    mv "$new" "$bin"
    start
}

# In the last line, so that a script that came in part does nothing.
main "$@"
