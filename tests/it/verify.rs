//! Judges the committed outputs as a consumer would: nothing twice, nothing forgotten, and equal to the model.

use crate::harness::assert::same;
use crate::harness::log::Record;
use crate::harness::names::{DEAD, LIFECYCLE, RESULTS, ROUTED};
use crate::model::Out;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A prediction in the shape of a committed record.
pub fn as_record(out: Out, number: usize) -> Record {
    let names = ["ce_specversion", "ce_type", "ce_source", "ce_time", "content-type"];
    let mut headers: BTreeMap<String, String> = names
        .iter()
        .map(|name| ((*name).to_owned(), "model".to_owned()))
        .collect();
    headers.insert("ce_id".into(), number.to_string());
    Record {
        topic: out.topic,
        partition: 0,
        offset: number as i64,
        key: Some(out.key),
        headers,
        bytes: out.value.to_string().into_bytes(),
        value: out.value,
    }
}

/// Ids that more than one record bears, and records without what makes an event. Dead letters are not events of ours:
/// they bear the headers that they came with.
pub fn twice(records: &[Arc<Record>]) -> Vec<String> {
    let mut seen: HashMap<&str, &Record> = HashMap::new();
    let mut faults = Vec::new();
    for record in records.iter().filter(|record| record.topic != DEAD) {
        for name in [
            "ce_specversion",
            "ce_id",
            "ce_type",
            "ce_source",
            "ce_time",
            "content-type",
        ] {
            if record.header(name).is_empty() {
                faults.push(format!("no header {name} on {} {}", record.topic, record.value));
            }
        }
        if let Some(first) = seen.insert(record.header("ce_id"), record) {
            faults.push(format!(
                "twice: {} {} and {} {}",
                first.topic, first.value, record.topic, record.value
            ));
        }
    }
    faults
}

/// Requests that have not as many results as they were sent times.
pub fn unanswered(records: &[Arc<Record>], wanted: &BTreeMap<String, usize>) -> Vec<String> {
    let mut found = BTreeMap::<&str, usize>::new();
    for record in records.iter().filter(|record| record.topic == RESULTS) {
        *found.entry(record.text("request_id")).or_default() += 1;
    }
    let count = |id: &String| found.get(id.as_str()).copied().unwrap_or_default();
    let wrong = wanted.iter().filter(|(id, times)| count(id) != **times);
    wrong
        .map(|(id, times)| format!("{} results of {id}, which was sent {times} times", count(id)))
        .collect()
}

/// The same by the keys of results, for several orgs at once.
pub fn unanswered_keys(records: &[Arc<Record>], wanted: &BTreeMap<String, usize>) -> Vec<String> {
    let mut found = BTreeMap::<&str, usize>::new();
    for record in records.iter().filter(|record| record.topic == RESULTS) {
        *found.entry(record.key.as_deref().unwrap_or_default()).or_default() += 1;
    }
    let count = |key: &str| found.get(key).copied().unwrap_or_default();
    let wrong = wanted.iter().filter(|(key, times)| count(key) != **times);
    let lost = wrong.map(|(key, times)| format!("{} results of {key}, which was sent {times} times", count(key)));
    let unasked = found
        .keys()
        .filter(|key| !wanted.contains_key(**key))
        .map(|key| format!("a result of {key}, which was never sent"));
    lost.chain(unasked).collect()
}

/// Places that have not exactly one dead letter, and dead letters of records that were sound.
pub fn dead_letters(records: &[Arc<Record>], wanted: &[(String, i32, i64)]) -> Vec<String> {
    let place = |record: &Record| format!("{}-{}", record.header("dlq_partition"), record.header("dlq_offset"));
    let named = |record: &&Arc<Record>, (topic, partition, offset): &(String, i32, i64)| {
        record.header("dlq_topic").ends_with(topic) && place(record) == format!("{partition}-{offset}")
    };
    let counts = wanted
        .iter()
        .map(|one| (one, records.iter().filter(|record| named(record, one)).count()));
    let wrong = counts
        .filter(|(_, count)| *count != 1)
        .map(|(one, count)| format!("{count} dead letters of {one:?}"));
    let sound = records
        .iter()
        .filter(|record| !wanted.iter().any(|one| named(record, one)));
    wrong
        .chain(sound.map(|record| format!("a dead letter of a sound record: {:?} {}", record.headers, record.value)))
        .collect()
}

/// One stream of records whose order is promised: what bears one key in one topic.
type Lane = (&'static str, String);

/// Where the outputs differ from the model's: per key and in order. `open` are predictions that may be missing at the
/// end of their lane, such as the events of timers that no sweep has reached yet.
pub fn differences(records: &[Arc<Record>], wanted: &[Out], open: &[Out]) -> Vec<String> {
    let found = lanes(
        records
            .iter()
            .map(|record| (record.topic, record.key.clone().unwrap_or_default(), &record.value)),
    );
    let sure = lanes(wanted.iter().map(|out| (out.topic, out.key.clone(), &out.value)));
    let maybe = lanes(open.iter().map(|out| (out.topic, out.key.clone(), &out.value)));
    let mut faults = Vec::new();
    let none = Vec::new();
    let keys = found
        .keys()
        .chain(sure.keys())
        .collect::<std::collections::BTreeSet<_>>();
    for lane in keys {
        let there = found.get(lane).unwrap_or(&none);
        let must = sure.get(lane).unwrap_or(&none);
        let all: Vec<&Value> = must.iter().chain(maybe.get(lane).unwrap_or(&none)).collect();
        let length = there.len().max(must.len());
        let first = (0..length).find(|index| match (there.get(*index), all.get(*index)) {
            (Some(there), Some(wanted)) => !alike(there, wanted),
            _ => true,
        });
        if let Some(index) = first {
            let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            faults.push(format!(
                "{} {} record {index} of {} (model: {}):\n   is {}\n  not {}",
                lane.0,
                lane.1,
                there.len(),
                must.len(),
                shown(there.get(index)),
                shown(all.get(index).copied())
            ));
        }
    }
    faults
}

fn lanes<'a>(records: impl Iterator<Item = (&'static str, String, &'a Value)>) -> BTreeMap<Lane, Vec<Value>> {
    let mut lanes = BTreeMap::<Lane, Vec<Value>>::new();
    for (topic, key, value) in records {
        lanes.entry((topic, key)).or_default().push(comparable(topic, value));
    }
    lanes
}

/// Whether these are the same, in the shape of `comparable`.
pub fn alike(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| alike(value, other)))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| alike(left, right))
        }
        _ => same(left, right),
    }
}

/// What the contracts fix: without nulls, free text, and what they leave open, such as the order of `crm_ids`.
pub fn comparable(topic: &str, value: &Value) -> Value {
    let mut value = without_nulls(value);
    for holder in ["/unrouted/crm_ids", "/conflict/crm_ids"] {
        if let Some(Value::Array(crm_ids)) = value.pointer_mut(holder) {
            crm_ids.sort_by_key(Value::to_string);
        }
    }
    let Some(fields) = value.as_object_mut() else {
        return value;
    };
    match topic {
        ROUTED => {
            if let Some(route) = fields.get_mut("route").and_then(Value::as_object_mut) {
                route.remove("settings_version");
                // The text has no single rule for a message of the network that activates nothing.
                if route.get("reason") == Some(&json!("DEACTIVATED")) {
                    route.remove("rule");
                }
            }
        }
        LIFECYCLE => loosen_event(fields),
        RESULTS => loosen_result(fields),
        _ => {
            if let Some(why) = fields.get_mut("unrouted").and_then(Value::as_object_mut) {
                why.remove("settings_version");
            }
        }
    }
    value
}

/// Whether a move or an erasure has a reason of its own, and whether expiry by age in the decision of a command bears
/// that command's id, is not written.
fn loosen_event(event: &mut Map<String, Value>) {
    if matches!(
        event.get("type").and_then(Value::as_str),
        Some("CONTACT_MOVED" | "CONTACT_DELETED")
    ) {
        event.remove("reason");
    }
    if event.get("reason") == Some(&json!("age")) {
        event.remove("request_id");
    }
}

/// Which state a result shows is written for the object of the command alone, and not for one that was refused
/// before there was an object.
fn loosen_result(result: &mut Map<String, Value>) {
    result.remove("settings_version");
    result.remove("detail");
    let kind = result
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let is_of_contact = kind.starts_with("contact.");
    let refused = result.get("status") == Some(&json!("REFUSED"));
    let first_refused = result.get("first").is_some_and(|first| first["status"] == "REFUSED");
    let is_creation = kind == "chatroom.create" && (refused || first_refused);
    if is_of_contact || is_creation {
        result.remove("chatroom");
    }
    if !is_of_contact || kind == "contact.delete" || first_refused {
        result.remove("contact");
    }
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    if let Some(conflict) = result.get_mut("conflict").and_then(Value::as_object_mut) {
        conflict.retain(|_, value| !empty(value));
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, field)| !field.is_null());
            Value::Object(kept.map(|(name, field)| (name.clone(), without_nulls(field))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

/// That the judge sees what it is there to see.
mod judged {
    use super::*;

    fn event(key: &str, kind: &str) -> Out {
        Out {
            topic: LIFECYCLE,
            key: key.to_owned(),
            value: json!({"type": kind, "chatroom_id": key}),
        }
    }

    fn found(outs: &[Out], first: usize) -> Vec<Arc<Record>> {
        let numbered = outs.iter().cloned().enumerate();
        numbered
            .map(|(number, out)| Arc::new(as_record(out, first + number)))
            .collect()
    }

    #[test]
    fn equal_outputs_are_no_difference() {
        let outs = [event("a", "CHATROOM_CREATED"), event("b", "CHATROOM_CREATED")];
        assert!(differences(&found(&outs, 0), &outs, &[]).is_empty());
        assert!(twice(&found(&outs, 0)).is_empty());
    }

    #[test]
    fn lost_doubled_and_swapped_outputs_are_differences() {
        let outs = [event("a", "CHATROOM_CREATED"), event("a", "CHATROOM_EXPIRED")];
        let doubled = [outs[0].clone(), outs[0].clone(), outs[1].clone()];
        let swapped = [outs[1].clone(), outs[0].clone()];
        for wrong in [&outs[..1], &outs[1..], &doubled[..], &swapped[..], &[]] {
            assert_eq!(differences(&found(wrong, 0), &outs, &[]).len(), 1, "{wrong:?}");
        }
        assert_eq!(differences(&found(&outs, 0), &[], &[]).len(), 1);
    }

    #[test]
    fn an_open_prediction_may_come_or_not() {
        let (sure, open) = ([event("a", "CHATROOM_CREATED")], [event("a", "CHATROOM_DEACTIVATED")]);
        assert!(differences(&found(&sure, 0), &sure, &open).is_empty());
        let both = [sure[0].clone(), open[0].clone()];
        assert!(differences(&found(&both, 0), &sure, &open).is_empty());
        let other = [sure[0].clone(), event("a", "CHATROOM_EXPIRED")];
        assert_eq!(differences(&found(&other, 0), &sure, &open).len(), 1);
    }

    #[test]
    fn one_id_on_two_records_is_seen() {
        let outs = [event("a", "CHATROOM_CREATED")];
        let records = [found(&outs, 0), found(&outs, 0)].concat();
        assert_eq!(twice(&records).len(), 1);
    }

    #[test]
    fn a_request_has_as_many_results_as_it_was_sent_times() {
        let result = Out {
            topic: RESULTS,
            key: "acme:r".to_owned(),
            value: json!({"request_id": "r"}),
        };
        let records = found(&[result.clone(), result], 0);
        let sent = |times: usize| BTreeMap::from([("r".to_owned(), times)]);
        assert!(unanswered(&records, &sent(2)).is_empty());
        assert_eq!(unanswered(&records, &sent(1)).len(), 1);
        assert_eq!(unanswered_keys(&records, &BTreeMap::new()).len(), 1, "never sent");
    }
}
