//! What `plan` says about topics that are missing, fit, or don't.

use super::*;

const SIZING: Sizing = Sizing {
    partitions: 32,
    replicas: None,
    record_bytes: 512 * 1024,
};

/// A cluster that has just what the table wants.
fn fitting(names: &TopicNames) -> BTreeMap<String, ExistingTopic> {
    TABLE
        .iter()
        .map(|row| {
            let partitions = if row.role == Role::Table { 1 } else { 32 };
            let topic = ExistingTopic {
                partitions,
                replicas: 3,
                settings: wanted_settings(row, &SIZING),
            };
            (names.name(row.key), topic)
        })
        .collect()
}

/// The differences after one setting of one topic was changed.
fn with(topic: &str, setting: &str, value: &str) -> Vec<Difference> {
    let names = TopicNames::default();
    let mut existing = fitting(&names);
    existing
        .get_mut(topic)
        .expect("the table has it")
        .settings
        .insert(setting.into(), value.into());
    plan(&names, &SIZING, &existing)
}

fn with_partitions(counts: &[(&str, i32)]) -> Vec<Difference> {
    let names = TopicNames::default();
    let mut existing = fitting(&names);
    for (topic, partitions) in counts {
        existing.get_mut(*topic).expect("the table has it").partitions = *partitions;
    }
    plan(&names, &SIZING, &existing)
}

fn refusals(differences: &[Difference]) -> Vec<(&str, &str)> {
    let refused = differences
        .iter()
        .filter(|one| matches!(one.severity, Severity::Refuse { .. }));
    refused.map(|one| (one.topic.as_str(), one.setting.as_str())).collect()
}

fn created(differences: &[Difference]) -> BTreeMap<&str, i32> {
    let new = differences.iter().filter_map(|one| match &one.severity {
        Severity::Create(new) => Some((new.name.as_str(), new.partitions)),
        _ => None,
    });
    new.collect()
}

#[test]
fn what_fits_has_no_difference() {
    assert_eq!(
        plan(&TopicNames::default(), &SIZING, &fitting(&TopicNames::default())),
        []
    );
}

#[test]
fn an_empty_cluster_gets_every_topic() {
    let overrides = BTreeMap::from([("dead_letters".to_owned(), "dlq".to_owned())]);
    let names = TopicNames {
        prefix: "eu.".into(),
        overrides,
    };
    let differences = plan(
        &names,
        &Sizing {
            replicas: Some(3),
            ..SIZING
        },
        &BTreeMap::new(),
    );
    let created = created(&differences);
    assert_eq!(created.len(), 13);
    assert_eq!(created["eu.dlq"], 32);
    assert_eq!(created["eu.router-settings"], 1);
    let commands = differences
        .iter()
        .find(|one| one.topic == "eu.router-commands")
        .expect("the table has it");
    let Severity::Create(new) = &commands.severity else {
        panic!("{commands}")
    };
    let wanted = [
        ("cleanup.policy", "delete"),
        ("max.message.bytes", "1048588"),
        ("message.timestamp.type", "LogAppendTime"),
        ("min.insync.replicas", "2"),
        ("retention.bytes", "-1"),
        ("retention.ms", "-1"),
        ("segment.ms", "86400000"),
        ("unclean.leader.election.enable", "false"),
    ];
    assert_eq!(
        new.settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect::<Vec<_>>(),
        wanted
    );
    assert_eq!(new.replicas, Some(3));
}

#[test]
fn settings_that_break_the_promise_are_refused() {
    let rows = [
        ("router-commands", "retention.ms", "604800000"),
        ("router-commands", "retention.bytes", "1000000"),
        ("router-commands", "cleanup.policy", "compact"),
        ("router-commands", "message.timestamp.type", "CreateTime"),
        ("router-changelog", "cleanup.policy", "delete"),
        ("router-changelog", "cleanup.policy", "compact,delete"),
        ("router-changelog", "delete.retention.ms", "86400000"),
        ("router-changelog", "unclean.leader.election.enable", "true"),
        ("router-settings", "message.timestamp.type", "CreateTime"),
        ("router-settings", "cleanup.policy", "delete"),
        ("routed-messages", "max.message.bytes", "524288"),
        ("dead-letters", "max.message.bytes", "589823"),
        ("inbound-messages", "cleanup.policy", "compact"),
    ];
    for (topic, setting, value) in rows {
        let differences = with(topic, setting, value);
        assert_eq!(refusals(&differences), [(topic, setting)], "{value}");
        let Severity::Refuse { why, instead } = &differences[0].severity else {
            panic!()
        };
        assert!(!why.is_empty() && instead.contains(setting), "{}", differences[0]);
    }
}

#[test]
fn settings_that_are_only_unwise_are_noted() {
    let rows = [
        ("inbound-messages", "message.timestamp.after.max.ms", "3600000"),
        ("inbound-messages", "message.timestamp.type", "LogAppendTime"),
        ("org-settings", "cleanup.policy", "delete"),
        ("router-changelog", "segment.ms", "604800000"),
        ("router-changelog", "max.compaction.lag.ms", "9223372036854775807"),
        ("lifecycle-events", "cleanup.policy", "compact"),
        ("lifecycle-events", "min.insync.replicas", "1"),
    ];
    for (topic, setting, value) in rows {
        let differences = with(topic, setting, value);
        assert_eq!(refusals(&differences), []);
        assert_eq!(differences.len(), 1, "{topic} {setting}");
        assert!(matches!(differences[0].severity, Severity::Note { .. }));
    }
}

#[test]
fn values_that_do_as_well_make_no_difference() {
    let rows = [
        ("routed-messages", "retention.ms", "3600000"),
        ("routed-messages", "max.message.bytes", "589824"),
        ("inbound-messages", "max.message.bytes", "1000"),
        ("router-changelog", "delete.retention.ms", "2592000000"),
    ];
    for (topic, setting, value) in rows {
        assert_eq!(with(topic, setting, value), [], "{topic} {setting} {value}");
    }
}

#[test]
fn the_tasks_topics_agree_on_a_power_of_two() {
    assert_eq!(
        refusals(&with_partitions(&[("router-commands", 16)])),
        [("router-commands", "partitions")]
    );
    let both = |count| with_partitions(&[("router-commands", count), ("router-changelog", count)]);
    assert_eq!(both(64), []);
    for count in [12, 512] {
        assert_eq!(refusals(&both(count)), [("router-changelog", "partitions")], "{count}");
    }
    assert_eq!(with_partitions(&[("inbound-messages", 7), ("routed-messages", 1)]), []);
    assert_eq!(
        refusals(&with_partitions(&[("router-settings", 3)])),
        [("router-settings", "partitions")]
    );
}

#[test]
fn a_missing_half_is_created_to_fit_the_half_that_exists() {
    let names = TopicNames::default();
    let mut existing = fitting(&names);
    existing.remove("router-commands");
    existing
        .get_mut("router-changelog")
        .expect("the table has it")
        .partitions = 8;
    assert_eq!(
        created(&plan(&names, &SIZING, &existing)),
        BTreeMap::from([("router-commands", 8)])
    );
}

#[test]
fn nothing_of_ours_is_created_with_a_number_that_cannot_work() {
    let differences = plan(
        &TopicNames::default(),
        &Sizing {
            partitions: 12,
            ..SIZING
        },
        &BTreeMap::new(),
    );
    assert_eq!(refusals(&differences), [("router-changelog", "partitions")]);
    assert!(
        !created(&differences)
            .keys()
            .any(|topic| ["router-commands", "router-changelog"].contains(topic))
    );
}

#[test]
fn few_replicas_are_noted() {
    let names = TopicNames::default();
    let mut existing = fitting(&names);
    existing.get_mut("crm-changes").expect("the table has it").replicas = 1;
    let differences = plan(&names, &SIZING, &existing);
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].setting, "replicas");
}
