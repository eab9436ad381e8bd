# shellcheck shell=bash
# Kafka for the tests: `KAFKA_BROKERS` if set, else a container, else its jars under Java. Sourced by common.sh.

kafka_version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$services/pom.xml")
kafka_jars=${XDG_CACHE_HOME:-$HOME/.cache}/chatroom-router/kafka-$kafka_version

# start_kafka DIR: sets kafka_brokers.
start_kafka() {
    local dir=$1 port controller_port engine
    if [ -n "${KAFKA_BROKERS:-}" ]; then
        check_given KAFKA_BROKERS "${KAFKA_BROKERS%%,*}"
        kafka_brokers=$KAFKA_BROKERS
        return
    fi

    port=$(free_port)
    controller_port=$(free_port)
    kafka_brokers=127.0.0.1:$port
    if ! { engine=$(engine) && start_kafka_container "$dir" "$engine" "$port"; }; then
        start_kafka_process "$dir" "$port" "$controller_port"
    fi
    wait_until_ready "$dir" kafka 90 kafka_answers "$dir"
}

# Its last word on starting: the broker has registered with the controller and takes requests.
kafka_answers() {
    fetch_log "$1" kafka
    grep -q 'Kafka Server started' "$1/kafka.log"
}

# kafka_settings LISTEN_ADDRESS PORT CONTROLLER_PORT DATA [PORT:ADVERTISED]...: a node that is both broker and controller, the
# only one unless `node_id` and `voters` (ID@HOST:CONTROLLER_PORT,...) say otherwise: then each of them holds a copy of all.
# Each pair is one more listener, whose clients are told to connect to another port: that of a proxy before it. Clients of the
# first pair of one node are told of the first pairs of the others.
kafka_settings() {
    local address=$1 port=$2 controller_port=$3 data=$4 pair name proxies=0
    local all=${voters:-1@127.0.0.1:$3} others
    others=${all//[^,]/}
    local copies=$((${#others} + 1)) enough=$((${#others} > 0 ? ${#others} : 1))
    local listeners=PLAINTEXT://$address:$port,CONTROLLER://127.0.0.1:$controller_port advertised=PLAINTEXT://127.0.0.1:$port
    local protocols=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
    for pair in "${@:5}"; do
        name=PROXY$((++proxies))
        listeners+=,$name://$address:${pair%:*}
        advertised+=,$name://127.0.0.1:${pair#*:}
        protocols+=,$name:PLAINTEXT
    done
    cat <<END
process.roles=broker,controller
node.id=${node_id:-1}
controller.quorum.voters=$all
listeners=$listeners
advertised.listeners=$advertised
controller.listener.names=CONTROLLER
listener.security.protocol.map=$protocols
log.dirs=$data
auto.create.topics.enable=false
default.replication.factor=$copies
min.insync.replicas=$enough
leader.imbalance.check.interval.seconds=15
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$enough
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=${abort_check_ms:-1000}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
END
}

# start_kafka_container DIR ENGINE PORT: the image takes each setting from a variable, `a.b` from KAFKA_A_B.
start_kafka_container() {
    local dir=$1 engine=$2 port=$3 environment=() key value
    while IFS='=' read -r key value; do
        environment+=(--env "KAFKA_$(tr '.[:lower:]' '_[:upper:]' <<<"$key")=$value")
    done < <(kafka_settings 0.0.0.0 "$port" 9093 /tmp/kafka)
    start_container "$dir" kafka "$engine" --publish "127.0.0.1:$port:$port" --env KAFKA_HEAP_OPTS=-Xmx1g "${environment[@]}" \
        "apache/kafka:$kafka_version"
}

# start_kafka_process DIR PORT CONTROLLER_PORT
start_kafka_process() {
    local dir=$1
    prepare_kafka "$@"
    start_process "$dir" kafka java -Xmx1g "${kafka_java_flags[@]}" kafka.Kafka "$dir/kafka/server.properties"
}

# prepare_kafka DIR PORT CONTROLLER_PORT [PORT:ADVERTISED]...: all but the start. What it stored before stays.
prepare_kafka() {
    local dir=$1 settings=$1/kafka/server.properties
    need_kafka
    mkdir -p "$dir/kafka"
    kafka_settings 127.0.0.1 "$2" "$3" "$dir/kafka/data" "${@:4}" >"$settings"
    [ -f "$dir/kafka/data/meta.properties" ] && return
    kafka_java kafka.tools.StorageTool format --cluster-id chatroom-router-tests0 --config "$settings" >"$dir/kafka.log" 2>&1 \
        || fail_to_start "$dir" kafka "could not format its storage"
}

need_kafka() {
    need_java
    fetch_kafka_jars
}

need_java() {
    local version
    need java default-jre-headless
    version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 17 ] || die "Kafka needs Java 17 or newer, and this is ${version:-none}: put a newer one first on the PATH, or set KAFKA_BROKERS to a Kafka of your own."
}

kafka_java_flags=(-cp "$kafka_jars/*" -Djava.awt.headless=true -Dorg.slf4j.simpleLogger.showDateTime=true
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS' -Dorg.slf4j.simpleLogger.showThreadName=false)

# kafka_java CLASS ARGUMENTS...: one of Kafka's own tools; a short life is not worth the compiler's second stage.
kafka_java() { java -XX:TieredStopAtLevel=1 "${kafka_java_flags[@]}" "$@"; }

# Once per machine and version. Made aside and moved, so that a run that was cut off leaves
# nothing half done.
fetch_kafka_jars() {
    [ -d "$kafka_jars" ] && return
    need mvn maven
    say "Fetching Kafka $kafka_version (about 45 MB, once)"
    mkdir -p "${kafka_jars%/*}"
    local aside log=$kafka_jars.log
    aside=$(mktemp -d "$kafka_jars.XXXXXX")
    mvn --batch-mode --file "$services/pom.xml" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$aside" >"$log" 2>&1 \
        || { rm -rf "$aside"; die "Could not fetch Kafka's jars: see $log, or set KAFKA_BROKERS to a Kafka of your own."; }
    # Another run may have been as quick: either result is as good.
    mv -T "$aside" "$kafka_jars" 2>/dev/null || rm -rf "$aside"
}
