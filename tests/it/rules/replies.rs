//! I7: the one message that leaves for an expired contact, and when it does not.

use crate::harness::assert::has;
use crate::harness::topics::OUTBOUND;
use crate::scenario::*;
use serde_json::{Value, json};

scenarios! {
    both:
        i7_answers_once_from_the_waba_phone_that_was_written_to,
        i7_answers_an_expired_contact,
        i7_skips_what_is_not_configured,
        i7_skips_what_is_too_old,
        i7_counts_by_full_hours,
        i7_names_the_first_of_several_reasons;
    program:
}

fn closed(org: &Org, reply: Value) -> String {
    org.settings(json!({"expired_auto_reply": reply}));
    org.at(long_ago());
    org.expired_affiliate(PHONE, W1)
}

fn skipped(org: &Org, message: Message) -> Value {
    org.deliver(message).value["route"]["auto_reply"].clone()
}

fn i7_answers_once_from_the_waba_phone_that_was_written_to(org: &Org) {
    let room = closed(org, json!({"text": "Closed."}));
    let routed = org.deliver(message(PHONE, W2).id("wamid.same"));
    has(
        &routed.value,
        json!({"chatroom_id": room, "waba_phone": W1, "received_on": W2, "route": {"auto_reply": "SENT"}}),
    );
    let (repeat, _) = org.inbound(message(PHONE, W2).id("wamid.same"));
    org.send(&repeat);
    has(&org.routed(PHONE, W1), json!({"route": {"auto_reply": "SENT"}}));
    let replies = org.published(OUTBOUND);
    assert_eq!(replies.len(), 2, "one for each message that is one");
    assert_eq!(replies[0].key, Some(format!("{}:{PHONE}", org.id)));
    let sent_at = instant(&routed.value["sent_at"]);
    has(
        &replies[0].value,
        json!({
            "chatroom_id": room, "waba_phone": W2, "to": PHONE, "origin": "AUTO_REPLY", "request_id": null, "requested_by": null,
            "in_reply_to": "wamid.same", "not_after": (sent_at + DAY).to_string(),
        }),
    );
    assert_eq!(
        replies[0].value["message"],
        json!({"type": "text", "text": {"body": "Closed."}})
    );
}

fn i7_answers_an_expired_contact(org: &Org) {
    org.settings(json!({"expire_after_days": 1, "expired_auto_reply": {"text": "Closed."}}));
    org.at(now() - DAY + MINUTE);
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    org.ahead();
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "route": {"auto_reply": "SENT"}}),
    );
    has(&org.say(&room), json!({"code": "CHATROOM_EXPIRED"}));
    assert_eq!(org.published(OUTBOUND).len(), 1);
}

fn i7_skips_what_is_not_configured(org: &Org) {
    closed(org, Value::Null);
    assert_eq!(skipped(org, message(PHONE, W1)), "NOT_CONFIGURED");
    assert!(org.published(OUTBOUND).is_empty());
}

fn i7_skips_what_is_too_old(org: &Org) {
    closed(org, json!({"text": "Closed."}));
    let long_since = long_ago() - DAY - MINUTE;
    assert_eq!(skipped(org, message(PHONE, W1).sent_at(long_since)), "TOO_OLD");
    assert_eq!(skipped(org, message(PHONE, W1).sent_at(long_ago() - HOUR * 23)), "SENT");
    assert_eq!(org.published(OUTBOUND).len(), 1);
}

fn i7_counts_by_full_hours(org: &Org) {
    closed(org, json!({"text": "Closed.", "max_per_hour": 2}));
    let hour =
        jiff::Timestamp::from_second(long_ago().as_second().div_euclid(3600) * 3600 + 7200).expect("this century");
    org.at(hour);
    let outcomes: Vec<Value> = (0..4).map(|_| skipped(org, message(PHONE, W1))).collect();
    assert_eq!(outcomes, ["SENT", "SENT", "RATE_LIMITED", "RATE_LIMITED"]);
    org.at(hour + HOUR - SECOND);
    assert_eq!(skipped(org, message(PHONE, W1)), "RATE_LIMITED");
    assert_eq!(skipped(org, message(PHONE, W1)), "SENT", "a new hour");
    assert_eq!(org.published(OUTBOUND).len(), 3);
}

fn i7_names_the_first_of_several_reasons(org: &Org) {
    closed(org, Value::Null);
    let old = long_ago() - DAY * 3;
    assert_eq!(skipped(org, message(PHONE, W1).system().sent_at(old)), "NOT_A_PERSON");
    assert_eq!(skipped(org, message(PHONE, W1).sent_at(old)), "NOT_CONFIGURED");
    org.settings(json!({"expired_auto_reply": {"text": "Closed.", "max_per_hour": 1}}));
    assert_eq!(skipped(org, message(PHONE, W1)), "SENT");
    assert_eq!(skipped(org, message(PHONE, W1).sent_at(old)), "TOO_OLD");
    assert_eq!(skipped(org, message(PHONE, W1)), "RATE_LIMITED");
}
