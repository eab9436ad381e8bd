//! O1 to O3: what an agent wants to send.

use crate::harness::assert::has;
use crate::harness::topics::OUTBOUND;
use crate::scenario::*;
use serde_json::json;

scenarios! {
    both:
        o1_an_active_chatroom_sends_in_order,
        o2_nothing_is_sent_to_the_others,
        o3_due_timers_come_first;
    program:
}

fn o1_an_active_chatroom_sends_in_order(org: &Org) {
    org.settings(json!({}));
    org.at(long_ago());
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    let limit = (long_ago() + DAY).to_string();
    let say = |number: usize| {
        let body = json!({"type": "text", "text": {"body": format!("{number}")}});
        org.start(json!({"chatroom_id": room, "message": body, "requested_by": "agent-7", "not_after": limit}))
    };
    let requests: Vec<String> = (0..20).map(say).collect();
    for request in &requests {
        has(
            &org.result(request),
            json!({"status": "APPLIED", "type": "outbound.send", "chatroom": {"chatroom_id": room}}),
        );
    }
    let sent = org.published(OUTBOUND);
    let order: Vec<&str> = sent.iter().map(|record| record.text("request_id")).collect();
    assert_eq!(order, requests);
    assert_eq!(sent[0].key, Some(format!("{}:{PHONE}", org.id)));
    has(
        &sent[0].value,
        json!({
            "chatroom_id": room, "waba_phone": W1, "to": PHONE, "origin": "AGENT", "in_reply_to": null, "requested_by": "agent-7",
            "not_after": limit, "message": {"type": "text", "text": {"body": "0"}},
        }),
    );
}

fn o2_nothing_is_sent_to_the_others(org: &Org) {
    org.settings(json!({}));
    org.at(long_ago());
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    org.about("deactivate", &room);
    has(
        &org.say(&room),
        json!({"status": "REFUSED", "code": "CHATROOM_DEACTIVATED", "chatroom": {"status": "DEACTIVATED"}}),
    );
    let closed = org.expired_affiliate(OTHER_PHONE, W1);
    has(
        &org.say(&closed),
        json!({"status": "REFUSED", "code": "CHATROOM_EXPIRED"}),
    );
    for unknown in ["abc-0190cdd1-7aa5-5c5b-8f9e-0123456789ab", "x"] {
        has(
            &org.say(unknown),
            json!({"status": "REFUSED", "code": "CHATROOM_NOT_FOUND"}),
        );
    }
    assert!(org.published(OUTBOUND).is_empty());
}

fn o3_due_timers_come_first(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    let start = now() - DAY + MINUTE;
    org.still(start);
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    org.ahead();
    has(
        &org.say(&room),
        json!({"code": "CHATROOM_DEACTIVATED", "chatroom": {"since": (start + DAY).to_string()}}),
    );
    assert_eq!(
        org.story(&room),
        ["CHATROOM_CREATED crm", "CHATROOM_DEACTIVATED inactivity"]
    );
    org.routed(PHONE, W1);
    has(&org.say(&room), json!({"status": "APPLIED"}));
}
