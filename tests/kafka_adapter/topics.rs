//! The table of topics against a real cluster.

use std::collections::BTreeMap;

use chatroom_router::kafka::admin::Admin;
use chatroom_router::kafka::topics::{Severity, Sizing, TABLE, TopicNames, apply, plan};

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
