# shellcheck shell=bash
# Makes sure of what a script needs from the system. Sourced, never run.
# As root on Debian or Ubuntu the missing packages are installed; elsewhere one sentence says which line to type.

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$@"
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# install PACKAGE...: Debian's names.
install() {
    has apt-get || die "Missing: install what your system calls $* and run this again."
    [ "$(id -u)" = 0 ] || die "Missing: type 'sudo apt-get install $*' and run this again."
    say "Installing $*"
    local log
    log=$(mktemp)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "Could not install $*: see $log, install them by hand and run this again."
    fi
    rm -f "$log"
}

# need COMMAND PACKAGE...: installs the packages where the command is missing.
need() {
    local command=$1
    shift
    has "$command" || install "$@"
    has "$command" || die "'$command' is still missing after installing $*: put it on the PATH and run this again."
}
