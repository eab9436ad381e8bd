//! The random stream is worth playing: it reaches the outcomes that the rules know. Needs no services.

use super::dice::Dice;
use super::generator::Generator;
use super::stream::orgs;
use crate::harness::topics::{LIFECYCLE, RESULTS, ROUTED, SETTINGS, UNROUTED};
use crate::model::{In, Model, Out};
use crate::scenario::{DAY, MINUTE, SECOND, merge, now};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn the_stream_reaches_what_the_rules_know() {
    let mut generator = Generator::new(orgs(), Dice::of(7));
    let mut model = Model::default();
    let mut outs = Vec::new();
    let start = now();
    outs.extend(put(&mut model, &generator, 30, start));
    for round in 0..60 {
        outs.extend(play(
            &mut model,
            &mut generator,
            start - DAY - MINUTE * 4 + SECOND * 5 * round,
        ));
    }
    outs.extend(put(&mut model, &generator, 1, start + SECOND));
    for round in 0..60 {
        outs.extend(play(&mut model, &mut generator, start + SECOND * 3 * (round + 1)));
    }
    let counts = reached(&outs);
    let all = [
        "ACTIVE",
        "REACTIVATED",
        "EXPIRED",
        "DEACTIVATED",
        "NO_CONTACT",
        "NO_CHATROOM",
        "UNKNOWN_WABA_PHONE",
        "SENT",
        "TOO_OLD",
        "NOT_A_PERSON",
        "APPLIED",
        "UNCHANGED",
        "DUPLICATE",
        "CHATROOM_CONFLICT",
        "CHATROOM_DEACTIVATED",
        "CHATROOM_EXPIRED",
        "CONTACT_EXPIRED",
        "CONTACT_DELETED",
        "PHONE_IS_AFFILIATE",
        "PHONE_HAS_CONTACTS",
        "NOT_AN_AFFILIATE",
        "event CONTACT_MOVED",
        "event CONTACT_EXPIRED",
        "event CHATROOM_ACTIVATED",
        "because age",
        "because inactivity",
        "because superseded",
        "because phone_changed",
        "because erased",
        "because inbound",
        "because api",
    ];
    let missing: Vec<&str> = all.into_iter().filter(|name| !counts.contains_key(*name)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?} in {counts:?}");
}

fn put(model: &mut Model, generator: &Generator, days: i64, effective: Timestamp) -> Vec<Out> {
    let judge = |org: &super::generator::OrgPlan| {
        let mut value = org.settings.clone();
        merge(
            &mut value,
            json!({"deactivate_after_days": days, "expire_after_days": days + 1}),
        );
        model.judge(&In {
            topic: SETTINGS,
            value: Some(&value),
            key: &org.id,
            at: effective,
            position: &format!("org-settings-0-{days}"),
            from_api: false,
            effective,
        })
    };
    generator.orgs.iter().flat_map(judge).collect()
}

fn play(model: &mut Model, generator: &mut Generator, at: Timestamp) -> Vec<Out> {
    let mut outs = Vec::new();
    for input in generator.round(model, at).iter().flatten() {
        let value: Value = serde_json::from_slice(input.value.as_deref().expect("set")).expect("JSON");
        outs.extend(model.judge(&In {
            topic: input.topic,
            value: Some(&value),
            key: "",
            at,
            position: "",
            from_api: !input.headers.is_empty(),
            effective: at,
        }));
    }
    outs
}

fn reached(outs: &[Out]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::<String, usize>::new();
    let mut count = |name: &Value, prefix: &str| {
        if let Some(name) = name.as_str() {
            *counts.entry(format!("{prefix}{name}")).or_default() += 1;
        }
    };
    for out in outs {
        match out.topic {
            ROUTED => {
                count(&out.value["route"]["reason"], "");
                count(&out.value["route"]["auto_reply"], "");
            }
            UNROUTED => count(&out.value["unrouted"]["reason"], ""),
            RESULTS => {
                count(&out.value["status"], "");
                count(&out.value["code"], "");
            }
            LIFECYCLE => {
                count(&out.value["type"], "event ");
                count(&out.value["reason"], "because ");
            }
            _ => {}
        }
    }
    counts
}
