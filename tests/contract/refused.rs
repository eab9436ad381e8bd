//! Malformed inputs: for which reason each becomes a dead letter, and how its sentence begins.

use chatroom_router::contract::{Decoder, IdHasher, RawRecord, Topic, TopicKind};
use chatroom_router::domain::effect::{DeadLetter, DeadReason};
use serde_json::{Map, Value, json};

const MESSAGE: &str = r#"{"org_id":"acme","waba_phone":"+12025550100","from":"+919812345678","message_id":"wamid.1",
    "sent_at":"2026-11-22T07:00:00Z","message":{"type":"text","text":{"body":"Hi"}}}"#;
const UPSERT: &str = r#"{"type":"contact.upsert","org_id":"acme","crm_id":"L-17","phone":"98123 45678"}"#;
const CREATE: &str = r#"{"type":"chatroom.create","org_id":"acme","crm_id":"L-17","waba_phone":"+12025550100"}"#;
const SETTINGS: &str = r#"{"org_id":"acme","waba_phones":[{"phone":"+12025550100"}]}"#;
const REQUEST: &str = r#"{"org_id":"acme","chatroom_id":"1f3-x","message":{"type":"text"}}"#;

fn decode(kind: TopicKind, value: &str) -> Result<(), DeadLetter> {
    let decoder = Decoder {
        hasher: IdHasher::new(&[7; 16]),
        record_bytes: 512 * 1024,
    };
    let record = RawRecord {
        topic: Topic {
            kind,
            prefix: "",
            name: kind.default_name(),
        },
        partition: 0,
        offset: 0,
        timestamp: None,
        key: Some(b"acme"),
        value: Some(value.as_bytes()),
        headers: Vec::new(),
    };
    decoder.decode(&record).map(|_| ())
}

/// The base with one field replaced; `-` removes it.
fn with(base: &str, field: &str, value: &str) -> String {
    let mut fields: Map<String, Value> = serde_json::from_str(base).unwrap();
    fields.remove(field);
    if value != "-" {
        fields.insert(field.to_owned(), serde_json::from_str(value).unwrap());
    }
    json!(fields).to_string()
}

fn reason(word: &str) -> DeadReason {
    match word {
        "MALFORMED" => DeadReason::Malformed,
        "BAD_PHONE" => DeadReason::BadPhone,
        "BAD_SETTINGS" => DeadReason::BadSettings,
        other => panic!("{other}"),
    }
}

/// Rows of `field | its value | the reason | the beginning of the sentence`.
fn assert_refused(kind: TopicKind, base: &str, table: &str) {
    assert_eq!(decode(kind, base), Ok(()), "{base}");
    for row in table.trim().lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [field, value, word, start] = cells[..] else {
            panic!("{row}")
        };
        assert_refused_field(kind, base, (field, value), (word, start));
    }
}

fn assert_refused_field(kind: TopicKind, base: &str, (field, value): (&str, &str), (word, start): (&str, &str)) {
    let refused = decode(kind, &with(base, field, value)).expect_err(field);
    assert_eq!(refused.reason, reason(word), "{field} = {value}: {}", refused.detail);
    assert!(
        refused.detail.starts_with(start),
        "{field} = {value}: {}",
        refused.detail
    );
}

#[test]
fn messages() {
    let table = r#"
        org_id       | -                | MALFORMED | $ has a fault: missing field `org_id`
        org_id       | ""               | MALFORMED | $.org_id is empty
        org_id       | "a:b"            | MALFORMED | $.org_id holds a ':'
        org_id       | "a\u0007"        | MALFORMED | $.org_id holds a control character
        org_id       | 7                | MALFORMED | $.org_id is integer, expected a text
        from         | -                | MALFORMED | $ has a fault: missing field `from`, and
        from         | "12345"          | BAD_PHONE | $.from is no valid number
        from         | ""               | BAD_PHONE | $.from is no phone number
        from_user_id | ""               | MALFORMED | $.from_user_id is empty
        waba_phone   | "nobody"         | BAD_PHONE | $.waba_phone is no phone number
        waba_phone   | null             | MALFORMED | $.waba_phone is null, expected a text
        message_id   | ""               | MALFORMED | $.message_id is empty
        message_id   | -                | MALFORMED | $ has a fault: missing field `message_id`
        sent_at      | "yesterday"      | MALFORMED | $.sent_at is no instant
        message      | "text"           | MALFORMED | $.message is string, expected an object
        message      | ["text"]         | MALFORMED | $.message is sequence, expected an object
        message      | null             | MALFORMED | $.message is null, expected an object
        message      | {}               | MALFORMED | $.message has a fault: missing field `type`
        message      | {"type":1}       | MALFORMED | $.message.type is integer"#;
    assert_refused(TopicKind::InboundMessages, MESSAGE, table);
}

#[test]
fn a_field_that_stands_twice() {
    let twice = MESSAGE.replacen('{', r#"{"org_id":"acme","#, 1);
    let refused = decode(TopicKind::InboundMessages, &twice).unwrap_err();
    let expected = (DeadReason::Malformed, "$ has a fault: duplicate field `org_id`");
    assert_eq!((refused.reason, &*refused.detail), expected);
}

#[test]
fn commands() {
    let table = r#"
        type       | "contact.merge"        | MALFORMED | $.type names no command
        type       | -                      | MALFORMED | $ has a fault: missing field `type`
        phone      | -                      | MALFORMED | $ has a fault: missing field `phone`
        crm_id     | ""                     | MALFORMED | $.crm_id is empty
        request_id | ""                     | MALFORMED | $.request_id is empty
        last_name  | []                     | MALFORMED | $.last_name is sequence
        attributes | [1]                    | MALFORMED | $.attributes is no object
        created_at | "2008-12-31T23:59:59Z" | MALFORMED | $.created_at is before 2009
        created_at | ""                     | MALFORMED | $.created_at is no instant"#;
    assert_refused(TopicKind::CrmChanges, UPSERT, table);
    let table = r#"
        crm_id              | -            | MALFORMED | $ has a fault: missing field `crm_id`
        kind                | "PARTNER"    | MALFORMED | $.kind is neither
        deactivate_existing | "yes"        | MALFORMED | $.deactivate_existing is string, expected a boolean
        waba_phone          | "2025550100" | BAD_PHONE | $.waba_phone
        external_ref_id     | ""           | MALFORMED | $.external_ref_id is empty"#;
    assert_refused(TopicKind::CrmChanges, CREATE, table);
    let table = r#"
        chatroom_id  | -      | MALFORMED | $ has a fault: missing field `chatroom_id`
        chatroom_id  | ""     | MALFORMED | $.chatroom_id is empty
        not_after    | "soon" | MALFORMED | $.not_after is no instant
        requested_by | 7      | MALFORMED | $.requested_by is integer
        message      | {}     | MALFORMED | $.message has a fault: missing field `type`"#;
    assert_refused(TopicKind::OutboundRequests, REQUEST, table);
}

#[test]
fn names_and_attributes_have_an_end() {
    let name = format!("\"{}\"", "é".repeat(129));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(126), "]".repeat(126));
    let deeper = UPSERT.replacen(
        '{',
        &format!("{{\"attributes\":{{\"a\":{}{}}},", "[".repeat(200), "]".repeat(200)),
        1,
    );
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(4_096));
    let refused = |field, value: &str, start| {
        assert_refused_field(TopicKind::CrmChanges, UPSERT, (field, value), ("MALFORMED", start));
    };
    refused("first_name", &name, "$.first_name is longer than 128 characters");
    refused("attributes", &large, "$.attributes is longer than 4096 bytes");
    assert_eq!(
        decode(TopicKind::CrmChanges, &with(UPSERT, "attributes", &deep)),
        Ok(())
    );
    let detail = decode(TopicKind::CrmChanges, &deeper).unwrap_err().detail;
    assert!(detail.starts_with("$.attributes nests more than"), "{detail}");
}

#[test]
fn a5_settings_are_refused_whole() {
    let table = r#"
        expire_after_days     | 0                                    | BAD_SETTINGS | $.expire_after_days is not from 1 to 36500
        expire_after_days     | -1                                   | BAD_SETTINGS | $.expire_after_days is not
        deactivate_after_days | 36501                                | BAD_SETTINGS | $.deactivate_after_days is not
        deactivate_after_days | 1e300                                | BAD_SETTINGS | $.deactivate_after_days is not
        deactivate_after_days | 1.5                                  | MALFORMED    | $.deactivate_after_days is no whole number
        deactivate_after_days | "30"                                 | MALFORMED    | $.deactivate_after_days is string
        default_region        | "in"                                 | BAD_SETTINGS | $.default_region is no region
        default_region        | "XX"                                 | BAD_SETTINGS | $.default_region is no region
        inbound_scope         | "ORG"                                | BAD_SETTINGS | $.inbound_scope is neither
        expired_auto_reply    | {"text":" "}                         | BAD_SETTINGS | $.expired_auto_reply.text is empty
        expired_auto_reply    | {"text":"a","max_per_hour":0}        | BAD_SETTINGS | $.expired_auto_reply.max_per_hour is not from 1
        expired_auto_reply    | {"text":"a","max_per_hour":1001}     | BAD_SETTINGS | $.expired_auto_reply.max_per_hour is not
        expired_auto_reply    | {}                                   | MALFORMED    | $.expired_auto_reply has a fault: missing field `text`
        waba_phones           | -                                    | MALFORMED    | $ has a fault: missing field `waba_phones`
        waba_phones           | [{"phone":"+5511987654321"},{"phone":"551187654321"}] | BAD_SETTINGS | $.waba_phones[1].phone stands twice
        waba_phones           | [{"phone":"x"}]                      | BAD_PHONE    | $.waba_phones[0].phone is no phone number
        waba_phones           | [["+12025550100"]]                   | MALFORMED    | $.waba_phones[0] is sequence, expected an object
        org_id                | "other"                              | BAD_SETTINGS | the key is not the org_id"#;
    assert_refused(TopicKind::OrgSettings, SETTINGS, table);
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(4_097));
    let expected = (
        "BAD_SETTINGS",
        "$.expired_auto_reply.text is longer than 4096 characters",
    );
    assert_refused_field(
        TopicKind::OrgSettings,
        SETTINGS,
        ("expired_auto_reply", &long),
        expected,
    );
}
