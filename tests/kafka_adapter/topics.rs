//! The table of topics against a real cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use chatroom_router::kafka::admin::{Admin, TopicToCreate};
use chatroom_router::kafka::topics::{Severity, Sizing, TABLE, TopicNames, apply, plan};
use chatroom_router::kafka::{Error, Settings};

use crate::support::*;

#[test]
fn what_the_plan_creates_fits_the_plan() {
    let settings = settings();
    let names = TopicNames {
        prefix: format!("{}.", random("plan")),
        overrides: BTreeMap::new(),
    };
    let sizing = Sizing {
        partitions: 4,
        replicas: Some(1),
        record_bytes: 512 * 1024,
    };
    let mut admin = Admin::open(&settings).unwrap();
    admin.reach(LONG).unwrap();
    assert_eq!(admin.describe(&names.all(), LONG).unwrap(), BTreeMap::new());
    let differences = plan(&names, &sizing, &BTreeMap::new());
    let created = apply(&mut admin, &differences, LONG).unwrap();
    assert_eq!(created.len(), TABLE.len());
    let existing = admin.describe(&names.all(), LONG).unwrap();
    assert_eq!(plan(&names, &sizing, &existing), []);
    assert_eq!(
        admin.lookup().partitions(&names.name("router_commands"), LONG).unwrap(),
        Some(4)
    );
    assert_eq!(admin.lookup().partitions(&names.name("no_such"), LONG).unwrap(), None);
    // Again: nothing to do, and what exists is left alone.
    assert_eq!(apply(&mut admin, &differences, LONG).unwrap().len(), TABLE.len());
    let larger = plan(
        &names,
        &Sizing {
            record_bytes: 2_000_000,
            ..sizing
        },
        &existing,
    );
    let refused = larger
        .iter()
        .filter(|one| matches!(one.severity, Severity::Refuse { .. }));
    assert_eq!(refused.count(), 9, "{larger:#?}");
    admin.delete(&names.all(), LONG).unwrap();
}

#[test]
fn a_topic_that_somebody_made_meanwhile_is_left_as_it_is() {
    let settings = settings();
    let theirs = Topic::new(&settings, 3, &[]);
    let wanted = TopicToCreate {
        name: theirs.name.clone(),
        partitions: 4,
        replicas: Some(1),
        settings: BTreeMap::new(),
    };
    let mut admin = Admin::open(&settings).unwrap();
    admin.create(&[wanted], LONG).unwrap();
    assert_eq!(admin.lookup().partitions(&theirs.name, LONG).unwrap(), Some(3));
}

#[test]
fn a_broker_that_does_not_answer_in_time_is_said_to_be_late() {
    let nobody = Settings {
        brokers: "127.0.0.1:1".into(),
        ..settings()
    };
    let mut admin = Admin::open(&nobody).unwrap();
    let late = admin
        .delete(&[random("topic")], Duration::from_millis(300))
        .unwrap_err();
    assert!(matches!(late, Error::TimedOut { .. }), "{late:?}");
}
