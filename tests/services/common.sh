# shellcheck shell=bash
# What the scripts of Kafka and of Redis share. Sourced, never run.
#
# A pair lives in a directory: `env` (what a program needs to reach it), `<service>.log`, and for each service that
# we started, `<service>.pid` or `<service>.container`: what `stop_service` ends, and nothing else.

services=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$services/../.." && pwd)
. "$root/.ci/packages.sh"

# The container engine that answers, if any.
engine() {
    local name
    for name in docker podman; do
        if has "$name" && timeout 10 "$name" info >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    return 1
}

# A port of 127.0.0.1 on which nobody listens, below the range from which systems choose for outgoing connections.
free_port() {
    local port
    while :; do
        port=$((15000 + RANDOM % 15000))
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# start_process DIR SERVICE COMMAND...: in the background, in a process group of its own, so that a Ctrl-C meant for
# the tests leaves it to `stop_service`.
start_process() {
    local dir=$1 service=$2
    shift 2
    (
        set -m
        nohup "$@" </dev/null >"$dir/$service.log" 2>&1 &
        echo $! >"$dir/$service.pid"
        # Until it has become the command, or ended, it can't be told from this script.
        until running "$dir" "$service" || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
    )
}

# start_container DIR SERVICE ENGINE ARGUMENTS...: false where the engine could not, such as with no way to the image.
start_container() {
    local dir=$1 service=$2 engine=$3 id
    shift 3
    if ! id=$("$engine" run --detach "$@" 2>"$dir/$service.log"); then
        say "$engine could not start $service ($(tail -n 1 "$dir/$service.log")); going on without a container."
        return 1
    fi
    echo "$engine $id" >"$dir/$service.container"
}

# Is the service that was recorded here still running? A process counts only if its command line names the directory,
# as ours do: its number may belong to another by now.
running() {
    local dir=$1 service=$2 engine id pid args
    if [ -f "$dir/$service.container" ]; then
        read -r engine id <"$dir/$service.container"
        [ "$("$engine" inspect --format '{{.State.Running}}' "$id" 2>/dev/null)" = true ]
    elif [ -f "$dir/$service.pid" ]; then
        read -r pid <"$dir/$service.pid"
        # Between one program and the next a process has no command line for a moment; an ended one keeps none.
        for _ in {1..20}; do
            args=$({ tr '\0' ' ' <"/proc/$pid/cmdline" || ps -ww -o args= -p "$pid"; } 2>/dev/null)
            if [ -n "$args" ] || ! kill -0 "$pid" 2>/dev/null; then break; fi
            sleep 0.01
        done
        [[ $args == *"$dir"* ]]
    else
        return 1
    fi
}

# wait_until_ready DIR SERVICE SECONDS PROBE...: until the probe succeeds; ends the script where it can't any more.
wait_until_ready() {
    local dir=$1 service=$2 deadline=$((SECONDS + $3))
    shift 3
    until "$@"; do
        running "$dir" "$service" || fail_to_start "$dir" "$service" "ended while starting"
        [ "$SECONDS" -lt "$deadline" ] || fail_to_start "$dir" "$service" "was not ready in time"
        sleep 0.2
    done
}

fail_to_start() {
    local dir=$1 service=$2
    fetch_log "$dir" "$service"
    tail -n 15 "$dir/$service.log" >&2
    die "$service $3: see the log $dir/$service.log."
}

# A process writes its log itself; a container's is fetched.
fetch_log() {
    local dir=$1 service=$2 engine id
    if [ -f "$dir/$service.container" ]; then
        read -r engine id <"$dir/$service.container"
        "$engine" logs "$id" >"$dir/$service.log" 2>&1 || true
    fi
}

# check_given VARIABLE HOST:PORT: is anybody there, of those whom the caller told us to use?
check_given() {
    local host=${2%:*} port=${2##*:}
    say "Using $1=${!1}"
    (: <>"/dev/tcp/$host/$port") 2>/dev/null || die "Nobody answers at $2: start what $1 stands for, or unset $1 to have one started."
}

# stop_service DIR SERVICE: ends what was started here and removes its data; the log stays.
stop_service() {
    local dir=$1 service=$2 engine id
    if [ -f "$dir/$service.container" ]; then
        read -r engine id <"$dir/$service.container"
        fetch_log "$dir" "$service"
        "$engine" rm --force --volumes "$id" >/dev/null 2>&1 || say "Could not remove $service's container: type '$engine rm -f $id'."
    elif running "$dir" "$service"; then
        # Its data goes anyway, so it need not save anything first.
        kill -KILL "$(cat "$dir/$service.pid")"
        while running "$dir" "$service"; do sleep 0.05; done
    fi
    rm -rf "$dir/$service.container" "$dir/$service.pid" "${dir:?}/$service"
}

# start_pair DIR
start_pair() {
    local dir=$1
    mkdir -p "$dir"
    local kafka_brokers redis_url
    start_redis "$dir"
    start_kafka "$dir"
    printf 'export KAFKA_BROKERS=%s\nexport REDIS_URL=%s\n' "$kafka_brokers" "$redis_url" >"$dir/env"
}

# stop_pair DIR
stop_pair() {
    stop_service "$1" kafka
    stop_service "$1" redis
    rm -f "$1/env"
}

. "$services/redis.sh"
. "$services/kafka.sh"
