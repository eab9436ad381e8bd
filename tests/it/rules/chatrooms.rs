//! R1 to R9: who may have a chatroom where, and how many may be active.

use crate::harness::assert::has;
use crate::scenario::*;
use serde_json::{Value, json};

scenarios! {
    both:
        r1_a_taken_pair_is_a_conflict_that_names_it,
        r1_a_deactivated_chatroom_does_not_take_the_pair,
        r2_creating_again_returns_what_is_there,
        r2_creating_again_wakes_nothing,
        r2_an_affiliate_on_the_pair_is_returned,
        r3_the_strict_flag_looks_at_the_other_waba_phones,
        r3_the_next_free_waba_phone_is_taken_in_order,
        r3_with_both_flags_the_strict_one_comes_first,
        r4_a_new_chatroom_supersedes_all_active_ones,
        r4_refused_deactivates_nothing,
        r5_refuses_what_does_not_exist,
        r5_on_an_unregistered_waba_phone_only_active_chatrooms_receive,
        r5_the_contact_is_looked_at_before_the_waba_phone,
        r6_an_affiliate_needs_a_phone_without_contacts,
        r6_only_affiliates_are_expired_by_command,
        r6_a_phone_may_have_an_affiliate_on_each_waba_phone,
        r6_affiliates_do_not_fall_asleep,
        r7_one_active_chatroom_per_pair,
        r8_activating_one_deactivates_the_other,
        r8_a_message_that_wakes_one_deactivates_the_other;
    program:
        r9_a_phone_holds_a_thousand_contacts,
        r9_a_phone_holds_a_thousand_chatrooms,
}

fn two_contacts(org: &Org) {
    org.settings(json!({}));
    org.at(long_ago());
    org.contact("L-1", PHONE);
    org.contact("L-2", PHONE);
}

fn r1_a_taken_pair_is_a_conflict_that_names_it(org: &Org) {
    two_contacts(org);
    let taken = org.room("L-1", W1);
    let refused = org.create("L-2", W1, json!({}));
    has(
        &refused,
        json!({"status": "REFUSED", "code": "CHATROOM_CONFLICT", "type": "chatroom.create"}),
    );
    has(
        &refused["conflict"],
        json!({"chatroom_id": taken, "crm_id": "L-1", "waba_phone": W1}),
    );
    assert!(refused["detail"].as_str().is_some_and(|detail| !detail.is_empty()) || org.is_model());
    let elsewhere = org.room("L-2", W2);
    assert_eq!(org.story(&elsewhere), ["CHATROOM_CREATED crm"]);
}

fn r1_a_deactivated_chatroom_does_not_take_the_pair(org: &Org) {
    two_contacts(org);
    let first = org.room("L-1", W1);
    org.about("deactivate", &first);
    let second = org.room("L-2", W1);
    has(
        &org.about("activate", &first),
        json!({"code": "CHATROOM_CONFLICT", "conflict": {"chatroom_id": second, "crm_id": "L-2"}}),
    );
}

fn r2_creating_again_returns_what_is_there(org: &Org) {
    two_contacts(org);
    let room = org.room("L-1", W1);
    let again = json!({"status": "UNCHANGED", "chatroom": {"chatroom_id": room, "waba_phone": W1, "status": "ACTIVE"}});
    has(&org.create("L-1", W1, json!({})), again.clone());
    has(&org.create("L-1", W2, json!({"next_free_waba_phone": true})), again);
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm"]);
}

fn r2_creating_again_wakes_nothing(org: &Org) {
    two_contacts(org);
    let first = org.room("L-1", W1);
    let second = id_of(&org.create("L-1", W2, json!({"deactivate_existing": true})));
    has(
        &org.create("L-1", W1, json!({})),
        json!({"status": "UNCHANGED", "chatroom": {"chatroom_id": second, "status": "ACTIVE"}}),
    );
    org.about("activate", &first);
    org.about("deactivate", &first);
    let latest = org.create("L-1", W2, json!({}));
    has(
        &latest,
        json!({"status": "UNCHANGED", "chatroom": {"chatroom_id": first, "status": "DEACTIVATED"}}),
    );
    assert_eq!(
        org.story(&first).last().map(String::as_str),
        Some("CHATROOM_DEACTIVATED crm")
    );
}

fn r2_an_affiliate_on_the_pair_is_returned(org: &Org) {
    org.settings(json!({}));
    let office = id_of(&org.affiliate(PHONE, W1));
    org.about("deactivate", &office);
    let again = json!({"status": "UNCHANGED", "chatroom": {"chatroom_id": office, "kind": "AFFILIATE", "status": "DEACTIVATED"}});
    has(&org.affiliate(PHONE, W1), again);
}

fn r3_the_strict_flag_looks_at_the_other_waba_phones(org: &Org) {
    two_contacts(org);
    let strict = json!({"fail_if_chatroom_exists_on_other_waba_phone": true});
    let taken = org.room("L-1", W1);
    let refused =
        json!({"status": "REFUSED", "code": "CHATROOM_CONFLICT", "conflict": {"chatroom_id": taken, "crm_id": "L-1"}});
    has(&org.create("L-2", W2, strict.clone()), refused);
    org.about("deactivate", &taken);
    has(&org.create("L-2", W2, strict), json!({"status": "APPLIED"}));
}

fn r3_the_next_free_waba_phone_is_taken_in_order(org: &Org) {
    two_contacts(org);
    let next = json!({"next_free_waba_phone": true});
    for crm_id in ["L-3", "L-4"] {
        org.contact(crm_id, PHONE);
    }
    org.room("L-1", W2);
    has(
        &org.create("L-2", W2, next.clone()),
        json!({"status": "APPLIED", "chatroom": {"waba_phone": W3}}),
    );
    has(
        &org.create("L-3", W2, next.clone()),
        json!({"status": "APPLIED", "chatroom": {"waba_phone": W1}}),
    );
    has(
        &org.create("L-4", W2, next),
        json!({"status": "REFUSED", "code": "CHATROOM_CONFLICT"}),
    );
}

fn r3_with_both_flags_the_strict_one_comes_first(org: &Org) {
    two_contacts(org);
    let both = json!({"next_free_waba_phone": true, "fail_if_chatroom_exists_on_other_waba_phone": true});
    let taken = org.room("L-1", W1);
    let refused = json!({"status": "REFUSED", "code": "CHATROOM_CONFLICT", "conflict": {"chatroom_id": taken}});
    has(&org.create("L-2", W3, both.clone()), refused);
    has(
        &org.create("L-2", W1, both),
        json!({"status": "APPLIED", "chatroom": {"waba_phone": W2}}),
    );
}

fn r4_a_new_chatroom_supersedes_all_active_ones(org: &Org) {
    two_contacts(org);
    let first = org.room("L-1", W1);
    let request = org.start(json!({"type": "chatroom.create", "crm_id": "L-1", "waba_phone": W1, "deactivate_existing": true, "external_ref_id": "deal-9"}));
    let second = id_of(&org.result(&request));
    assert_ne!(first, second);
    assert_eq!(
        org.story(&first),
        ["CHATROOM_CREATED crm", "CHATROOM_DEACTIVATED superseded"]
    );
    has(&org.events(&first)[1], json!({"request_id": request}));
    has(
        &org.events(&second)[0],
        json!({"type": "CHATROOM_CREATED", "external_ref_id": "deal-9", "request_id": request}),
    );
}

fn r4_refused_deactivates_nothing(org: &Org) {
    two_contacts(org);
    let own = org.room("L-1", W1);
    let others = org.room("L-2", W2);
    let refused = org.create("L-1", W2, json!({"deactivate_existing": true}));
    has(
        &refused,
        json!({"status": "REFUSED", "code": "CHATROOM_CONFLICT", "conflict": {"chatroom_id": others}}),
    );
    let strict = json!({"deactivate_existing": true, "fail_if_chatroom_exists_on_other_waba_phone": true});
    has(&org.create("L-1", W3, strict), json!({"code": "CHATROOM_CONFLICT"}));
    assert_eq!(org.story(&own), ["CHATROOM_CREATED crm"]);
}

fn r5_refuses_what_does_not_exist(org: &Org) {
    two_contacts(org);
    has(
        &org.create("L-1", "+12025550199", json!({})),
        json!({"status": "REFUSED", "code": "UNKNOWN_WABA_PHONE"}),
    );
    has(
        &org.affiliate(OTHER_PHONE, "+12025550199"),
        json!({"status": "REFUSED", "code": "UNKNOWN_WABA_PHONE"}),
    );
    has(
        &org.create("L-9", W1, json!({})),
        json!({"status": "REFUSED", "code": "CONTACT_NOT_FOUND"}),
    );
}

fn r5_the_contact_is_looked_at_before_the_waba_phone(org: &Org) {
    org.settings(json!({"expire_after_days": 1}));
    has(
        &org.create("L-9", "+12025550199", json!({})),
        json!({"code": "CONTACT_NOT_FOUND"}),
    );
    org.ahead();
    org.run(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE, "created_at": days_ago(2).to_string()}));
    has(
        &org.create("L-1", "+12025550199", json!({})),
        json!({"status": "REFUSED", "code": "CONTACT_EXPIRED"}),
    );
}

fn r5_on_an_unregistered_waba_phone_only_active_chatrooms_receive(org: &Org) {
    two_contacts(org);
    let room = org.room("L-1", W2);
    let only_first: Value = json!([{"phone": W1, "phone_number_id": "1", "waba_id": "2"}]);
    has(
        &org.settings(json!({"waba_phones": only_first})),
        json!({"status": "APPLIED", "type": "settings.put"}),
    );
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "waba_phone": W2, "received_on": W1, "route": {"reason": "ACTIVE"}}),
    );
    has(
        &org.unrouted(PHONE, W2),
        json!({"unrouted": {"reason": "UNKNOWN_WABA_PHONE"}}),
    );
    has(
        &org.say(&room),
        json!({"status": "REFUSED", "code": "UNKNOWN_WABA_PHONE"}),
    );
    org.about("deactivate", &room);
    let passed_over = org.unrouted(PHONE, W1);
    assert_eq!(passed_over["unrouted"]["crm_ids"].as_array().map(Vec::len), Some(2));
    has(&passed_over, json!({"unrouted": {"reason": "NO_CHATROOM"}}));
    has(
        &org.about("activate", &room),
        json!({"status": "REFUSED", "code": "UNKNOWN_WABA_PHONE"}),
    );
}

fn r6_an_affiliate_needs_a_phone_without_contacts(org: &Org) {
    two_contacts(org);
    let refused = org.affiliate(PHONE, W1);
    has(&refused, json!({"status": "REFUSED", "code": "PHONE_HAS_CONTACTS"}));
    let mut named: Vec<&str> = refused["conflict"]["crm_ids"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    named.sort_unstable();
    assert_eq!(named, ["L-1", "L-2"]);
    org.delete("L-1");
    org.delete("L-2");
    let office = org.affiliate(PHONE, W1);
    has(
        &office,
        json!({"status": "APPLIED", "chatroom": {"kind": "AFFILIATE", "crm_id": null, "status": "ACTIVE"}}),
    );
    has(
        &org.events(&id_of(&office))[0],
        json!({"chatroom_kind": "AFFILIATE", "display_name": "Back office"}),
    );
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_kind": "AFFILIATE", "crm_id": null, "chatroom_id": id_of(&office)}),
    );
}

fn r6_only_affiliates_are_expired_by_command(org: &Org) {
    two_contacts(org);
    let room = org.room("L-1", W1);
    has(
        &org.about("expire", &room),
        json!({"status": "REFUSED", "code": "NOT_AN_AFFILIATE"}),
    );
    let office = id_of(&org.affiliate(OTHER_PHONE, W1));
    let expired = org.run_by_api(json!({"type": "chatroom.expire", "chatroom_id": office}));
    has(
        &expired,
        json!({"status": "APPLIED", "chatroom": {"status": "EXPIRED"}}),
    );
    has(&org.about("expire", &office), json!({"status": "UNCHANGED"}));
    assert_eq!(org.story(&office), ["CHATROOM_CREATED crm", "CHATROOM_EXPIRED api"]);
    let second = id_of(&org.affiliate(OTHER_PHONE, W1));
    assert_ne!(office, second);
}

fn r6_a_phone_may_have_an_affiliate_on_each_waba_phone(org: &Org) {
    org.settings(json!({}));
    let first = id_of(&org.affiliate(PHONE, W1));
    let flags = json!({"kind": "AFFILIATE", "phone": PHONE, "waba_phone": W2, "fail_if_chatroom_exists_on_other_waba_phone": true, "deactivate_existing": true});
    let mut command = json!({"type": "chatroom.create"});
    merge(&mut command, flags);
    has(
        &org.run(command),
        json!({"status": "APPLIED", "chatroom": {"waba_phone": W2, "status": "ACTIVE"}}),
    );
    assert_eq!(org.story(&first), ["CHATROOM_CREATED crm"]);
    has(&org.about("activate", &first), json!({"status": "UNCHANGED"}));
}

fn r6_affiliates_do_not_fall_asleep(org: &Org) {
    org.settings(json!({"deactivate_after_days": 1}));
    org.at(long_ago());
    let office = id_of(&org.affiliate(PHONE, W1));
    org.ahead();
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": office, "route": {"reason": "ACTIVE"}}),
    );
    assert_eq!(org.story(&office), ["CHATROOM_CREATED crm"]);
}

fn r7_one_active_chatroom_per_pair(org: &Org) {
    two_contacts(org);
    let first = org.room("L-1", W1);
    org.about("deactivate", &first);
    let second = org.room("L-2", W1);
    has(&org.about("activate", &first), json!({"code": "CHATROOM_CONFLICT"}));
    org.about("deactivate", &second);
    has(&org.about("activate", &first), json!({"status": "APPLIED"}));
    has(
        &org.about("activate", &second),
        json!({"code": "CHATROOM_CONFLICT", "conflict": {"chatroom_id": first}}),
    );
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": first, "route": {"reason": "ACTIVE"}}),
    );
}

fn r8_activating_one_deactivates_the_other(org: &Org) {
    two_contacts(org);
    let first = org.room("L-1", W1);
    let second = id_of(&org.create("L-1", W2, json!({"deactivate_existing": true})));
    has(
        &org.about("activate", &first),
        json!({"status": "APPLIED", "chatroom": {"status": "ACTIVE"}}),
    );
    assert_eq!(
        org.story(&second),
        ["CHATROOM_CREATED crm", "CHATROOM_DEACTIVATED superseded"]
    );
    let (gone, came) = (org.events(&second)[1].clone(), org.events(&first)[2].clone());
    assert_eq!(gone["occurred_at"], came["occurred_at"], "one decision");
}

fn r8_a_message_that_wakes_one_deactivates_the_other(org: &Org) {
    org.settings(json!({"inbound_scope": "PAIR"}));
    org.at(long_ago());
    org.contact("L-1", PHONE);
    let first = org.room("L-1", W1);
    let second = id_of(&org.create("L-1", W2, json!({"deactivate_existing": true})));
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": first, "route": {"reason": "REACTIVATED"}}),
    );
    assert_eq!(
        org.story(&second),
        ["CHATROOM_CREATED crm", "CHATROOM_DEACTIVATED superseded"]
    );
    has(&org.events(&second)[1], json!({"request_id": null}));
    has(&org.say(&second), json!({"code": "CHATROOM_DEACTIVATED"}));
}

fn r9_a_phone_holds_a_thousand_contacts(org: &Org) {
    org.settings(json!({}));
    let requests: Vec<String> = (0..1000)
        .map(|number| org.start(json!({"type": "contact.upsert", "crm_id": format!("L-{number}"), "phone": PHONE})))
        .collect();
    for request in requests {
        has(&org.result(&request), json!({"status": "APPLIED"}));
    }
    has(
        &org.upsert("L-1000", PHONE),
        json!({"status": "REFUSED", "code": "PHONE_FULL"}),
    );
    has(&org.upsert("L-1", PHONE), json!({"status": "UNCHANGED"}));
    org.delete("L-7");
    org.contact("L-1000", PHONE);
}

fn r9_a_phone_holds_a_thousand_chatrooms(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    let another = json!({"type": "chatroom.create", "crm_id": "L-1", "waba_phone": W1, "deactivate_existing": true});
    let requests: Vec<String> = (0..1000).map(|_| org.start(another.clone())).collect();
    for request in &requests {
        has(&org.result(request), json!({"status": "APPLIED"}));
    }
    has(&org.run(another), json!({"status": "REFUSED", "code": "PHONE_FULL"}));
    let last = id_of(&org.result(&requests[999]));
    let routed = org.routed(PHONE, W1);
    has(&routed, json!({"chatroom_id": last, "route": {"reason": "ACTIVE"}}));
    assert_eq!(
        routed["route"]["candidates"].as_array().map(Vec::len),
        Some(20),
        "I10: 20 at most"
    );
}
