//! Who waits learns of their own result, or of their dead letter, and nobody is kept.

use super::*;
use crate::kafka::{Position, TimestampKind};
use serde_json::json;

fn names() -> (OrgId, RequestId) {
    (OrgId::parse("acme").unwrap(), RequestId::parse("api-1").unwrap())
}

fn results() -> Results {
    Results::new(Arc::new(Metrics::new().unwrap()))
}

fn record(key: &str, value: &serde_json::Value, headers: &[(&str, &str)]) -> Record {
    Record {
        at: Position {
            topic: "any".into(),
            partition: 0,
            offset: 0,
        },
        key: Some(key.as_bytes().to_vec()),
        value: Some(value.to_string().into_bytes()),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec())))
            .collect(),
        timestamp: None,
        timestamp_kind: TimestampKind::Create,
    }
}

fn published(status: &str) -> serde_json::Value {
    json!({
        "request_id": "api-1", "org_id": "acme", "type": "chatroom.activate", "status": status, "code": null, "detail": null,
        "chatroom": null, "contact": null, "conflict": null, "first": null, "settings_version": 1,
        "decided_at": "2026-11-22T07:00:01Z",
    })
}

#[tokio::test]
async fn all_who_wait_for_a_request_learn_of_its_result_and_no_other() {
    let (org, request) = names();
    let results = results();
    let mut first = results.wait(&org, &request).unwrap();
    let mut second = results.wait(&org, &request).unwrap();
    results.result(&record("other:api-1", &published("REFUSED"), &[]));
    results.result(&record("acme:api-1", &published("APPLIED"), &[]));
    for waiter in [&mut first, &mut second] {
        assert!(matches!(waiter.outcome().await, Some(Outcome::Result(_))));
    }
    assert!(results.locked().is_empty());
}

#[tokio::test]
async fn a_dead_letter_is_an_answer_where_no_result_follows() {
    let (org, request) = names();
    let results = results();
    let mut waiter = results.wait(&org, &request).unwrap();
    let value = json!({"type": "contact.upsert", "org_id": "acme", "request_id": "api-1", "phone": "1"});
    let told = |reason, origin| {
        let headers = [
            ("origin", origin),
            ("dlq_reason", reason),
            ("dlq_detail", "$.phone is none"),
        ];
        record("acme:L-1", &value, &headers)
    };
    results.dead_letter(&told("CANNOT_BE_JUDGED", "api"));
    results.dead_letter(&told("BAD_PHONE", "crm"));
    assert_eq!(results.locked().len(), 1, "a result follows, or it is not ours");
    results.dead_letter(&told("BAD_PHONE", "api"));
    match waiter.outcome().await {
        Some(Outcome::DeadLetter { reason, detail }) => {
            assert_eq!((reason.as_str(), detail.as_str()), ("BAD_PHONE", "$.phone is none"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_waits_no_more_is_forgotten() {
    let (org, request) = names();
    let results = results();
    let first = results.wait(&org, &request).unwrap();
    let second = results.wait(&org, &request).unwrap();
    drop(first);
    assert_eq!(results.locked().len(), 1);
    drop(second);
    assert!(results.locked().is_empty());
    assert_eq!(results.metrics.api.waiting.get(), 0);
}
