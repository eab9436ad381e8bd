//! What records of the inputs become, and what is refused, with its reason and its sentence.

use super::*;
use crate::contract::record::Topic;
use crate::domain::contact::Field;
use crate::domain::event::{Inbound, Sender};
use crate::domain::settings::{Content, InboundScope};
use crate::domain::time::Instant;
use DeadReason::{BadPhone, Malformed, NotJson, TooLarge};

const HASHER_KEY: [u8; 16] = [7; 16];

fn record<'a>(kind: TopicKind, value: &'a str) -> RawRecord<'a> {
    RawRecord {
        topic: Topic {
            kind,
            prefix: "test.",
            name: kind.default_name(),
        },
        partition: 3,
        offset: 41,
        timestamp: Some(Instant(1_795_330_800_000)),
        key: Some(b"acme"),
        value: Some(value.as_bytes()),
        headers: Vec::new(),
    }
}

fn decoder() -> Decoder {
    Decoder {
        hasher: IdHasher::new(&HASHER_KEY),
        record_bytes: 512 * 1024,
    }
}

fn decode(kind: TopicKind, value: &str) -> Result<Decoded, DeadLetter> {
    decoder().decode(&record(kind, value))
}

fn inbound(value: &str) -> Inbound {
    match decode(TopicKind::InboundMessages, value) {
        Ok(Decoded::Message(inbound, _)) => inbound,
        other => panic!("{value}: {other:?}"),
    }
}

fn command_of(record: &RawRecord<'_>) -> Command {
    match decoder().decode(record) {
        Ok(Decoded::Command(command)) => *command,
        other => panic!("{record:?}: {other:?}"),
    }
}

fn crm(value: &str) -> What {
    command_of(&record(TopicKind::CrmChanges, value)).what
}

fn settings(value: &str) -> Content {
    match command_of(&record(TopicKind::OrgSettings, value)).what {
        What::PutSettings(Some(content)) => content,
        other => panic!("{other:?}"),
    }
}

/// A JSON object with some of its fields replaced, or removed by `-`.
fn with(base: &str, changes: &[(&str, &str)]) -> String {
    let mut fields: Vec<(String, Box<serde_json::value::RawValue>)> =
        serde_json::from_str::<std::collections::BTreeMap<_, _>>(base)
            .unwrap()
            .into_iter()
            .collect();
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        if *value != "-" {
            fields.push(((*name).to_owned(), serde_json::from_str(value).unwrap()));
        }
    }
    let body: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", body.join(","))
}

const MESSAGE: &str = r#"{"org_id":"acme","waba_phone":"12025550100","from":"551187654321","message_id":"wamid.1","sent_at":"2026-11-22T07:00:00Z","message":{"type":"text","text":{"body":"Hi"}}}"#;
const UPSERT: &str =
    r#"{"type":"contact.upsert","request_id":"r1","org_id":"acme","crm_id":"L-17","phone":"98123 45678"}"#;
const CREATE: &str =
    r#"{"type":"chatroom.create","request_id":"r3","org_id":"acme","crm_id":"L-17","waba_phone":"+12025550100"}"#;
const AFFILIATE: &str = r#"{"type":"chatroom.create","request_id":"r4","org_id":"acme","kind":"AFFILIATE","phone":"88111 12222","waba_phone":"+12025550100"}"#;
const DELETE: &str = r#"{"type":"contact.delete","request_id":"r2","org_id":"acme","crm_id":"L-17"}"#;
const SETTINGS: &str = r#"{"org_id":"acme","waba_phones":[{"phone":"+12025550100"}]}"#;
const REQUEST: &str = r#"{"request_id":"q1","org_id":"acme","chatroom_id":"1f3-x","message":{"type":"text"}}"#;

#[test]
fn a_message_is_read() {
    let message = inbound(MESSAGE);
    let hasher = IdHasher::new(&HASHER_KEY);
    assert_eq!(message.org.as_str(), "acme");
    assert_eq!(message.waba_phone, Phone(12025550100));
    assert_eq!(message.message, hasher.hash("wamid.1"));
    assert_eq!(message.sent_at, Instant(1_795_330_800_000));
    assert!(!message.system);
    let Sender::Phone(from) = message.from else {
        panic!("{:?}", message.from)
    };
    assert_eq!(
        (from.spelled, from.canonical),
        (Phone(551187654321), Phone(5511987654321))
    );

    let system = inbound(&with(MESSAGE, &[("message", r#"{"type":"system","system":{}}"#)]));
    assert!(system.system);
    let user = inbound(&with(MESSAGE, &[("from", "null"), ("from_user_id", "\"US.13\"")]));
    assert!(matches!(user.from, Sender::User(user) if user.as_str() == "US.13"));
    let both = inbound(&with(MESSAGE, &[("from_user_id", "\"US.13\"")]));
    assert!(matches!(both.from, Sender::Phone(_)));
}

#[test]
fn unknown_fields_are_ignored_and_may_nest_deeply() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let message = format!(r#"{{"type":"text","deep":{deep}}}"#);
    let value = MESSAGE.replacen('{', &format!("{{\"new\":{deep},"), 1);
    let value = value.replace(r#"{"type":"text","text":{"body":"Hi"}}"#, &message);
    assert_eq!(inbound(&value), inbound(MESSAGE));
}

#[test]
fn texts_may_hold_escapes() {
    let value = MESSAGE
        .replace("wamid.1", "wamid.\\u0031")
        .replace("\"from\"", "\"fr\\u006fm\"");
    assert_eq!(inbound(&value), inbound(MESSAGE));
}

#[test]
fn commands_are_read() {
    let What::UpsertContact {
        phone_text, profile, ..
    } = crm(UPSERT)
    else {
        panic!()
    };
    assert_eq!((&*phone_text, profile), ("98123 45678", Default::default()));
    assert!(matches!(crm(DELETE), What::DeleteContact { crm_id } if crm_id.as_str() == "L-17"));

    let What::CreateChatroom(plain) = crm(CREATE) else {
        panic!()
    };
    assert!(!plain.strict && !plain.next_free && !plain.deactivate_existing);
    let flags = [
        ("kind", "\"CONTACT\""),
        ("fail_if_chatroom_exists_on_other_waba_phone", "true"),
        ("next_free_waba_phone", "true"),
        ("deactivate_existing", "true"),
        ("display_name", "\" \""),
        ("external_ref_id", "\"deal-9\""),
    ];
    let What::CreateChatroom(full) = crm(&with(CREATE, &flags)) else {
        panic!()
    };
    assert!(full.strict && full.next_free && full.deactivate_existing);
    assert_eq!(full.display_name, None);
    assert_eq!(full.external_ref_id.unwrap().as_str(), "deal-9");

    for (kind, expected) in [("activate", 0), ("deactivate", 1), ("expire", 2)] {
        let value = format!(r#"{{"type":"chatroom.{kind}","org_id":"acme","chatroom_id":"no id of ours"}}"#);
        let found = match crm(&value) {
            What::Activate(name) => (0, name),
            What::Deactivate(name) => (1, name),
            What::Expire(name) => (2, name),
            other => panic!("{other:?}"),
        };
        assert_eq!((found.0, found.1.as_str()), (expected, "no id of ours"));
    }
    let request = command_of(&record(TopicKind::OutboundRequests, REQUEST));
    assert!(matches!(request.what, What::Send(name) if name.as_str() == "1f3-x"));
}

#[test]
fn c2_in_an_update_absent_keeps_and_null_clears() {
    let fields = [
        ("first_name", "\"Asha\""),
        ("last_name", "null"),
        (
            "attributes",
            r#"{ "b": [1, 2.50], "a": {"d": null, "c": "x"}, "b": 3 }"#,
        ),
    ];
    let What::UpsertContact { profile, .. } = crm(&with(UPSERT, &fields)) else {
        panic!()
    };
    assert_eq!(profile.first_name, Field::Set("Asha".into()));
    assert_eq!(profile.last_name, Field::Clear);
    assert_eq!(
        profile.attributes,
        Field::Set(r#"{"a":{"c":"x","d":null},"b":3}"#.into())
    );
    let fields = [("first_name", "\"\""), ("attributes", "null")];
    let What::UpsertContact { profile, .. } = crm(&with(UPSERT, &fields)) else {
        panic!()
    };
    assert_eq!(
        (profile.first_name, profile.last_name, profile.attributes),
        (Field::Clear, Field::Keep, Field::Clear)
    );
}

#[test]
fn an_affiliates_phone_is_read_by_the_region() {
    let affiliate = || match decode(TopicKind::CrmChanges, AFFILIATE) {
        Ok(Decoded::Affiliate(affiliate)) => affiliate,
        other => panic!("{other:?}"),
    };
    let command = affiliate().parse(Region::parse("IN")).unwrap();
    let What::CreateAffiliate(create) = &command.what else {
        panic!()
    };
    assert_eq!(create.phone.canonical, Phone(918811112222));
    assert_eq!(affiliate().with_phone(create.phone), command);
    let refused = affiliate().parse(None).unwrap_err();
    assert_eq!(refused.reason, BadPhone);
    assert!(
        refused.detail.starts_with("$.phone begins with no country code"),
        "{}",
        refused.detail
    );
}

#[test]
fn a_request_without_an_id_has_its_position() {
    let command = command_of(&record(TopicKind::CrmChanges, &with(DELETE, &[("request_id", "null")])));
    assert_eq!(command.request.as_str(), "crm-changes-3-41");
    assert_eq!(
        command.request_hash,
        IdHasher::new(&HASHER_KEY).hash("crm-changes-3-41")
    );
}

#[test]
fn a1_the_header_origin_marks_the_api() {
    let mut record = record(TopicKind::CrmChanges, DELETE);
    assert_eq!(command_of(&record).via, Via::Crm);
    record.headers = vec![("origin", Some(b"api"))];
    assert_eq!(command_of(&record).via, Via::Api);
    record.headers = vec![("origin", Some(b"elsewhere"))];
    assert_eq!(command_of(&record).via, Via::Crm);
}

#[test]
fn settings_are_read() {
    let plain = settings(SETTINGS);
    assert_eq!(plain.waba_phones.len(), 1);
    assert_eq!(
        (plain.days, plain.inbound_scope),
        (Default::default(), InboundScope::Phone)
    );
    let full = settings(&with(
        SETTINGS,
        &[
            ("default_region", "\"IN\""),
            ("deactivate_after_days", "30"),
            ("expire_after_days", "36500.0"),
            ("expired_auto_reply", r#"{"text":"Closed.","max_per_hour":1000}"#),
            ("inbound_scope", "\"PAIR\""),
            ("waba_phones", "[]"),
        ],
    ));
    assert_eq!(full.default_region, Region::parse("IN"));
    assert_eq!(
        (full.days.deactivate_after, full.days.expire_after),
        (Some(30), Some(36_500))
    );
    assert_eq!(full.expired_auto_reply.unwrap().max_per_hour, Some(1_000));
    assert_eq!(full.inbound_scope, InboundScope::Pair);
    assert!(full.waba_phones.is_empty());

    let mut tombstone = record(TopicKind::OrgSettings, "");
    tombstone.value = None;
    let command = command_of(&tombstone);
    assert_eq!((command.org.as_str(), command.what), ("acme", What::PutSettings(None)));
    assert_eq!(command.request.as_str(), "org-settings-3-41");
}

#[test]
fn what_is_no_json_says_so() {
    let rows: &[&[u8]] = &[
        b"",
        b"{",
        b"\xFF\xFE",
        b"{\"org_id\":7 nonsense",
        b"hello",
        b"{} {}",
        b"\xEF\xBB\xBF{}",
    ];
    for kind in TopicKind::INPUTS {
        for bytes in rows {
            let mut record = record(kind, "");
            record.value = Some(bytes);
            let refused = decoder().decode(&record).unwrap_err();
            assert_eq!(refused.reason, NotJson, "{kind:?} {bytes:?}: {}", refused.detail);
        }
        for json in ["[]", "null", "7", "\"text\"", "[\"acme\",\"+12025550100\"]", "[[[["] {
            let refused = decode(kind, json).unwrap_err();
            let expected = if json == "[[[[" { NotJson } else { Malformed };
            assert_eq!(refused.reason, expected, "{kind:?} {json}: {}", refused.detail);
        }
    }
    let mut tombstone = record(TopicKind::CrmChanges, "");
    tombstone.value = None;
    let refused = decoder().decode(&tombstone).unwrap_err();
    assert_eq!((refused.reason, &*refused.detail), (NotJson, "the record has no value"));
}

#[test]
fn what_is_too_large_is_not_even_read() {
    let decoder = Decoder {
        record_bytes: 4,
        ..decoder()
    };
    let refused = decoder.decode(&record(TopicKind::CrmChanges, "12345")).unwrap_err();
    assert_eq!(refused.reason, TooLarge);
    assert_eq!(&*refused.detail, "the value has 5 bytes, at most 4 are allowed");
}

#[test]
fn sentences_repeat_no_value() {
    let value = with(MESSAGE, &[("message", "\"+919812345678\"")]);
    let refused = decode(TopicKind::InboundMessages, &value).unwrap_err();
    assert!(!refused.detail.contains("9198"), "{}", refused.detail);
}

#[test]
fn a_command_that_was_sent_back_is_known_by_its_first_place() {
    let value = with(DELETE, &[("request_id", "-")]);
    let mut sent_back = record(TopicKind::CrmChanges, &value);
    assert_eq!(command_of(&sent_back).request.as_str(), "crm-changes-3-41");
    sent_back.headers.push(("replay_of", Some(b"crm-changes-1-7")));
    assert_eq!(command_of(&sent_back).request.as_str(), "crm-changes-1-7");
    let named = RawRecord {
        value: Some(DELETE.as_bytes()),
        ..sent_back.clone()
    };
    assert_eq!(command_of(&named).request.as_str(), "r2");
    sent_back.headers.push(("replay_of", Some(b"no\nid")));
    assert_eq!(command_of(&sent_back).request.as_str(), "crm-changes-3-41");
}
