//! Records that are no records: each gets one dead letter that names it, and the next record goes on.

use crate::harness::assert::has;
use crate::harness::client::Input;
use crate::harness::log::Record;
use crate::harness::topics::{CRM, INBOUND, OUTBOUND_REQUESTS, SETTINGS};
use crate::scenario::*;
use serde_json::{Value, json};
use std::sync::Arc;

const LIMIT: usize = 524_288;
const KEPT: usize = 65_536;

fn org(name: &str) -> Org {
    let org = Org::of_the_program(name);
    org.settings(json!({}));
    org
}

/// Whatever came before, this is routed.
fn goes_on(org: &Org) {
    let crm_id = org.unique("L");
    org.contact(&crm_id, PHONE);
    let room = org.room(&crm_id, W1);
    has(&org.routed(PHONE, W1), json!({"chatroom_id": room}));
    org.about("deactivate", &room);
}

fn input(topic: &'static str, org: &Org, value: &[u8]) -> Input {
    Input::new(topic, &format!("{}:{PHONE}", org.id), value, now())
}

/// The dead letter, which must hold what came in and say where it stood.
fn dead(org: &Org, input: &Input) -> Arc<Record> {
    let (partition, offset) = org.world().client.send(input).place();
    let dead = dead_letter_of(org.log(), input.topic, partition, offset);
    assert_eq!(dead.key, input.key);
    assert_eq!(dead.header("dlq_timestamp"), input.at.as_millisecond().to_string());
    assert!(!dead.header("dlq_detail").is_empty());
    for (name, value) in input.headers.iter().filter(|(name, _)| !name.starts_with("dlq_")) {
        assert_eq!(dead.header(name), value);
    }
    dead
}

#[test]
fn what_is_no_json_is_kept_as_it_came() {
    let org = org("json");
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 6] = [
        b"no json",
        b"",
        b"{\"org_id\":",
        b"{\"org_id\":\"\xc3\x28\"}",
        b"\xff\xfe\x00",
        deep.as_bytes(),
    ];
    for topic in [INBOUND, CRM, OUTBOUND_REQUESTS, SETTINGS] {
        for body in bodies {
            let dead = dead(&org, &input(topic, &org, body).header("x-own", "kept"));
            assert_eq!(dead.header("dlq_reason"), "NOT_JSON", "{topic}");
            assert_eq!(dead.bytes, body);
            assert_eq!(dead.header("dlq_truncated"), "");
        }
    }
    goes_on(&org);
}

#[test]
fn json_of_another_shape_is_malformed() {
    let org = org("shape");
    let bodies = [
        json!([]),
        json!(null),
        json!(1),
        json!("text"),
        json!({}),
        json!({"org_id": 7}),
        json!({"org_id": org.id}),
    ];
    for topic in [INBOUND, CRM, OUTBOUND_REQUESTS] {
        for body in &bodies {
            let dead = dead(&org, &input(topic, &org, body.to_string().as_bytes()));
            assert_eq!(dead.header("dlq_reason"), "MALFORMED", "{topic} {body}");
        }
    }
    goes_on(&org);
}

#[test]
fn a_field_that_breaks_its_rule_is_malformed() {
    let org = org("field");
    let good = json!({"org_id": org.id, "waba_phone": W1, "from": PHONE, "message_id": "m", "sent_at": now().to_string(), "message": {"type": "text"}});
    let with = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed
    };
    let mut wrong = vec![
        with("sent_at", json!("yesterday")),
        with("message", json!("text")),
        with("org_id", json!("a:b")),
        with("org_id", json!("")),
        with("org_id", json!("x".repeat(129))),
    ];
    for field in ["org_id", "waba_phone", "message_id", "sent_at", "message", "from"] {
        let mut changed = good.clone();
        changed.as_object_mut().expect("an object").remove(field);
        wrong.push(changed);
    }
    for value in wrong {
        let dead = dead(&org, &input(INBOUND, &org, value.to_string().as_bytes()));
        assert_eq!(dead.header("dlq_reason"), "MALFORMED", "{value}");
    }
    let early = json!({"type": "contact.upsert", "org_id": org.id, "crm_id": "L", "phone": PHONE, "created_at": "2008-12-31T00:00:00Z"});
    let long = json!({"type": "contact.upsert", "org_id": org.id, "crm_id": "L", "phone": PHONE, "first_name": "x".repeat(129)});
    let large = json!({"type": "contact.upsert", "org_id": org.id, "crm_id": "L", "phone": PHONE, "attributes": {"a": "x".repeat(5000)}});
    for value in [early, long, large] {
        let dead = dead(&org, &input(CRM, &org, value.to_string().as_bytes()));
        assert_eq!(dead.header("dlq_reason"), "MALFORMED", "{value}");
    }
    goes_on(&org);
}

#[test]
fn settings_that_break_a_rule_leave_those_before_in_force() {
    let org = org("settings");
    let wabas = json!([{"phone": W1, "phone_number_id": "1", "waba_id": "2"}]);
    let put = |fields: Value| {
        let mut value = json!({"org_id": org.id, "waba_phones": wabas});
        merge(&mut value, fields);
        Input::new(SETTINGS, &org.id, value.to_string().as_bytes(), now())
    };
    let broken = [
        json!({"deactivate_after_days": 0}),
        json!({"expire_after_days": 0}),
        json!({"expire_after_days": -3}),
        json!({"expire_after_days": 36_501}),
        json!({"expired_auto_reply": {"text": "Closed.", "max_per_hour": 0}}),
        json!({"expired_auto_reply": {"text": "Closed.", "max_per_hour": 1001}}),
    ];
    for fields in broken {
        assert_eq!(
            dead(&org, &put(fields.clone())).header("dlq_reason"),
            "BAD_SETTINGS",
            "{fields}"
        );
    }
    for fields in [
        json!({"waba_phones": null}),
        json!({"inbound_scope": "MOON"}),
        json!({"waba_phones": [{"phone": "12"}]}),
    ] {
        let reason = dead(&org, &put(fields.clone())).header("dlq_reason").to_owned();
        assert!(
            ["BAD_SETTINGS", "MALFORMED", "BAD_PHONE"].contains(&reason.as_str()),
            "{fields}: {reason}"
        );
    }
    let foreign = put(json!({})).key(Some("another-org"));
    let reason = dead(&org, &foreign).header("dlq_reason").to_owned();
    assert!(["BAD_SETTINGS", "MALFORMED"].contains(&reason.as_str()), "{reason}");
    goes_on(&org);
}

#[test]
fn a_record_that_is_too_large_is_cut() {
    let org = org("large");
    let body = |length: usize| {
        let value = json!({"org_id": org.id, "waba_phone": W1, "from": PHONE, "message_id": "large", "sent_at": now().to_string()}).to_string();
        let start = format!(
            "{},\"message\":{{\"type\":\"text\",\"text\":{{\"body\":\"",
            &value[..value.len() - 1]
        );
        format!("{start}{}\"}}}}}}", "x".repeat(length - start.len() - 4))
    };
    for length in [LIMIT + 1, 2 << 20] {
        let value = body(length);
        assert_eq!(value.len(), length);
        let dead = dead(&org, &input(INBOUND, &org, value.as_bytes()));
        assert_eq!(
            (dead.header("dlq_reason"), dead.header("dlq_truncated")),
            ("TOO_LARGE", "true")
        );
        assert_eq!(dead.bytes, &value.as_bytes()[..KEPT]);
    }
    let largest = body(LIMIT - 1024);
    org.send(&input(INBOUND, &org, largest.as_bytes()));
    has(
        &org.outcome("large").value,
        json!({"unrouted": {"reason": "NO_CONTACT"}}),
    );
    goes_on(&org);
}

#[test]
fn deep_nesting_in_a_message_harms_nobody() {
    let org = org("deep");
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let value = format!(
        r#"{{"org_id":"{}","waba_phone":"{W1}","from":"{PHONE}","message_id":"deep","sent_at":"{}","message":{{"type":"text","deep":{deep}}}}}"#,
        org.id,
        now()
    );
    let (partition, offset) = org.world().client.send(&input(INBOUND, &org, value.as_bytes())).place();
    goes_on(&org);
    // Either passes byte for byte or is a dead letter: the contract asks for one of them, once. Read as text, since the
    // tail does not parse what is this deep.
    let told = org.await_any(|record| {
        let is_dead = record.header("dlq_topic").ends_with(INBOUND)
            && record.header("dlq_offset") == offset.to_string()
            && record.header("dlq_partition") == partition.to_string();
        is_dead || String::from_utf8_lossy(&record.bytes).contains("\"deep\":[[[[")
    });
    assert!(String::from_utf8_lossy(&told.bytes).contains(&deep));
}

#[test]
fn a_dead_letter_names_the_first_place_of_a_record() {
    let org = org("place");
    let value = json!({"type": "contact.upsert", "org_id": org.id, "crm_id": "L-9", "phone": "+1999"});
    // On every partition: most are not its contact's home, and so it is passed on before it is judged.
    for partition in 0..org.world().input_partitions(CRM) {
        let astray = input(CRM, &org, value.to_string().as_bytes())
            .partition(partition)
            .header("dlq_reason", "OLD")
            .header("dlq_offset", "77")
            .header("x-own", "kept");
        let dead = dead(&org, &astray);
        assert_eq!(dead.header("dlq_reason"), "BAD_PHONE");
        assert_eq!(dead.bytes, value.to_string().as_bytes());
        assert_eq!(dead.header("x-own"), "kept");
    }
    goes_on(&org);
}

#[test]
fn a_command_of_nothing_but_noise_stops_nobody() {
    let org = org("noise");
    for length in [0_usize, 1, 7, 4096] {
        let bytes: Vec<u8> = (0..length).map(|index| (index * 31 % 251) as u8).collect();
        let noise = input(CRM, &org, &bytes).key(None);
        assert!(["NOT_JSON", "MALFORMED"].contains(&dead(&org, &noise).header("dlq_reason")));
    }
    goes_on(&org);
}
