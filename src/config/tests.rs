//! The configuration from worlds made up here: every setting, every way to be wrong, all faults at once.

use super::*;
use crate::contract::TopicKind;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// An environment of variables and files.
#[derive(Default)]
struct World {
    variables: Vec<(String, String)>,
    files: BTreeMap<PathBuf, String>,
}

impl World {
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables
            .push((format!("CHATROOM_ROUTER_{name}"), value.to_owned()));
        self
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.to_owned());
        self
    }

    fn load(&self) -> Result<Loaded, Faults> {
        let file = Path::new("router.toml");
        load(self, self.files.contains_key(file).then_some(file))
    }
}

impl Environment for World {
    fn variables(&self) -> Vec<(String, String)> {
        self.variables.clone()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn cores(&self) -> usize {
        8
    }
}

fn toml(text: &str) -> World {
    World::default().file("router.toml", text)
}

fn shown(loaded: &Loaded, key: &str) -> (String, String) {
    let setting = loaded.settings.iter().find(|setting| setting.key == key).unwrap();
    (setting.shown(), setting.origin.to_string())
}

/// The keys at fault, in order.
fn keys(world: &World) -> Vec<String> {
    match world.load() {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0.into_iter().map(|fault| fault.key).collect(),
    }
}

#[test]
fn nothing_set_is_a_whole_configuration() {
    let config = World::default()
        .load()
        .unwrap_or_else(|faults| panic!("{faults}"))
        .config;
    assert_eq!(config.workers, 4);
    assert_eq!(config.kafka.brokers, "localhost:9092");
    assert_eq!(config.kafka.session_timeout.as_secs(), 30);
    assert_eq!(config.index.prefix, "chatroom-router");
    assert_eq!(config.topics.partitions, 32);
    assert_eq!(&**config.topics.name(TopicKind::CommandResults), "command-results");
    assert_eq!(config.admin.listen.as_deref(), Some("127.0.0.1:9464"));
    assert_eq!(config.limits.record_bytes, 524_288);
    assert!(config.kafka.security.tls.is_none() && config.kafka.security.sasl.is_none());
}

#[test]
fn every_topic_is_called_as_its_part_by_default() {
    let config = World::default()
        .load()
        .unwrap_or_else(|faults| panic!("{faults}"))
        .config;
    for topic in TopicKind::ALL {
        assert_eq!(&**config.topics.name(topic), topic.default_name());
    }
}

#[test]
fn the_environment_stands_above_the_file() {
    let world = toml("workers = 3\n[batch]\nlinger_ms = 7\nmax_records = 9\n").variable("BATCH__LINGER_MS", "8");
    let loaded = world.load().unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.config.workers, 3);
    let env = "env CHATROOM_ROUTER_BATCH__LINGER_MS";
    assert_eq!(shown(&loaded, "batch.linger_ms"), ("8".into(), env.into()));
    assert_eq!(
        shown(&loaded, "batch.max_records"),
        ("9".into(), "file router.toml".into())
    );
    assert_eq!(shown(&loaded, "batch.max_bytes"), ("4194304".into(), "default".into()));
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let world = World::default()
        .file("b.toml", "workers = 2")
        .variable("CONFIG", "b.toml");
    assert_eq!(
        world.load().unwrap_or_else(|faults| panic!("{faults}")).config.workers,
        2
    );
}

#[test]
fn topics_have_prefix_and_names() {
    let world = toml("[topics]\nprefix = \"eu.\"\ncrm_changes = \"leads\"\nreplication_factor = 3\n");
    let topics = world.load().unwrap_or_else(|faults| panic!("{faults}")).config.topics;
    assert_eq!(&**topics.name(TopicKind::CrmChanges), "eu.leads");
    assert_eq!(topics.topic(TopicKind::CrmChanges).name, "leads");
    assert_eq!(topics.kind("eu.inbound-messages"), Some(TopicKind::InboundMessages));
    assert_eq!(topics.kind("inbound-messages"), None);
    assert_eq!(topics.replication_factor, Some(3));
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let world = toml("[kafka.security]\nprotocol = \"sasl_ssl\"\nuser = \"router\"\npassword_file = \"/run/secret\"\n")
        .file("/run/secret", "s3cret\n")
        .variable("INDEX__URL", "rediss://router:s3cret@redis:6379/0")
        .variable("INDEX__PASSWORD", "s3cret")
        .variable("KAFKA__PROPERTIES__SSL_KEYSTORE_PASSWORD", "s3cret");
    let loaded = world.load().unwrap_or_else(|faults| panic!("{faults}"));
    let sasl = loaded.config.kafka.security.sasl.as_ref().unwrap();
    assert_eq!(sasl.password.expose_secret(), "s3cret");
    let all: String = loaded.settings.iter().map(Setting::shown).collect();
    assert!(!all.contains("s3cret"), "{all}");
    assert!(!format!("{:?}", loaded.config).contains("s3cret"));
    assert_eq!(shown(&loaded, "index.url").0, "rediss://router:(redacted)@redis:6379/0");
    assert_eq!(shown(&loaded, "kafka.security.password").1, "file router.toml");
}

#[test]
fn a_secret_in_two_ways_is_a_fault_within_one_layer_only() {
    let both = toml("[index]\npassword = \"a\"\npassword_file = \"/f\"\n").file("/f", "b");
    assert_eq!(keys(&both), ["index.password"]);
    let above = toml("[index]\npassword_file = \"/f\"\n").variable("INDEX__PASSWORD", "a");
    let password = above
        .load()
        .unwrap_or_else(|faults| panic!("{faults}"))
        .config
        .index
        .password;
    assert_eq!(password.unwrap().expose_secret(), "a");
}

#[test]
fn properties_are_passed_on_but_for_the_forbidden() {
    let world = toml("[kafka.properties]\n\"statistics.interval.ms\" = 60000\nenable.idempotence = false\n")
        .variable("KAFKA__PROPERTIES__CLIENT_RACK", "a");
    let faults = world.load().err().unwrap();
    assert_eq!(
        faults.to_string(),
        "the configuration has a fault: kafka.properties.enable.idempotence (file router.toml) can't be set so: \
         exactly-once rests on the value that the program sets itself; remove it"
    );
    assert_eq!(
        keys(&World::default().variable("KAFKA__PROPERTIES__NO_SUCH_THING", "1")),
        ["kafka.properties.no.such.thing"]
    );
    let world = toml("[kafka.properties]\n\"statistics.interval.ms\" = 60000\n")
        .variable("KAFKA__PROPERTIES__CLIENT_RACK", "a");
    let properties = world
        .load()
        .unwrap_or_else(|faults| panic!("{faults}"))
        .config
        .kafka
        .properties;
    let plain: Vec<_> = properties
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose_secret()))
        .collect();
    assert_eq!(plain, [("client.rack", "a"), ("statistics.interval.ms", "60000")]);
}

#[test]
fn all_faults_are_told_at_once() {
    let world = toml("[kafka]\nbrokers = \"nowhere\"\n[batch]\nlinger = 5\n[web]\nlisten = \":80\"\n")
        .variable("WORKERS", "65")
        .variable("TOPICS__PARTITIONS", "48")
        .variable("INDEX__PASSWORD_FILE", "/absent")
        .variable("TYPO", "x");
    let faults = world.load().err().unwrap();
    let expected = "the configuration has 7 faults:
  workers (env CHATROOM_ROUTER_WORKERS) can't be \"65\": write a whole number from 0 to 64
  kafka.brokers (file router.toml) can't be \"nowhere\": write host:port, separated by commas: kafka-1:9092,kafka-2:9092
  index.password_file (env CHATROOM_ROUTER_INDEX__PASSWORD_FILE) names /absent, which can't be read (entity not found): name a file that can
  batch.linger (file router.toml) is no setting: leave it out; batch knows max_records, max_bytes, linger_ms
  typo (env CHATROOM_ROUTER_TYPO) is no setting: leave it out, or put it into its section; outside of all stands workers
  web.listen (file router.toml) is no setting: leave it out; `chatroom-router config show` lists all settings
  topics.partitions (env CHATROOM_ROUTER_TOPICS__PARTITIONS) can't be 48, which is no power of two: write 32 or 64";
    assert_eq!(faults.to_string(), expected);
}

#[test]
fn a_value_that_does_not_fit_names_its_key() {
    for (name, value, key) in [
        ("KAFKA__GROUP_ID", "a b", "kafka.group_id"),
        ("KAFKA__STATIC_MEMBERSHIP", "yes", "kafka.static_membership"),
        ("KAFKA__GROUP_PROTOCOL", "eager", "kafka.group_protocol"),
        ("TOPICS__PARTITIONS", "512", "topics.partitions"),
        ("TOPICS__PARTITIONS", "0", "topics.partitions"),
        ("TOPICS__PREFIX", "a/b", "topics.prefix"),
        ("TOPICS__CRM_CHANGES", "..", "topics.crm_changes"),
        ("TOPICS__CRM_CHANGES", "org-settings", "topics.org_settings"),
        ("INDEX__URL", "http://redis", "index.url"),
        ("INDEX__URL", "redis://", "index.url"),
        ("LIMITS__RECORD_BYTES", "1", "limits.record_bytes"),
        ("LIMITS__RECORD_BYTES", "8388608", "batch.max_bytes"),
        ("BATCH__MAX_BYTES", "134217728", "state.overlay_max_bytes"),
        ("KAFKA__TRANSACTION_TIMEOUT_MS", "30000", "kafka.transaction_timeout_ms"),
        ("STATE__FORMAT", "3", "state.format"),
        ("STATE__KEY", "short", "state.key"),
        ("ADMIN__LISTEN", "9464", "admin.listen"),
        ("LOG__LEVEL", "inof", "log.level"),
        ("LOG__LEVEL", "info,rdkafka", "log.level"),
        ("SHUTDOWN__DRAIN_SECONDS", "-1", "shutdown.drain_seconds"),
        ("KAFKA__SECURITY__CA_FILE", "/absent", "kafka.security.ca_file"),
        ("KAFKA__SECURITY__USER", "router", "kafka.security.user"),
    ] {
        let found = keys(&World::default().variable(name, value));
        assert!(found.contains(&key.to_owned()), "{name}={value}: {found:?}");
    }
}

#[test]
fn what_fits_is_taken() {
    for (name, value) in [
        ("ADMIN__LISTEN", ""),
        ("ADMIN__LISTEN", "[::1]:9464"),
        ("KAFKA__BROKERS", "a:9092, b:9092"),
        ("KAFKA__INSTANCE_ID", ""),
        ("INDEX__URL", "redis://a:6379,b:6379"),
        ("INDEX__URL", "redis+sentinel://a:26379,b:26379/main"),
        ("LOG__LEVEL", "warn,rdkafka=debug,chatroom_router::worker=trace"),
        ("TOPICS__PARTITIONS", "1"),
        ("KAFKA__GROUP_PROTOCOL", "consumer"),
    ] {
        let found = keys(&World::default().variable(name, value));
        assert!(found.is_empty(), "{name}={value}: {found:?}");
    }
}

#[test]
fn security_settings_go_together() {
    let sasl = World::default().variable("KAFKA__SECURITY__PROTOCOL", "sasl_ssl");
    assert_eq!(keys(&sasl), ["kafka.security.user", "kafka.security.password"]);
    let half = World::default()
        .file("/c.pem", "")
        .file("/k.pem", "")
        .variable("KAFKA__SECURITY__PROTOCOL", "ssl")
        .variable("KAFKA__SECURITY__CERTIFICATE_FILE", "/c.pem");
    assert_eq!(keys(&half), ["kafka.security.certificate_file"]);
    assert!(keys(&half.variable("KAFKA__SECURITY__KEY_FILE", "/k.pem")).is_empty());
}

#[test]
fn kip_848_leaves_the_session_timeout_to_the_brokers() {
    let world = toml("[kafka]\ngroup_protocol = \"consumer\"\nsession_timeout_ms = 20000\n");
    assert_eq!(keys(&world), ["kafka.session_timeout_ms"]);
}

#[test]
fn a_file_that_is_no_toml_is_a_fault_with_its_line() {
    let faults = toml("[batch\n").load().err().unwrap().to_string();
    assert!(
        faults.contains("--config (file router.toml) is no TOML (") && faults.contains("line 1"),
        "{faults}"
    );
    let absent = World::default().variable("CONFIG", "absent.toml");
    assert_eq!(keys(&absent), ["CHATROOM_ROUTER_CONFIG"]);
}

const EXAMPLE: &str = "deploy/chatroom-router.example.toml";

#[test]
fn the_example_file_is_made_from_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE);
    if std::env::var_os("WRITE_EXAMPLE").is_some() {
        std::fs::write(&path, example()).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        file == example(),
        "{EXAMPLE} is not what the table says: WRITE_EXAMPLE=1 cargo test the_example_file writes it anew"
    );
}

#[test]
fn the_example_file_sets_nothing_and_each_of_its_lines_can_stand() {
    assert!(keys(&toml(&example())).is_empty());
    let uncommented: String = example()
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|line| !line.starts_with(' '))
                .unwrap_or(line)
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let pem = "/etc/chatroom-router";
    let world = ["ca", "certificate", "key", "api", "api-key"]
        .iter()
        .fold(toml(&uncommented), |world, name| {
            world.file(&format!("{pem}/{name}.pem"), "")
        });
    // These go with another protocol than the default.
    let security = ["ca_file", "certificate_file", "key_file", "user"].map(|name| format!("kafka.security.{name}"));
    assert_eq!(keys(&world), security);
}

#[test]
fn the_files_of_deploy_are_without_fault() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/config.toml")).unwrap();
    assert_eq!(keys(&toml(&text)), [""; 0]);
}

#[test]
fn keys_stand_once_and_have_their_unit() {
    let mut seen = std::collections::BTreeSet::new();
    for knob in knobs::all() {
        assert!(seen.insert(knob.key), "{} stands twice", knob.key);
        let is_text = !matches!(knob.kind, knob::Kind::Number(..));
        let unit = [
            "_ms",
            "_seconds",
            "_bytes",
            "_records",
            "_entries",
            "connections",
            "per_second",
            "at_once",
            "readers",
            "per_token",
            "_percent",
            "partitions",
            "factor",
            "workers",
            "format",
        ];
        assert!(
            is_text || unit.iter().any(|unit| knob.key.ends_with(unit)),
            "{} has no unit",
            knob.key
        );
    }
}

#[test]
fn the_adapters_are_told_what_is_configured() {
    let world = toml("[topics]\nprefix = \"eu.\"\ncrm_changes = \"leads\"\n[limits]\nrecord_bytes = 2048\n")
        .variable("KAFKA__PROPERTIES__CLIENT_RACK", "a")
        .variable("INDEX__TIMEOUT_MS", "700");
    let config = world.load().unwrap_or_else(|faults| panic!("{faults}")).config;
    let kafka = config.kafka_settings(Some("router-0".into()));
    assert_eq!(kafka.record_bytes, 2048);
    assert_eq!(kafka.properties["client.rack"], "a");
    assert_eq!(kafka.instance_id.as_deref(), Some("router-0"));
    assert_eq!(config.index_settings().reply_timeout.as_millis(), 700);
    let names = config.topic_names();
    assert_eq!(names.name("crm_changes"), "eu.leads");
    for (row, topic) in crate::kafka::topics::TABLE.iter().map(|row| (row, by_key(row.key))) {
        assert_eq!(names.name(row.key), **config.topics.name(topic), "{}", row.key);
        assert_eq!(row.name, topic.default_name());
    }
}

fn by_key(key: &str) -> TopicKind {
    TopicKind::ALL
        .into_iter()
        .find(|kind| topics::key(*kind) == key)
        .unwrap()
}
