//! The properties of each client, and the faults of settings.

use super::*;

fn with(properties: &[(&str, &str)]) -> Settings {
    let properties = properties
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    Settings {
        properties,
        ..Settings::default()
    }
}

#[test]
fn the_defaults_have_no_fault_and_every_client_accepts_them() {
    let settings = Settings {
        instance_id: Some("host-0".into()),
        ..Settings::default()
    };
    assert_eq!(settings.faults(), []);
    for config in [
        settings.member(),
        settings.reader(),
        settings.range_reader(),
        settings.watermarks(),
        settings.producer("t"),
        settings.feed(),
        settings.outlet(std::time::Duration::from_secs(4)),
        settings.admin(),
    ] {
        assert!(config.create_native_config().is_ok(), "{config:?}");
    }
}

#[test]
fn every_forbidden_property_exists_and_is_a_fault() {
    for (name, _) in FORBIDDEN {
        let faults = with(&[(name, "1")]).faults();
        assert_eq!(faults.len(), 1, "{name}");
        let unknown = ClientConfig::new()
            .set(*name, "1")
            .create_native_config()
            .err()
            .map(|error| error.to_string());
        assert!(
            !unknown.is_some_and(|text| text.contains("No such configuration property")),
            "{name}"
        );
    }
}

#[test]
fn nobody_sets_what_exactly_once_rests_on() {
    for name in [
        "transactional.id",
        "transaction.timeout.ms",
        "enable.idempotence",
        "acks",
        "request.required.acks",
        "retries",
        "message.send.max.retries",
        "message.timeout.ms",
        "delivery.timeout.ms",
        "partitioner",
        "isolation.level",
        "enable.auto.commit",
        "auto.commit.enable",
        "auto.commit.interval.ms",
        "enable.auto.offset.store",
        "offset.store.method",
        "auto.offset.reset",
        "check.crcs",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "group.remote.assignor",
        "partition.assignment.strategy",
        "session.timeout.ms",
        "bootstrap.servers",
        "metadata.broker.list",
        "allow.auto.create.topics",
        "message.max.bytes",
    ] {
        let named = FORBIDDEN.iter().any(|(forbidden, _)| *forbidden == name);
        assert!(named, "{name} can be set");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let mut settings = with(&[
        ("isolation.level", "read_uncommitted"),
        ("no.such.thing", "1"),
        ("linger.ms", "soon"),
    ]);
    settings.transaction_timeout_ms = 40_000;
    settings.brokers.clear();
    let keys: Vec<_> = settings.faults().into_iter().map(|fault| fault.key).collect();
    let wanted = [
        "kafka.brokers",
        "kafka.transaction_timeout_ms",
        "kafka.properties.isolation.level",
        "kafka.properties.linger.ms",
        "kafka.properties.no.such.thing",
    ];
    assert_eq!(keys, wanted);
}

#[test]
fn the_user_wins_under_either_name_but_never_where_it_is_forbidden() {
    let settings = with(&[
        ("queue.buffering.max.ms", "50"),
        ("partitioner", "random"),
        ("acks", "0"),
    ]);
    let config = settings.producer("t");
    assert_eq!(config.get("linger.ms"), None);
    assert_eq!(config.get("queue.buffering.max.ms"), Some("50"));
    assert_eq!(config.get("partitioner"), Some("murmur2_random"));
    assert_eq!(config.get("acks"), Some("all"));
}

#[test]
fn the_consumer_protocol_leaves_the_session_to_the_broker() {
    let settings = Settings {
        group_protocol: GroupProtocol::Consumer,
        ..with(&[("heartbeat.interval.ms", "1000")])
    };
    assert_eq!(settings.faults().len(), 1);
    for name in [
        "session.timeout.ms",
        "heartbeat.interval.ms",
        "partition.assignment.strategy",
    ] {
        assert_eq!(settings.member().get(name), None, "{name}");
    }
}

#[test]
fn a_member_hears_of_a_rebalance_within_half_a_second_unless_the_user_says_otherwise() {
    let heartbeat = |settings: Settings| settings.member().get("heartbeat.interval.ms").map(str::to_owned);
    let brief = Settings {
        session_timeout_ms: 3_000,
        ..Settings::default()
    };
    assert_eq!(heartbeat(Settings::default()).as_deref(), Some("500"));
    assert_eq!(heartbeat(brief).as_deref(), Some("300"));
    assert_eq!(
        heartbeat(with(&[("heartbeat.interval.ms", "2000")])).as_deref(),
        Some("2000")
    );
}

#[test]
fn secrets_are_not_shown() {
    let security = Security {
        password: Some("hunter2".to_owned().into()),
        ..Security::default()
    };
    let settings = Settings {
        security,
        ..Settings::default()
    };
    assert!(!format!("{settings:?} {:?}", settings.member()).contains("hunter2"));
}
