//! A2, A5, I0: what time alone does, by whose days, and in which order.

use crate::harness::assert::has;
use crate::scenario::*;
use jiff::Timestamp;
use serde_json::{Value, json};

scenarios! {
    both:
        a2_a_silent_chatroom_is_deactivated,
        a2_a_message_restarts_the_clock,
        a2_activation_restarts_the_clock,
        a2_what_we_send_does_not_restart_the_clock,
        a2_a_sweep_makes_the_event_without_a_record,
        a5_absent_days_are_off,
        a5_a_change_holds_from_its_own_instant,
        a5_raising_revives_nothing,
        a5_settings_replaced_before_a_contact_was_known_do_not_judge_it,
        i0_timers_fire_at_their_own_instants_in_their_order,
        i0_of_two_due_at_once_expiry_wins,
        i0_an_org_without_settings_has_no_timers,
        i0_commands_find_due_timers_applied;
    program:
        a5_impossible_days_are_refused_whole,
        c4_a_sweep_expires_a_contact_in_time,
}

/// A contact and its chatroom, both decided at this past instant.
fn room_since(org: &Org, instant: Timestamp) -> String {
    org.still(instant);
    org.contact("L-1", PHONE);
    org.room("L-1", W1)
}

fn a2_a_silent_chatroom_is_deactivated(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    let start = now() - DAY + MINUTE;
    let room = room_since(org, start);
    org.ahead();
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "route": {"reason": "REACTIVATED", "candidates": [{"status": "DEACTIVATED", "since": (start + DAY).to_string()}]}}),
    );
    assert_eq!(
        org.story(&room),
        [
            "CHATROOM_CREATED crm",
            "CHATROOM_DEACTIVATED inactivity",
            "CHATROOM_ACTIVATED inbound"
        ]
    );
    has(
        &org.events(&room)[1],
        json!({"occurred_at": (start + DAY).to_string(), "request_id": null}),
    );
}

fn a2_a_message_restarts_the_clock(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    let room = room_since(org, now() - DAY + MINUTE);
    org.at(now() - HOUR * 12);
    org.routed(PHONE, W1);
    org.ahead();
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "route": {"reason": "ACTIVE"}}),
    );
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm"]);
}

fn a2_activation_restarts_the_clock(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    let room = room_since(org, now() - DAY + MINUTE);
    org.at(now() - HOUR * 12);
    org.about("deactivate", &room);
    org.about("activate", &room);
    org.ahead();
    has(&org.say(&room), json!({"status": "APPLIED"}));
}

fn a2_what_we_send_does_not_restart_the_clock(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    let room = room_since(org, now() - DAY + MINUTE);
    org.at(now() - HOUR * 12);
    has(&org.say(&room), json!({"status": "APPLIED"}));
    org.ahead();
    has(
        &org.say(&room),
        json!({"status": "REFUSED", "code": "CHATROOM_DEACTIVATED"}),
    );
}

fn a2_a_sweep_makes_the_event_without_a_record(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    let start = now() - DAY + SECOND * 3;
    let room = room_since(org, start);
    let event = org.await_event("CHATROOM_DEACTIVATED", &room);
    has(
        &event,
        json!({"reason": "inactivity", "occurred_at": (start + DAY).to_string(), "request_id": null}),
    );
}

fn c4_a_sweep_expires_a_contact_in_time(org: &Org) {
    org.settings(json!({"expire_after_days": 1}));
    let start = now() - DAY + SECOND * 10;
    let room = room_since(org, start);
    let due = (start + DAY).to_string();
    has(
        &org.await_event("CONTACT_EXPIRED", "L-1"),
        json!({"reason": "age", "occurred_at": due}),
    );
    has(
        &org.await_event("CHATROOM_EXPIRED", &room),
        json!({"reason": "age", "occurred_at": due}),
    );
}

fn a5_absent_days_are_off(org: &Org) {
    org.settings(json!({"deactivate_after_days": null}));
    let room = room_since(org, long_ago());
    org.ahead();
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "route": {"reason": "ACTIVE"}}),
    );
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm"]);
}

/// 180, 1, 180 within a moment: what was older than a day was due under the 1, and stays so.
fn a5_a_change_holds_from_its_own_instant(org: &Org) {
    org.settings(json!({"expire_after_days": 180}));
    let room = room_since(org, days_ago(2));
    org.still(days_ago(2));
    org.run(json!({"type": "contact.upsert", "crm_id": "L-2", "phone": OTHER_PHONE}));
    let before = Timestamp::now();
    org.settings(json!({"expire_after_days": 1}));
    let after = Timestamp::now();
    org.settings(json!({"expire_after_days": 180}));
    org.ahead();
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "route": {"reason": "EXPIRED"}}),
    );
    let expired = org.events("L-1")[1].clone();
    has(&expired, json!({"type": "CONTACT_EXPIRED", "reason": "age"}));
    between(&expired["occurred_at"], before, after);
    has(&org.upsert("L-2", OTHER_PHONE), json!({"code": "CONTACT_EXPIRED"}));
}

fn between(value: &Value, before: Timestamp, after: Timestamp) {
    let instant = instant(value);
    let slack = SECOND / 10;
    assert!(
        before - slack <= instant && instant <= after + slack,
        "{instant} is not between {before} and {after}"
    );
}

fn a5_raising_revives_nothing(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    let room = room_since(org, days_ago(2));
    org.settings(json!({"deactivate_after_days": 30}));
    org.ahead();
    has(&org.say(&room), json!({"code": "CHATROOM_DEACTIVATED"}));
}

fn a5_settings_replaced_before_a_contact_was_known_do_not_judge_it(org: &Org) {
    org.settings(json!({"expire_after_days": 1}));
    org.settings(json!({"expire_after_days": 30}));
    org.ahead();
    let result = org
        .run(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE, "created_at": days_ago(5).to_string()}));
    has(&result, json!({"status": "APPLIED", "contact": {"status": "ACTIVE"}}));
}

fn i0_timers_fire_at_their_own_instants_in_their_order(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1, "expire_after_days": 2}));
    let (born, opened) = (now() - DAY * 2 + MINUTE * 2, now() - DAY + MINUTE);
    org.at(born);
    org.contact("L-1", PHONE);
    org.at(opened);
    let room = org.room("L-1", W1);
    org.ahead();
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "route": {"reason": "EXPIRED"}}),
    );
    assert_eq!(
        org.story(&room),
        [
            "CHATROOM_CREATED crm",
            "CHATROOM_DEACTIVATED inactivity",
            "CHATROOM_EXPIRED age"
        ]
    );
    let events = org.events(&room);
    has(&events[1], json!({"occurred_at": (opened + DAY).to_string()}));
    has(&events[2], json!({"occurred_at": (born + DAY * 2).to_string()}));
}

fn i0_of_two_due_at_once_expiry_wins(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1, "expire_after_days": 1}));
    let room = room_since(org, now() - DAY + MINUTE);
    org.ahead();
    has(&org.routed(PHONE, W1), json!({"route": {"reason": "EXPIRED"}}));
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm", "CHATROOM_EXPIRED age"]);
}

fn i0_an_org_without_settings_has_no_timers(org: &Org) {
    org.settings(json!({"expire_after_days": 30}));
    let room = room_since(org, days_ago(2));
    org.remove_settings();
    org.ahead();
    has(&org.unrouted(PHONE, W1), json!({"unrouted": {"reason": "UNKNOWN_ORG"}}));
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm"]);
    let before = Timestamp::now();
    org.settings(json!({"expire_after_days": 1}));
    let after = Timestamp::now();
    // The entry has been judged ahead of the clock already, and never goes back.
    org.at(now() + MINUTE * 4);
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "route": {"reason": "EXPIRED"}}),
    );
    between(&org.events("L-1")[1]["occurred_at"], before, after);
}

fn i0_commands_find_due_timers_applied(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    let start = now() - DAY + MINUTE;
    let room = room_since(org, start);
    org.ahead();
    let since = (start + DAY).to_string();
    has(
        &org.about("deactivate", &room),
        json!({"status": "UNCHANGED", "chatroom": {"status": "DEACTIVATED", "since": since}}),
    );
    has(
        &org.create("L-1", W1, json!({})),
        json!({"status": "UNCHANGED", "chatroom": {"status": "DEACTIVATED"}}),
    );
}

fn a5_impossible_days_are_refused_whole(org: &Org) {
    org.settings(json!({"expire_after_days": 300}));
    let room = room_since(org, days_ago(40));
    for days in [json!(0), json!(-1), json!(36_501), json!(1.5), json!("1")] {
        let reason = org.dead_settings(json!({"expire_after_days": days, "waba_phones": []}));
        assert!(
            ["BAD_SETTINGS", "MALFORMED"].contains(&reason.as_str()),
            "{days}: {reason}"
        );
    }
    assert_eq!(org.dead_settings(json!({"deactivate_after_days": 0})), "BAD_SETTINGS");
    org.ahead();
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "route": {"reason": "ACTIVE"}}),
    );
    has(
        &org.settings(json!({"expire_after_days": 36_500})),
        json!({"status": "APPLIED"}),
    );
}
