# shellcheck shell=bash
# Redis for the tests: `REDIS_URL` if set, else a container, else redis-server. Sourced by common.sh.

redis_image=redis:7.4-alpine

# start_redis DIR: sets redis_url.
start_redis() {
    local dir=$1 port engine
    if [ -n "${REDIS_URL:-}" ]; then
        local address=${REDIS_URL#*://}
        address=${address##*@}
        check_given REDIS_URL "${address%%[/,]*}"
        redis_url=$REDIS_URL
        return
    fi

    port=$(free_port)
    redis_url=redis://127.0.0.1:$port/0
    # Nothing is saved, and nothing is ever evicted: an index that forgets on its own is a fault.
    local settings=(--save '' --appendonly no --maxmemory-policy noeviction)
    if ! { engine=$(engine) && start_container "$dir" redis "$engine" --publish "127.0.0.1:$port:6379" "$redis_image" "${settings[@]}"; }; then
        need_redis
        mkdir -p "$dir/redis"
        # Keeping the command line as it is (set-proc-title) is what lets us know our process again.
        start_process "$dir" redis redis-server --bind 127.0.0.1 --port "$port" --dir "$dir/redis" --set-proc-title no "${settings[@]}"
    fi
    wait_until_ready "$dir" redis 30 redis_answers "$port"
}

need_redis() { need redis-server redis-server; }

redis_answers() {
    local answer
    { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    printf 'PING\r\n' >&3
    read -r -t 1 answer <&3 || true
    exec 3>&-
    [ "${answer%$'\r'}" = +PONG ]
}
