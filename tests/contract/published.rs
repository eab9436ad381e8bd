//! What is published: the examples of the outputs, keys, headers, ids, and messages byte for byte.

use crate::examples;
use crate::fixtures::{DECIDED_AT, OCTOBER, TRACE, decoder, effect, event, event_of, org, record};
use crate::json_text::{compact, pretty};
use crate::outputs::{self, Case};
use crate::schemas::{closed, faults, schema};
use chatroom_router::contract::{Decoded, Ordinals, OutRecord, TopicKind, origin, publish};
use chatroom_router::domain::effect::{Consequence, Counted, DeadLetter, DeadReason, Effect, Source};
use chatroom_router::domain::event::{Body, Event};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

fn published(case: &Case) -> OutRecord {
    published_from(&case.event, &case.effect)
}

fn published_from(event: &Event, effect: &Effect) -> OutRecord {
    publish_from(event, effect, &mut Ordinals::default()).unwrap()
}

/// With what its record carries, if it is a message.
fn publish_from(event: &Event, effect: &Effect, ordinals: &mut Ordinals) -> Option<OutRecord> {
    let record = origin::read(&event.cause.origin).unwrap();
    let carried = match decoder().decode(&record) {
        Ok(Decoded::Message(_, carried)) => Some(carried),
        _ => None,
    };
    publish(event, carried.as_ref(), effect, ordinals).unwrap()
}

fn header(record: &OutRecord, name: &str) -> Option<String> {
    let (_, value) = record.headers.iter().find(|(known, _)| known == name)?;
    value.as_ref().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn value(record: &OutRecord) -> String {
    String::from_utf8(record.value.clone().unwrap()).unwrap()
}

/// The example of a dead letter is of its headers; of all else it is the value.
fn shown(record: &OutRecord) -> String {
    if record.topic != TopicKind::DeadLetters {
        return value(record);
    }
    let ours = record.headers.iter().filter(|(name, _)| name.starts_with("dlq_"));
    let fields: Vec<_> = ours
        .map(|(name, value)| {
            let text = String::from_utf8(value.as_ref().unwrap().to_vec()).unwrap();
            format!("{}:{}", Value::from(&**name), Value::from(text))
        })
        .collect();
    format!("{{{}}}", fields.join(","))
}

#[test]
fn every_output_is_its_example_and_holds_by_its_schema() {
    let update = std::env::var_os("UPDATE_EXAMPLES").is_some();
    for case in outputs::all() {
        let record = published(&case);
        assert_eq!(record.topic, case.topic, "{}", case.name);
        let shown = shown(&record);
        if update {
            let path = examples::path(case.topic, case.name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, pretty(&shown)).unwrap();
        }
        assert_eq!(shown, compact(&examples::read(case.topic, case.name)), "{}", case.name);
        let faults = faults(&schema(case.topic), &serde_json::from_str(&shown).unwrap());
        assert!(
            faults.is_empty(),
            "{} {}: {faults:?}",
            case.topic.default_name(),
            case.name
        );
    }
}

#[test]
fn no_output_has_a_field_that_its_schema_does_not_describe() {
    for case in outputs::all() {
        // What is unrouted keeps the fields that we don't know.
        if case.name == "unknown-waba-phone" {
            continue;
        }
        let shown = serde_json::from_str(&shown(&published(&case))).unwrap();
        let faults = faults(&closed(&schema(case.topic)), &shown);
        assert!(
            faults.is_empty(),
            "{} {}: {faults:?}",
            case.topic.default_name(),
            case.name
        );
    }
}

#[test]
fn every_example_of_an_output_is_published() {
    let cases: BTreeSet<_> = outputs::all()
        .iter()
        .map(|case| (case.topic, case.name.to_owned()))
        .collect();
    for topic in examples::WITH_EXAMPLES {
        if TopicKind::INPUTS.contains(&topic) {
            continue;
        }
        for example in examples::of(topic) {
            assert!(
                cases.contains(&(topic, example.case.clone())),
                "{topic:?} {}",
                example.case
            );
        }
    }
}

#[test]
fn keys_are_those_of_the_contracts() {
    let rows = [
        (
            TopicKind::RoutedMessages,
            "reactivated",
            "1f3-6f9619ff-8b86-5d01-b42d-00cf4fc964ff",
        ),
        (TopicKind::UnroutedMessages, "no-contact", "acme:+919812345678"),
        // In its canonical spelling: Brazil's mobiles have the ninth digit.
        (TopicKind::UnroutedMessages, "no-chatroom", "acme:+5511987654321"),
        (TopicKind::UnroutedMessages, "no-phone", "acme:US.13491208655302741918"),
        (TopicKind::LifecycleEvents, "contact-created", "acme:L-17"),
        (
            TopicKind::LifecycleEvents,
            "chatroom-created",
            "1f3-6f9619ff-8b86-5d01-b42d-00cf4fc964ff",
        ),
        (TopicKind::OutboundMessages, "agent", "acme:+919812345678"),
        (TopicKind::CommandResults, "settings-put", "acme:s1"),
        (TopicKind::DeadLetters, "malformed", "acme"),
    ];
    for (topic, name, key) in rows {
        let record = published(&outputs::find(topic, name));
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()), "{topic:?} {name}");
    }
}

#[test]
fn headers_are_those_of_cloud_events() {
    let record = published(&outputs::find(TopicKind::RoutedMessages, "reactivated"));
    let names: Vec<_> = record.headers.iter().map(|(name, _)| &**name).collect();
    let expected = "ce_specversion ce_id ce_type ce_source ce_time ce_subject content-type traceparent";
    assert_eq!(names.join(" "), expected);
    let of = |name| header(&record, name).unwrap();
    assert_eq!(of("ce_specversion"), "1.0");
    assert_eq!(of("ce_type"), "com.chatroom-router.message.routed");
    assert_eq!(of("ce_source"), "/chatroom-router");
    assert_eq!(of("ce_time"), "2026-11-22T07:00:01Z");
    assert_eq!(of("ce_subject"), "1f3-6f9619ff-8b86-5d01-b42d-00cf4fc964ff");
    assert_eq!(of("content-type"), "application/json");
    assert_eq!(of("traceparent").as_bytes(), TRACE);
    // No record led to what a timer does.
    let by_timer = published(&outputs::find(TopicKind::LifecycleEvents, "chatroom-expired"));
    assert_eq!(header(&by_timer, "traceparent"), None);
    assert_eq!(header(&by_timer, "ce_time"), Some("2026-10-01T00:00:00Z".to_owned()));
}

#[test]
fn every_type_of_event_is_in_the_asyncapi_document() {
    let document = fs::read_to_string(examples::folder().join("asyncapi.yaml")).unwrap();
    let listed = document.lines().filter_map(|line| line.trim().strip_prefix("- com."));
    let listed: BTreeSet<_> = listed.map(|rest| format!("com.{rest}")).collect();
    let cases = outputs::all();
    let written: BTreeSet<_> = cases
        .iter()
        .filter_map(|case| header(&published(case), "ce_type"))
        .collect();
    assert_eq!(written, listed);
}

/// A consumer drops what it has seen by these: whoever changes one breaks a replay.
#[test]
fn ids_stay_the_same_for_ever() {
    let rows = [
        (
            TopicKind::RoutedMessages,
            "reactivated",
            "9b075139-883c-5c3d-80c2-6b36e6cd9364",
        ),
        (
            TopicKind::UnroutedMessages,
            "no-contact",
            "13ac5d8b-2f57-5930-9201-5adaddf97671",
        ),
        (
            TopicKind::LifecycleEvents,
            "chatroom-activated",
            "91b2ec62-d6f3-572a-875d-abb52eec5606",
        ),
        (
            TopicKind::LifecycleEvents,
            "chatroom-expired",
            "ccbe603e-c6c6-528d-9c09-03038a66c138",
        ),
        (
            TopicKind::OutboundMessages,
            "agent",
            "72088cc9-39f2-5ca7-afcc-14233ae4df3f",
        ),
        (
            TopicKind::CommandResults,
            "duplicate",
            "43098c4b-9dc3-590e-b24d-75aff1219a32",
        ),
    ];
    for (topic, name, id) in rows {
        let record = published(&outputs::find(topic, name));
        assert_eq!(header(&record, "ce_id").as_deref(), Some(id), "{topic:?} {name}");
    }
}

#[test]
fn every_output_of_a_cause_has_an_id_of_its_own() {
    let case = outputs::find(TopicKind::LifecycleEvents, "chatroom-activated");
    let deactivated = outputs::find(TopicKind::LifecycleEvents, "chatroom-deactivated-superseded").effect;
    let deactivated = effect(&case.event, deactivated.what);
    let mut ordinals = Ordinals::default();
    let mut ids = Vec::new();
    for effect in [&case.effect, &deactivated, &case.effect, &case.effect] {
        let record = publish_from(&case.event, effect, &mut ordinals).unwrap();
        ids.push(header(&record, "ce_id").unwrap());
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 4, "{ids:?}");
    let again = published(&case);
    assert_eq!(header(&again, "ce_id").unwrap(), ids[0]);
}

#[test]
fn i0_a_timer_has_one_id_however_it_was_noticed() {
    let case = outputs::find(TopicKind::LifecycleEvents, "chatroom-expired");
    let Body::Inbound(inbound) = &case.event.body else {
        panic!()
    };
    let chatroom_router::domain::event::Sender::Phone(phone) = &inbound.from else {
        panic!()
    };
    let sweep = Event {
        at: OCTOBER,
        body: Body::Sweep(org(), phone.canonical),
        ..case.event.clone()
    };
    assert_eq!(published_from(&sweep, &case.effect), published(&case));
    let later = Effect {
        source: Source::Timer(DECIDED_AT),
        ..case.effect.clone()
    };
    assert_ne!(
        header(&published_from(&sweep, &later), "ce_id"),
        header(&published(&case), "ce_id")
    );
}

/// Spaces, escapes, a field twice, numbers that no float holds: none of it is ours to better.
const ODD_MESSAGE: &str =
    "{ \"type\" :\"te\\u0078t\",\t\"n\":1.000000000000000000001e+400, \"n\":[ ], \"\\u00e9\":\"é\\/\" }";

#[test]
fn messages_pass_byte_for_byte() {
    let value = |kind, case: &str| {
        let text = compact(&examples::read(kind, case));
        let start = text.find("\"message\":{").unwrap() + "\"message\":".len();
        let end = start + text[start..].find("}}").unwrap() + 2;
        format!("{}{ODD_MESSAGE}{}", &text[..start], &text[end..])
    };
    let inbound = event_of(TopicKind::InboundMessages, &value(TopicKind::InboundMessages, "text"));
    let request = event_of(TopicKind::OutboundRequests, &value(TopicKind::OutboundRequests, "full"));
    let rows = [
        (&inbound, TopicKind::RoutedMessages, "reactivated"),
        (&inbound, TopicKind::UnroutedMessages, "no-contact"),
        (&request, TopicKind::OutboundMessages, "agent"),
    ];
    for (event, topic, name) in rows {
        let effect = effect(event, outputs::find(topic, name).effect.what);
        let published = self::value(&published_from(event, &effect));
        assert!(published.contains(&format!("\"message\":{ODD_MESSAGE}")), "{published}");
    }
}

#[test]
fn i11_an_unrouted_message_can_be_sent_again_as_it_is() {
    let case = outputs::find(TopicKind::UnroutedMessages, "unknown-waba-phone");
    let first = value(&published(&case));
    let Decoded::Message(inbound, _) = decoder().decode(&record(TopicKind::InboundMessages, &first)).unwrap() else {
        panic!()
    };
    assert_eq!(Body::Inbound(inbound), case.event.body);
    let again = event_of(TopicKind::InboundMessages, &first);
    let again = published_from(&again, &effect(&again, case.effect.what.clone()));
    assert_eq!(value(&again), first);
}

#[test]
fn a_dead_letter_is_the_record_as_it_came() {
    let mut record = record(TopicKind::CrmChanges, "\u{0}not json");
    record.timestamp = None;
    record.key = None;
    record.headers = vec![
        ("dlq_reason", Some(b"TOO_LARGE")),
        ("mine", Some(b"\xFF")),
        ("dlq_truncated", Some(b"true")),
        ("mine", None),
    ];
    let mut event = event(TopicKind::CrmChanges, "contact-delete");
    event.cause = origin::cause(&record);
    let letter = DeadLetter {
        reason: DeadReason::NotJson,
        detail: "why".into(),
    };
    let published = published_from(&event, &effect(&event, Consequence::DeadLetter(letter.clone())));
    assert_eq!(published, chatroom_router::contract::dead_letter(&record, &letter));
    assert_eq!(
        (published.key.as_deref(), published.value.as_deref()),
        (None, record.value)
    );
    let headers: Vec<_> = published
        .headers
        .iter()
        .map(|(name, value)| (&**name, value.as_deref()))
        .collect();
    let expected: [(&str, Option<&[u8]>); 8] = [
        ("mine", Some(b"\xFF")),
        ("mine", None),
        ("dlq_reason", Some(b"NOT_JSON")),
        ("dlq_detail", Some(b"why")),
        ("dlq_topic", Some(b"test.crm-changes")),
        ("dlq_partition", Some(b"3")),
        ("dlq_offset", Some(b"41")),
        ("dlq_timestamp", Some(b"-1")),
    ];
    assert_eq!(headers, expected);
}

#[test]
fn of_a_value_that_is_too_large_the_beginning_is_kept() {
    let published = published(&outputs::find(TopicKind::DeadLetters, "too-large"));
    assert_eq!(published.value.as_ref().map(Vec::len), Some(64 * 1024));
    assert_eq!(header(&published, "dlq_truncated").as_deref(), Some("true"));
}

#[test]
fn what_is_only_counted_is_not_published() {
    let event = event(TopicKind::InboundMessages, "text");
    let counted = effect(&event, Consequence::Counted(Counted::RepeatOfRouted));
    assert_eq!(publish_from(&event, &counted, &mut Ordinals::default()), None);
}
