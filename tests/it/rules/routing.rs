//! I1 to I6 and I8 to I11: which chatroom an inbound message lands in, and how it says so.

use crate::harness::assert::has;
use crate::harness::topics::{ROUTED, UNROUTED};
use crate::scenario::*;
use serde_json::json;

scenarios! {
    both:
        i1_the_active_chatroom_receives,
        i1_the_latest_active_chatroom_receives,
        i2_the_latest_deactivated_chatroom_wakes,
        i2_an_active_one_on_another_waba_phone_comes_first,
        i3_expired_chatroom_receives_and_answers,
        i3_chatrooms_left_by_a_move_are_no_candidates,
        i4_says_why_nothing_was_found,
        i4_unknown_org,
        i5_the_pair_comes_first_in_each_rule,
        i5_scope_pair_keeps_to_the_pair,
        i6_latest_is_by_status_change_then_message,
        i8_late_messages_move_no_clock_back,
        i8_a_message_from_the_future_counts_from_now,
        i9_system_messages_wake_nothing,
        i9_reactions_count,
        i10_a_route_lists_every_candidate_best_first,
        i11_a_repeat_is_one_message,
        i11_a_repeat_of_an_unrouted_message_can_be_routed,
        i11_an_id_is_forgotten_in_time;
    program:
        i10_names_the_version_of_the_settings,
        i11_repeats_are_counted,
}

fn room(org: &Org) -> String {
    org.settings(json!({}));
    org.at(long_ago());
    org.contact("L-1", PHONE);
    org.room("L-1", W1)
}

/// A chatroom of a contact of its own.
fn another(org: &Org, crm_id: &str, waba_phone: &str) -> String {
    org.contact(crm_id, PHONE);
    org.room(crm_id, waba_phone)
}

fn i1_the_active_chatroom_receives(org: &Org) {
    let room = room(org);
    let record = org.receive(PHONE, W1);
    assert_eq!((record.topic, record.key.as_deref()), (ROUTED, Some(room.as_str())));
    has(
        &record.value,
        json!({
            "chatroom_id": room, "chatroom_status": "ACTIVE", "chatroom_kind": "CONTACT", "crm_id": "L-1", "waba_phone": W1,
            "received_on": W1, "from": PHONE, "message": {"type": "text", "text": {"body": "Is the flat still free?"}},
            "route": {"reason": "ACTIVE", "rule": "I1", "auto_reply": null},
        }),
    );
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm"]);
}

fn i1_the_latest_active_chatroom_receives(org: &Org) {
    let first = room(org);
    let second = another(org, "L-2", W2);
    has(
        &org.routed(PHONE, W3),
        json!({"chatroom_id": second, "waba_phone": W2, "received_on": W3}),
    );
    org.about("deactivate", &first);
    org.about("activate", &first);
    has(
        &org.routed(PHONE, W3),
        json!({"chatroom_id": first, "waba_phone": W1, "received_on": W3}),
    );
}

fn i2_the_latest_deactivated_chatroom_wakes(org: &Org) {
    let first = room(org);
    org.about("deactivate", &first);
    let second = another(org, "L-2", W1);
    org.about("deactivate", &second);
    let routed = org.routed(PHONE, W1);
    has(
        &routed,
        json!({"chatroom_id": second, "chatroom_status": "ACTIVE", "route": {"reason": "REACTIVATED", "rule": "I2"}}),
    );
    assert_eq!(
        org.story(&second).last().map(String::as_str),
        Some("CHATROOM_ACTIVATED inbound")
    );
    has(&org.events(&second)[2], json!({"request_id": null}));
    assert_eq!(org.story(&first).len(), 2);
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": second, "route": {"reason": "ACTIVE"}}),
    );
}

fn i2_an_active_one_on_another_waba_phone_comes_first(org: &Org) {
    let first = room(org);
    org.about("deactivate", &first);
    let active = another(org, "L-2", W2);
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": active, "route": {"reason": "ACTIVE"}}),
    );
    assert_eq!(org.story(&first).len(), 2);
}

fn i3_expired_chatroom_receives_and_answers(org: &Org) {
    org.settings(json!({"expired_auto_reply": {"text": "Closed."}}));
    org.at(long_ago());
    let first = org.expired_affiliate(PHONE, W1);
    let second = org.expired_affiliate(PHONE, W1);
    assert_ne!(first, second);
    let routed = org.routed(PHONE, W1);
    has(
        &routed,
        json!({"chatroom_id": second, "chatroom_status": "EXPIRED", "route": {"reason": "EXPIRED", "rule": "I3", "auto_reply": "SENT"}}),
    );
    assert_eq!(org.story(&second), ["CHATROOM_CREATED crm", "CHATROOM_EXPIRED crm"]);
}

fn i3_chatrooms_left_by_a_move_are_no_candidates(org: &Org) {
    let left = room(org);
    let stays = another(org, "L-2", W2);
    org.about("deactivate", &stays);
    org.upsert("L-1", OTHER_PHONE);
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": stays, "route": {"candidates": [{"chatroom_id": stays}]}}),
    );
    org.delete("L-2");
    has(&org.unrouted(PHONE, W1), json!({"unrouted": {"reason": "NO_CONTACT"}}));
    has(&org.say(&left), json!({"code": "CHATROOM_EXPIRED"}));
}

fn i4_says_why_nothing_was_found(org: &Org) {
    org.settings(json!({}));
    let record = org.receive(PHONE, W1);
    assert_eq!(
        (record.topic, record.key.as_deref()),
        (UNROUTED, Some(format!("{}:{PHONE}", org.id).as_str()))
    );
    has(
        &record.value,
        json!({"from": PHONE, "waba_phone": W1, "unrouted": {"reason": "NO_CONTACT", "rule": "I4", "crm_ids": []}}),
    );
    has(
        &org.unrouted(PHONE, "+12025550199"),
        json!({"unrouted": {"reason": "UNKNOWN_WABA_PHONE", "rule": "I4"}}),
    );
    org.contact("L-1", PHONE);
    has(
        &org.unrouted(PHONE, W1),
        json!({"unrouted": {"reason": "NO_CHATROOM", "crm_ids": ["L-1"]}}),
    );
}

fn i4_unknown_org(org: &Org) {
    has(
        &org.unrouted(PHONE, W1),
        json!({"unrouted": {"reason": "UNKNOWN_ORG", "settings_version": null}}),
    );
    has(
        &org.upsert("L-1", PHONE),
        json!({"status": "REFUSED", "code": "UNKNOWN_ORG"}),
    );
    has(
        &org.say("abc-0190cdd1-7aa5-5c5b-8f9e-0123456789ab"),
        json!({"status": "REFUSED", "code": "UNKNOWN_ORG"}),
    );
    org.settings(json!({}));
    org.contact("L-1", PHONE);
}

fn i5_the_pair_comes_first_in_each_rule(org: &Org) {
    let here = room(org);
    let there = another(org, "L-2", W2);
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": here, "route": {"reason": "ACTIVE"}}),
    );
    org.about("deactivate", &here);
    org.about("deactivate", &there);
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": here, "route": {"reason": "REACTIVATED"}}),
    );
    org.about("deactivate", &here);
    has(
        &org.routed(PHONE, W3),
        json!({"chatroom_id": here, "waba_phone": W1, "received_on": W3, "route": {"reason": "REACTIVATED"}}),
    );
}

fn i5_scope_pair_keeps_to_the_pair(org: &Org) {
    let room = room(org);
    org.settings(json!({"inbound_scope": "PAIR"}));
    has(
        &org.unrouted(PHONE, W2),
        json!({"unrouted": {"reason": "NO_CHATROOM", "crm_ids": ["L-1"]}}),
    );
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "route": {"candidates": [{"chatroom_id": room}]}}),
    );
    let second = another(org, "L-2", W2);
    org.about("deactivate", &second);
    has(
        &org.routed(PHONE, W2),
        json!({"chatroom_id": second, "route": {"reason": "REACTIVATED"}}),
    );
}

fn i6_latest_is_by_status_change_then_message(org: &Org) {
    org.settings(json!({}));
    org.still(long_ago());
    org.contact("L-1", PHONE);
    org.contact("L-2", PHONE);
    let first = org.room("L-1", W1);
    let second = org.room("L-2", W2);
    has(&org.routed(PHONE, W1), json!({"chatroom_id": first}));
    // Same instant of status and creation: the message decides, though the other may have the greater id.
    has(&org.routed(PHONE, W3), json!({"chatroom_id": first}));
    org.at(long_ago() + HOUR);
    org.about("deactivate", &second);
    org.about("activate", &second);
    has(&org.routed(PHONE, W3), json!({"chatroom_id": second}));
}

fn i8_late_messages_move_no_clock_back(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    org.at(now() - DAY + MINUTE);
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    org.at(now() - HOUR * 12);
    org.routed(PHONE, W1);
    let late = org.deliver(message(PHONE, W1).sent_at(days_ago(3)));
    has(&late.value, json!({"chatroom_id": room, "route": {"reason": "ACTIVE"}}));
    org.ahead();
    has(&org.routed(PHONE, W1), json!({"route": {"reason": "ACTIVE"}}));
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm"]);
}

fn i8_a_message_from_the_future_counts_from_now(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    let start = now() - DAY + MINUTE;
    org.still(start);
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    org.deliver(message(PHONE, W1).sent_at(now() + DAY * 10));
    org.ahead();
    has(
        &org.say(&room),
        json!({"code": "CHATROOM_DEACTIVATED", "chatroom": {"since": (start + DAY).to_string()}}),
    );
}

fn i9_system_messages_wake_nothing(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1, "expired_auto_reply": {"text": "Closed."}}));
    org.at(now() - DAY + MINUTE);
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    org.at(now() - HOUR * 12);
    has(
        &org.deliver(message(PHONE, W1).system()).value,
        json!({"chatroom_id": room, "route": {"reason": "ACTIVE"}}),
    );
    org.ahead();
    let appended = org.deliver(message(PHONE, W1).system());
    has(
        &appended.value,
        json!({"chatroom_id": room, "chatroom_status": "DEACTIVATED", "route": {"reason": "DEACTIVATED", "auto_reply": null}}),
    );
    assert_eq!(
        org.story(&room),
        ["CHATROOM_CREATED crm", "CHATROOM_DEACTIVATED inactivity"]
    );
    org.at(long_ago());
    let closed = org.expired_affiliate(OTHER_PHONE, W1);
    let answered = org.deliver(message(OTHER_PHONE, W1).system());
    has(
        &answered.value,
        json!({"chatroom_id": closed, "route": {"reason": "EXPIRED", "auto_reply": "NOT_A_PERSON"}}),
    );
}

fn i9_reactions_count(org: &Org) {
    let room = room(org);
    org.about("deactivate", &room);
    let mut reaction = message(PHONE, W1);
    reaction.body = json!({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "\u{1F44D}"}});
    has(
        &org.deliver(reaction.clone()).value,
        json!({"chatroom_id": room, "route": {"reason": "REACTIVATED"}}),
    );
    org.about("deactivate", &room);
    reaction.body = json!({"type": "unsupported", "errors": [{"code": 131_051}]});
    has(
        &org.deliver(reaction).value,
        json!({"chatroom_id": room, "route": {"reason": "REACTIVATED"}}),
    );
}

fn i10_a_route_lists_every_candidate_best_first(org: &Org) {
    let first = room(org);
    let asleep = id_of(&org.create("L-1", W2, json!({"deactivate_existing": true})));
    org.about("activate", &first);
    let active = another(org, "L-2", W3);
    let routed = org.routed(PHONE, W2);
    let listed: Vec<&str> = routed["route"]["candidates"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["chatroom_id"].as_str())
        .collect();
    assert_eq!(listed, [active.as_str(), first.as_str(), asleep.as_str()]);
    has(
        &routed["route"]["candidates"][2],
        json!({"crm_id": "L-1", "waba_phone": W2, "status": "DEACTIVATED"}),
    );
    assert_eq!(
        instant(&routed["route"]["candidates"][2]["since"]),
        instant(&org.events(&asleep)[1]["occurred_at"])
    );
}

fn i10_names_the_version_of_the_settings(org: &Org) {
    let room = room(org);
    let before = org.routed(PHONE, W1)["route"]["settings_version"]
        .as_i64()
        .expect("a number");
    org.settings(json!({"default_region": "IN"}));
    let after = org.routed(PHONE, W1)["route"]["settings_version"]
        .as_i64()
        .expect("a number");
    assert!(after > before, "{before} then {after}");
    assert_eq!(org.about("activate", &room)["settings_version"].as_i64(), Some(after));
    let unrouted = org.unrouted(OTHER_PHONE, W1);
    assert_eq!(unrouted["unrouted"]["settings_version"].as_i64(), Some(after));
}

fn i11_a_repeat_is_one_message(org: &Org) {
    let room = room(org);
    org.about("deactivate", &room);
    org.deliver(message(PHONE, W1).id("wamid.same"));
    org.about("deactivate", &room);
    for pause in [MINUTE, HOUR, DAY * 6] {
        org.pass(pause);
        let (repeat, _) = org.inbound(message(PHONE, W2).id("wamid.same"));
        org.send(&repeat);
    }
    has(
        &org.deliver(message(PHONE, W1).system()).value,
        json!({"route": {"reason": "DEACTIVATED"}}),
    );
    let same = org
        .published(ROUTED)
        .iter()
        .filter(|record| record.text("message_id") == "wamid.same")
        .count();
    assert_eq!(same, 1);
    assert_eq!(
        org.story(&room)
            .iter()
            .filter(|line| line.starts_with("CHATROOM_ACTIVATED"))
            .count(),
        1
    );
}

fn i11_a_repeat_of_an_unrouted_message_can_be_routed(org: &Org) {
    org.settings(json!({}));
    org.at(long_ago());
    org.deliver(message(PHONE, W1).id("wamid.same"));
    let (repeat, _) = org.inbound(message(PHONE, W1).id("wamid.same"));
    org.send(&repeat);
    org.unrouted(PHONE, W1);
    let ids = |topic: &str| {
        org.published(topic)
            .iter()
            .filter(|record| record.text("message_id") == "wamid.same")
            .count()
    };
    assert_eq!(ids(UNROUTED), 1, "still nowhere to go: published once");
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    for _ in 0..3 {
        let (repeat, _) = org.inbound(message(PHONE, W1).id("wamid.same"));
        org.send(&repeat);
    }
    org.routed(PHONE, W1);
    assert_eq!((ids(UNROUTED), ids(ROUTED)), (1, 1));
    let routed = org.published(ROUTED);
    has(
        &routed[0].value,
        json!({"message_id": "wamid.same", "chatroom_id": room}),
    );
}

fn i11_an_id_is_forgotten_in_time(org: &Org) {
    room(org);
    org.deliver(message(PHONE, W1).id("wamid.same"));
    org.pass(DAY * 10);
    let (repeat, _) = org.inbound(message(PHONE, W1).id("wamid.same"));
    org.send(&repeat);
    org.routed(PHONE, W1);
    let same = org
        .published(ROUTED)
        .iter()
        .filter(|record| record.text("message_id") == "wamid.same")
        .count();
    assert_eq!(same, 2);
}

fn i11_repeats_are_counted(org: &Org) {
    let room = room(org);
    let before = duplicates(org);
    for _ in 0..4 {
        let (repeat, _) = org.inbound(message(PHONE, W1).id("wamid.same"));
        org.send(&repeat);
    }
    has(&org.routed(PHONE, W1), json!({"chatroom_id": room}));
    // Other scenarios repeat messages too.
    assert!(duplicates(org) >= before + 3.0);
}

fn duplicates(org: &Org) -> f64 {
    let text = org.world().metrics(0);
    let lines = text
        .lines()
        .filter(|line| line.starts_with("chatroom_router_duplicates_total{"));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
