//! S1 to S3 and the contracts around them: order, any key and partition, orgs apart, and messages byte for byte.

use crate::harness::assert::has;
use crate::harness::client::Input;
use crate::harness::topics::{CRM, INBOUND, LIFECYCLE, OUTBOUND, OUTBOUND_REQUESTS, OUTPUTS, ROUTED};
use crate::scenario::*;
use serde_json::json;

scenarios! {
    both:
        s1_messages_of_a_phone_keep_their_order;
    program:
        s1_any_key_on_any_partition_is_judged_by_the_same_rules,
        s1_messages_under_one_foreign_key_keep_their_order,
        s1_decision_times_never_go_back,
        s1_a_clock_that_is_wrong_is_not_believed,
        s2_every_output_is_an_event_with_an_id_of_its_own,
        s2_the_trace_of_the_cause_is_passed_on,
        s2_messages_pass_byte_for_byte,
        s3_orgs_share_nothing,
        s3_what_is_wrong_stops_nobody,
}

fn room(org: &Org) -> String {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    org.room("L-1", W1)
}

fn routed_ids(org: &Org) -> Vec<String> {
    org.published(ROUTED)
        .iter()
        .map(|record| record.text("message_id").to_owned())
        .collect()
}

fn s1_messages_of_a_phone_keep_their_order(org: &Org) {
    room(org);
    let sent: Vec<String> = (0..300)
        .map(|_| {
            let (input, id) = org.inbound(message(PHONE, W1));
            org.send(&input);
            id
        })
        .collect();
    org.outcome(&sent[299]);
    assert_eq!(routed_ids(org), sent);
}

fn s1_any_key_on_any_partition_is_judged_by_the_same_rules(org: &Org) {
    let room = room(org);
    let keys = [None, Some("nonsense"), Some(""), Some("acme:+1")];
    for (number, key) in keys.iter().enumerate() {
        let crm_id = format!("L-{number}-x");
        let (input, request) = org.command(json!({"type": "contact.upsert", "crm_id": crm_id, "phone": PHONE}));
        org.send(&input.key(*key));
        has(&org.result(&request), json!({"status": "APPLIED"}));
        let (input, id) = org.inbound(message(PHONE, W1));
        org.send(&input.key(*key));
        has(&org.outcome(&id).value, json!({"chatroom_id": room}));
    }
    for partition in 0..org.world().input_partitions(INBOUND) {
        let (input, id) = org.inbound(message(PHONE, W1));
        org.send(&input.partition(partition));
        has(
            &org.outcome(&id).value,
            json!({"chatroom_id": room, "route": {"reason": "ACTIVE"}}),
        );
    }
    for (topic, verb) in [(CRM, "deactivate"), (CRM, "activate"), (OUTBOUND_REQUESTS, "")] {
        for partition in 0..org.world().input_partitions(topic) {
            let body = json!({"chatroom_id": room, "message": {"type": "text", "text": {"body": "Hi"}}});
            let verb = json!({"chatroom_id": room, "type": format!("chatroom.{verb}")});
            let (input, request) = org.command(if topic == CRM { verb } else { body });
            org.send(&input.partition(partition));
            let status = org.result(&request)["status"].clone();
            assert!(status == "APPLIED" || status == "UNCHANGED", "{status}");
        }
    }
}

fn s1_messages_under_one_foreign_key_keep_their_order(org: &Org) {
    room(org);
    let sent: Vec<String> = (0..100)
        .map(|_| {
            let (input, id) = org.inbound(message(PHONE, W1));
            org.send(&input.key(Some("the same for all")));
            id
        })
        .collect();
    sent.iter().for_each(|id| {
        org.outcome(id);
    });
    assert_eq!(routed_ids(org), sent, "one partition, one way through router-commands");
}

fn s1_decision_times_never_go_back(org: &Org) {
    org.settings(json!({}));
    org.at(days_ago(10));
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    org.at(days_ago(20));
    let result = org.about("deactivate", &room);
    assert!(instant(&result["decided_at"]) >= days_ago(11), "{result}");
    let events = org.events(&room);
    assert!(
        instant(&events[1]["occurred_at"]) >= instant(&events[0]["occurred_at"]),
        "{events:?}"
    );
}

fn s1_a_clock_that_is_wrong_is_not_believed(org: &Org) {
    org.settings(json!({}));
    let before = now();
    for (crm_id, wrong) in [
        ("L-1", now() + DAY * 30),
        ("L-2", jiff::Timestamp::UNIX_EPOCH + DAY),
        ("L-3", now() + MINUTE * 10),
    ] {
        org.still(wrong);
        let decided = instant(&org.contact(crm_id, PHONE)["decided_at"]);
        assert!(
            before - SECOND <= decided && decided <= now() + MINUTE,
            "{wrong}: {decided}"
        );
    }
}

fn s2_every_output_is_an_event_with_an_id_of_its_own(org: &Org) {
    let room = room(org);
    org.routed(PHONE, W1);
    org.unrouted(OTHER_PHONE, W1);
    org.say(&room);
    let mut count = 0;
    for topic in OUTPUTS {
        for record in org.published(topic) {
            count += 1;
            assert_eq!(record.header("ce_specversion"), "1.0", "{topic}");
            assert_eq!(record.header("content-type"), "application/json", "{topic}");
            assert!(record.header("ce_id").parse::<uuid::Uuid>().is_ok(), "{topic}");
            assert!(record.header("ce_time").parse::<jiff::Timestamp>().is_ok(), "{topic}");
        }
    }
    // Results of settings, contact, chatroom and sending; two events; and one of each kind of message.
    assert_eq!(count, 4 + 2 + 3);
}

fn s2_the_trace_of_the_cause_is_passed_on(org: &Org) {
    org.settings(json!({}));
    let trace = |number: u32| format!("00-{number:032x}-00f067aa0ba902b7-01");
    let traced = |input: Input, number: u32| {
        input
            .header("traceparent", &trace(number))
            .header("tracestate", "vendor=1")
    };
    let (command, request) = org.command(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE}));
    org.send(&traced(command, 1));
    org.result(&request);
    org.room("L-1", W1);
    let (input, id) = org.inbound(message(PHONE, W1));
    org.send(&traced(input, 2).key(Some("elsewhere")));
    let routed = org.outcome(&id);
    let created = org.published(LIFECYCLE);
    for (record, number) in [(&created[0], 1), (&routed, 2)] {
        assert_eq!(
            record.header("traceparent").split('-').nth(1),
            trace(number).split('-').nth(1),
            "{:?}",
            record.headers
        );
        assert_eq!(record.header("tracestate"), "vendor=1");
    }
}

fn s2_messages_pass_byte_for_byte(org: &Org) {
    let room = room(org);
    let odd = r#"{ "type":"text","text" : {"body":"caf\u00e9 \/ 1"}, "n":1.0e+2,"big":123456789012345678901234567890,"n":2 }"#;
    let inbound = format!(
        r#"{{"org_id":"{}","waba_phone":"{W1}","from":"{PHONE}","message_id":"odd","sent_at":"{}","later":true,"message":{odd}}}"#,
        org.id,
        now()
    );
    org.send(&Input::new(
        INBOUND,
        &format!("{}:{PHONE}", org.id),
        inbound.as_bytes(),
        now(),
    ));
    let routed = org.outcome("odd");
    assert!(String::from_utf8_lossy(&routed.bytes).contains(odd), "{}", routed.value);
    let lost = inbound.replace(PHONE, OTHER_PHONE).replace("\"odd\"", "\"lost\"");
    org.send(&Input::new(INBOUND, &org.id, lost.as_bytes(), now()));
    assert!(String::from_utf8_lossy(&org.outcome("lost").bytes).contains(odd));
    let request = format!(
        r#"{{"org_id":"{}","request_id":"odd-1","chatroom_id":"{room}","message":{odd}}}"#,
        org.id
    );
    org.send(&Input::new(OUTBOUND_REQUESTS, &org.id, request.as_bytes(), now()));
    has(&org.result("odd-1"), json!({"status": "APPLIED"}));
    let sent = org.published(OUTBOUND);
    assert!(String::from_utf8_lossy(&sent[0].bytes).contains(odd));
}

fn s3_orgs_share_nothing(org: &Org) {
    let neighbour = Org::of_the_program("s3_neighbour");
    let here = room(org);
    neighbour.settings(json!({}));
    has(
        &neighbour.unrouted(PHONE, W1),
        json!({"unrouted": {"reason": "NO_CONTACT"}}),
    );
    has(
        &neighbour.create("L-1", W1, json!({})),
        json!({"code": "CONTACT_NOT_FOUND"}),
    );
    for verb in ["activate", "deactivate", "expire"] {
        has(
            &neighbour.about(verb, &here),
            json!({"status": "REFUSED", "code": "CHATROOM_NOT_FOUND", "chatroom": null}),
        );
    }
    has(&neighbour.say(&here), json!({"code": "CHATROOM_NOT_FOUND"}));
    neighbour.contact("L-1", PHONE);
    let there = neighbour.room("L-1", W1);
    assert_ne!(here, there);
    has(&org.routed(PHONE, W1), json!({"chatroom_id": here}));
    has(&neighbour.routed(PHONE, W1), json!({"chatroom_id": there}));
}

fn s3_what_is_wrong_stops_nobody(org: &Org) {
    let room = room(org);
    let key = format!("{}:{PHONE}", org.id);
    for number in 0..20 {
        let garbage = Input::new(INBOUND, &key, format!("garbage {number}").as_bytes(), now());
        let (good, id) = org.inbound(message(PHONE, W1));
        let dead = org.world().client.send(&garbage);
        org.send(&good);
        has(&org.outcome(&id).value, json!({"chatroom_id": room}));
        let (partition, offset) = dead.place();
        assert_eq!(
            dead_letter_of(org.log(), INBOUND, partition, offset).header("dlq_reason"),
            "NOT_JSON"
        );
    }
}
