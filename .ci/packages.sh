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
    local log lock
    log=$(mktemp)
    # One at a time of those that run side by side: apt itself turns a second one away.
    exec {lock}>"${TMPDIR:-/tmp}/chatroom-router-install.lock"
    flock "$lock"
    # The lists are asked for again only where they are missing or too old: that takes as long as a small package.
    if ! apt_install "$@" >"$log" 2>&1 && ! { apt-get update && apt_install "$@"; } >>"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "Could not install $*: see $log, install them by hand and run this again."
    fi
    rm -f "$log"
    exec {lock}>&-
}

apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }

# need COMMAND PACKAGE...: installs the packages where the command is missing.
need() {
    local command=$1
    shift
    has "$command" || install "$@"
    has "$command" || die "'$command' is still missing after installing $*: put it on the PATH and run this again."
}

# python_tools DIR REQUIREMENTS: tools that PyPI carries, in a place of their own; made anew when the list changes.
python_tools() {
    local dir=$1 requirements=$2
    cmp -s "$requirements" "$dir/requirements.txt" && return
    python3 -c 'import ensurepip' 2>/dev/null || install python3 python3-venv
    rm -rf "$dir"
    say "Installing the tools of $requirements"
    python3 -m venv "$dir"
    "$dir/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" \
        || die "Could not install the tools: install what $requirements names into a virtual environment at $dir."
    cp "$requirements" "$dir/requirements.txt"
}
