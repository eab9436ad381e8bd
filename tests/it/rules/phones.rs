//! P1 to P3: what is a phone, and which spellings are one.

use crate::harness::assert::has;
use crate::harness::topics::{CRM, OUTBOUND, RESULTS};
use crate::scenario::*;
use serde_json::{Value, json};

scenarios! {
    both:
        p1_a_missing_plus_is_added,
        p1_the_default_region_serves_what_people_typed,
        p1_another_spelling_is_no_change_of_phone,
        p2_brazil_is_one_phone_in_two_spellings,
        p2_mexico_is_one_phone_in_two_spellings,
        p2_argentina_is_one_phone_in_two_spellings,
        p3_a_user_id_without_an_alias_is_unrouted;
    program:
        p1_a_message_from_no_phone_is_a_dead_letter_in_any_org,
        p1_a_contact_without_a_phone_is_a_dead_letter_after_its_org_is_known,
        p1_the_default_region_does_not_serve_gateways,
}

fn p1_a_missing_plus_is_added(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    has(
        &org.routed(&PHONE[1..], &W1[1..]),
        json!({"chatroom_id": room, "received_on": W1, "route": {"reason": "ACTIVE"}}),
    );
}

fn p1_the_default_region_serves_what_people_typed(org: &Org) {
    org.settings(json!({"default_region": "IN"}));
    org.contact("L-1", "98123 45678");
    let room = org.room("L-1", W1);
    has(&org.routed(PHONE, W1), json!({"chatroom_id": room}));
    let office = id_of(&org.affiliate("(98123) 45679", W1));
    has(&org.routed(OTHER_PHONE, W1), json!({"chatroom_id": office}));
}

fn p1_another_spelling_is_no_change_of_phone(org: &Org) {
    org.settings(json!({"default_region": "IN"}));
    org.contact("L-1", "98123 45678");
    let room = org.room("L-1", W1);
    has(&org.upsert("L-1", "+91 98123-45678"), json!({"status": "UNCHANGED"}));
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm"]);
}

fn p2_brazil_is_one_phone_in_two_spellings(org: &Org) {
    two_spellings(org, "+5511961234567", "+551161234567");
}

fn p2_mexico_is_one_phone_in_two_spellings(org: &Org) {
    two_spellings(org, "+522221234567", "+5212221234567");
}

fn p2_argentina_is_one_phone_in_two_spellings(org: &Org) {
    two_spellings(org, "+5491123456789", "+541123456789");
}

/// Either finds the entry; the canonical one is in keys; the one last received is used to send.
fn two_spellings(org: &Org, canonical: &str, other: &str) {
    org.settings(json!({}));
    org.contact("L-1", other);
    let room = org.room("L-1", W1);
    has(&org.upsert("L-1", canonical), json!({"status": "UNCHANGED"}));
    for spelling in [canonical, other, canonical] {
        has(
            &org.routed(spelling, W1),
            json!({"chatroom_id": room, "route": {"reason": "ACTIVE"}}),
        );
        let request = org.say(&room)["request_id"].clone();
        let sent = org.published(OUTBOUND);
        let last = sent
            .iter()
            .find(|record| record.value["request_id"] == request)
            .expect("sent");
        assert_eq!(last.text("to"), spelling);
        assert_eq!(last.key, Some(format!("{}:{canonical}", org.id)));
    }
    let lost = org.unrouted(other, "+12025550199");
    has(
        &lost,
        json!({"from": other, "unrouted": {"reason": "UNKNOWN_WABA_PHONE"}}),
    );
}

fn p3_a_user_id_without_an_alias_is_unrouted(org: &Org) {
    org.settings(json!({}));
    let (mut input, id) = org.inbound(message(PHONE, W1));
    let mut value: Value = serde_json::from_slice(&input.value.take().expect("set")).expect("JSON");
    value.as_object_mut().expect("an object").remove("from");
    value["from_user_id"] = json!("IN.1234567890");
    input.value = Some(value.to_string().into_bytes());
    org.send(&input.key(Some(&format!("{}:IN.1234567890", org.id))));
    let record = org.outcome(&id);
    has(
        &record.value,
        json!({"from_user_id": "IN.1234567890", "unrouted": {"reason": "NO_PHONE", "rule": "I4"}}),
    );
    assert_eq!(
        record.key.as_deref(),
        Some(format!("{}:IN.1234567890", org.id).as_str())
    );
}

fn p1_a_message_from_no_phone_is_a_dead_letter_in_any_org(org: &Org) {
    for from in ["12", "abc", "+1999", "+919812", ""] {
        let (input, _) = org.inbound(message(from, W1));
        let dead = org.dead_letter(&input);
        assert!(
            ["BAD_PHONE", "MALFORMED"].contains(&dead.header("dlq_reason")),
            "{from:?}: {:?}",
            dead.headers
        );
    }
    org.settings(json!({}));
    let (input, _) = org.inbound(message("+1999", W1));
    assert_eq!(org.dead_letter(&input).header("dlq_reason"), "BAD_PHONE");
}

fn p1_a_contact_without_a_phone_is_a_dead_letter_after_its_org_is_known(org: &Org) {
    has(
        &org.upsert("L-1", "+1999"),
        json!({"status": "REFUSED", "code": "UNKNOWN_ORG"}),
    );
    org.settings(json!({"expire_after_days": 1}));
    let command = |crm_id: &str, phone: &str| json!({"org_id": org.id, "type": "contact.upsert", "crm_id": crm_id, "phone": phone});
    let bad = |crm_id: &str, phone: &str| {
        let input =
            crate::harness::client::Input::new(CRM, &org.id, command(crm_id, phone).to_string().as_bytes(), now());
        org.dead_letter(&input)
    };
    assert_eq!(bad("L-2", "+1999").header("dlq_reason"), "BAD_PHONE");
    assert_eq!(
        bad("L-2", "98123 45678").header("dlq_reason"),
        "BAD_PHONE",
        "the org has no default region"
    );
    org.ahead();
    org.run(json!({"type": "contact.upsert", "crm_id": "L-3", "phone": PHONE, "created_at": days_ago(2).to_string()}));
    has(
        &org.upsert("L-3", "+1999"),
        json!({"status": "REFUSED", "code": "CONTACT_EXPIRED"}),
    );
    let results = org.published(RESULTS);
    assert!(
        results.iter().all(|record| record.value["contact"]["crm_id"] != "L-2"),
        "a dead letter has no result"
    );
}

fn p1_the_default_region_does_not_serve_gateways(org: &Org) {
    org.settings(json!({"default_region": "IN"}));
    org.contact("L-1", PHONE);
    let (input, _) = org.inbound(message("12345", W1));
    let dead = org.dead_letter(&input);
    assert_eq!(dead.header("dlq_reason"), "BAD_PHONE");
    let value: Value = serde_json::from_slice(&dead.bytes).expect("as it came");
    assert_eq!(value["from"], "12345");
}
