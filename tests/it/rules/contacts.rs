//! C1 to C5: contacts that share a phone, change, move, expire and are erased.

use crate::harness::assert::has;
use crate::scenario::*;
use serde_json::json;

scenarios! {
    both:
        c1_contacts_share_a_phone,
        c1_an_affiliate_reserves_its_phone,
        c2_the_same_upsert_twice_is_unchanged,
        c2_absent_keeps_and_null_clears,
        c2_an_expired_contact_takes_no_upsert,
        c2_created_at_counts_at_creation_only,
        c2_who_is_past_the_age_is_created_and_expired,
        c3_a_move_leaves_the_old_chatrooms_behind,
        c3_a_refused_move_moves_nothing,
        c3_an_expired_contact_does_not_move,
        c3_a_contact_moves_there_and_back,
        c4_a_contact_expires_with_its_chatrooms,
        c4_expiry_is_final,
        c5_erasure_leaves_nothing_to_find,
        c5_erasure_reaches_every_phone,
        c5_erasure_needs_a_contact;
    program:
        c5_nothing_in_the_results_of_an_erased_contact_names_its_phone,
}

fn c1_contacts_share_a_phone(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    org.contact("L-2", PHONE);
    assert_eq!(org.story("L-1"), ["CONTACT_CREATED crm"]);
    assert_eq!(org.story("L-2"), ["CONTACT_CREATED crm"]);
}

fn c1_an_affiliate_reserves_its_phone(org: &Org) {
    org.settings(json!({}));
    let office = id_of(&org.affiliate(PHONE, W1));
    let refused = org.upsert("L-1", PHONE);
    has(
        &refused,
        json!({"status": "REFUSED", "code": "PHONE_IS_AFFILIATE", "conflict": {"chatroom_id": office, "waba_phone": W1}}),
    );
    assert!(org.story("L-1").is_empty());
    org.about("deactivate", &office);
    has(&org.upsert("L-1", PHONE), json!({"code": "PHONE_IS_AFFILIATE"}));
    org.about("expire", &office);
    org.contact("L-1", PHONE);
}

fn c2_the_same_upsert_twice_is_unchanged(org: &Org) {
    org.settings(json!({}));
    let asha = json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE, "first_name": "Asha", "attributes": {"city": "Pune"}});
    has(&org.run(asha.clone()), json!({"status": "APPLIED"}));
    has(
        &org.run(asha),
        json!({"status": "UNCHANGED", "contact": {"crm_id": "L-1", "status": "ACTIVE"}}),
    );
    assert_eq!(org.story("L-1"), ["CONTACT_CREATED crm"]);
}

fn c2_absent_keeps_and_null_clears(org: &Org) {
    org.settings(json!({}));
    org.run(
        json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE, "first_name": "Asha", "last_name": "Rao"}),
    );
    has(&org.upsert("L-1", PHONE), json!({"status": "UNCHANGED"}));
    let cleared = org.run_by_api(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE, "last_name": null}));
    has(&cleared, json!({"status": "APPLIED"}));
    assert_eq!(org.story("L-1"), ["CONTACT_CREATED crm", "CONTACT_UPDATED api"]);
    let room = org.room("L-1", W1);
    has(&org.events(&room)[0], json!({"display_name": "Asha"}));
}

fn c2_an_expired_contact_takes_no_upsert(org: &Org) {
    org.settings(json!({"expire_after_days": 1}));
    org.ahead();
    org.run(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE, "created_at": days_ago(2).to_string()}));
    let refused = org.run(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE, "first_name": "Asha"}));
    has(
        &refused,
        json!({"status": "REFUSED", "code": "CONTACT_EXPIRED", "contact": {"status": "EXPIRED"}}),
    );
    org.contact("L-2", PHONE);
}

fn c2_created_at_counts_at_creation_only(org: &Org) {
    org.settings(json!({}));
    let created = days_ago(20);
    let upsert = |crm_id: &str, at: jiff::Timestamp| {
        org.run(json!({"type": "contact.upsert", "crm_id": crm_id, "phone": PHONE, "created_at": at.to_string()}))
    };
    has(
        &upsert("L-1", created),
        json!({"status": "APPLIED", "contact": {"created_at": created.to_string()}}),
    );
    has(
        &upsert("L-1", days_ago(10)),
        json!({"status": "UNCHANGED", "contact": {"created_at": created.to_string()}}),
    );
    let clamped = upsert("L-2", now() + DAY);
    assert_eq!(
        instant(&clamped["contact"]["created_at"]),
        instant(&clamped["decided_at"])
    );
}

fn c2_who_is_past_the_age_is_created_and_expired(org: &Org) {
    org.settings(json!({"expire_after_days": 1}));
    org.ahead();
    let result = org
        .run(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE, "created_at": days_ago(2).to_string()}));
    has(&result, json!({"status": "APPLIED", "contact": {"status": "EXPIRED"}}));
    assert_eq!(org.story("L-1"), ["CONTACT_CREATED crm", "CONTACT_EXPIRED age"]);
    for event in org.events("L-1") {
        assert_eq!(
            instant(&event["occurred_at"]),
            instant(&result["decided_at"]),
            "{event}"
        );
    }
}

fn c3_a_move_leaves_the_old_chatrooms_behind(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    let moved = org.run(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": OTHER_PHONE, "first_name": "Asha"}));
    has(
        &moved,
        json!({"status": "APPLIED", "contact": {"crm_id": "L-1", "status": "ACTIVE"}}),
    );
    let told: Vec<String> = org
        .story("L-1")
        .iter()
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(told, ["CONTACT_CREATED", "CONTACT_MOVED"]);
    assert_eq!(
        org.story(&room),
        ["CHATROOM_CREATED crm", "CHATROOM_EXPIRED phone_changed"]
    );
    has(
        &org.unrouted(PHONE, W1),
        json!({"unrouted": {"reason": "NO_CONTACT", "crm_ids": []}}),
    );
    has(
        &org.unrouted(OTHER_PHONE, W1),
        json!({"unrouted": {"reason": "NO_CHATROOM", "crm_ids": ["L-1"]}}),
    );
    let second = org.room("L-1", W1);
    assert_ne!(room, second);
    has(&org.events(&second)[0], json!({"display_name": "Asha"}));
    has(
        &org.routed(OTHER_PHONE, W1),
        json!({"chatroom_id": second, "route": {"reason": "ACTIVE"}}),
    );
}

fn c3_a_refused_move_moves_nothing(org: &Org) {
    org.settings(json!({}));
    let office = id_of(&org.affiliate(OTHER_PHONE, W1));
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    let refused =
        org.run(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": OTHER_PHONE, "first_name": "Asha"}));
    has(
        &refused,
        json!({"status": "REFUSED", "code": "PHONE_IS_AFFILIATE", "conflict": {"chatroom_id": office}}),
    );
    assert_eq!(org.story("L-1"), ["CONTACT_CREATED crm"]);
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": room, "route": {"reason": "ACTIVE"}}),
    );
    has(&org.routed(OTHER_PHONE, W1), json!({"chatroom_id": office}));
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm"]);
}

fn c3_an_expired_contact_does_not_move(org: &Org) {
    org.settings(json!({"expire_after_days": 1}));
    org.ahead();
    org.run(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE, "created_at": days_ago(2).to_string()}));
    has(
        &org.upsert("L-1", OTHER_PHONE),
        json!({"status": "REFUSED", "code": "CONTACT_EXPIRED"}),
    );
    has(
        &org.unrouted(OTHER_PHONE, W1),
        json!({"unrouted": {"reason": "NO_CONTACT"}}),
    );
}

fn c3_a_contact_moves_there_and_back(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    let first = org.room("L-1", W1);
    has(&org.upsert("L-1", OTHER_PHONE), json!({"status": "APPLIED"}));
    let second = org.room("L-1", W1);
    has(&org.upsert("L-1", PHONE), json!({"status": "APPLIED"}));
    has(
        &org.unrouted(PHONE, W1),
        json!({"unrouted": {"reason": "NO_CHATROOM", "crm_ids": ["L-1"]}}),
    );
    has(
        &org.about("activate", &first),
        json!({"status": "REFUSED", "code": "CHATROOM_EXPIRED"}),
    );
    has(
        &org.about("activate", &second),
        json!({"status": "REFUSED", "code": "CHATROOM_EXPIRED"}),
    );
}

fn c4_a_contact_expires_with_its_chatrooms(org: &Org) {
    org.settings(json!({"expire_after_days": 1}));
    let created = now() - DAY + MINUTE;
    org.at(created);
    org.contact("L-1", PHONE);
    let first = org.room("L-1", W1);
    let second = id_of(&org.create("L-1", W2, json!({"deactivate_existing": true})));
    org.ahead();
    has(
        &org.routed(PHONE, W1),
        json!({"chatroom_id": first, "chatroom_status": "EXPIRED", "route": {"reason": "EXPIRED", "rule": "I3"}}),
    );
    let due = (created + DAY).to_string();
    assert_eq!(org.story("L-1"), ["CONTACT_CREATED crm", "CONTACT_EXPIRED age"]);
    has(&org.events("L-1")[1], json!({"occurred_at": due}));
    assert_eq!(
        org.story(&first),
        [
            "CHATROOM_CREATED crm",
            "CHATROOM_DEACTIVATED superseded",
            "CHATROOM_EXPIRED age"
        ]
    );
    assert_eq!(org.story(&second), ["CHATROOM_CREATED crm", "CHATROOM_EXPIRED age"]);
    has(&org.events(&second)[1], json!({"occurred_at": due, "request_id": null}));
}

fn c4_expiry_is_final(org: &Org) {
    org.settings(json!({"expire_after_days": 1}));
    org.at(now() - DAY + MINUTE);
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    org.ahead();
    has(&org.routed(PHONE, W1), json!({"route": {"reason": "EXPIRED"}}));
    org.settings(json!({"expire_after_days": 300}));
    has(&org.routed(PHONE, W1), json!({"route": {"reason": "EXPIRED"}}));
    has(
        &org.about("activate", &room),
        json!({"status": "REFUSED", "code": "CHATROOM_EXPIRED"}),
    );
    has(
        &org.create("L-1", W1, json!({})),
        json!({"status": "REFUSED", "code": "CONTACT_EXPIRED"}),
    );
    has(&org.upsert("L-1", PHONE), json!({"code": "CONTACT_EXPIRED"}));
}

fn c5_erasure_leaves_nothing_to_find(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    let asleep = org.room("L-1", W1);
    let awake = id_of(&org.create("L-1", W2, json!({"deactivate_existing": true})));
    has(
        &org.delete("L-1"),
        json!({"status": "APPLIED", "type": "contact.delete"}),
    );
    assert_eq!(
        org.story(&asleep),
        [
            "CHATROOM_CREATED crm",
            "CHATROOM_DEACTIVATED superseded",
            "CHATROOM_EXPIRED erased"
        ]
    );
    assert_eq!(org.story(&awake), ["CHATROOM_CREATED crm", "CHATROOM_EXPIRED erased"]);
    has(&org.events("L-1")[1], json!({"type": "CONTACT_DELETED"}));
    has(
        &org.about("activate", &asleep),
        json!({"status": "REFUSED", "code": "CHATROOM_NOT_FOUND"}),
    );
    has(
        &org.say(&awake),
        json!({"status": "REFUSED", "code": "CHATROOM_NOT_FOUND"}),
    );
    has(
        &org.upsert("L-1", PHONE),
        json!({"status": "REFUSED", "code": "CONTACT_DELETED"}),
    );
    has(
        &org.create("L-1", W1, json!({})),
        json!({"status": "REFUSED", "code": "CONTACT_DELETED"}),
    );
    has(
        &org.delete("L-1"),
        json!({"status": "REFUSED", "code": "CONTACT_DELETED"}),
    );
    has(&org.unrouted(PHONE, W1), json!({"unrouted": {"reason": "NO_CONTACT"}}));
}

fn c5_erasure_reaches_every_phone(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    let first = org.room("L-1", W1);
    has(&org.upsert("L-1", OTHER_PHONE), json!({"status": "APPLIED"}));
    let second = org.room("L-1", W1);
    has(&org.delete("L-1"), json!({"status": "APPLIED"}));
    assert_eq!(
        org.story(&first),
        ["CHATROOM_CREATED crm", "CHATROOM_EXPIRED phone_changed"]
    );
    assert_eq!(org.story(&second), ["CHATROOM_CREATED crm", "CHATROOM_EXPIRED erased"]);
    for room in [first, second] {
        has(&org.about("deactivate", &room), json!({"code": "CHATROOM_NOT_FOUND"}));
    }
}

fn c5_erasure_needs_a_contact(org: &Org) {
    org.settings(json!({}));
    has(
        &org.delete("L-1"),
        json!({"status": "REFUSED", "code": "CONTACT_NOT_FOUND"}),
    );
    org.contact("L-1", PHONE);
}

fn c5_nothing_in_the_results_of_an_erased_contact_names_its_phone(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    org.room("L-1", W1);
    org.delete("L-1");
    for topic in [crate::harness::topics::LIFECYCLE, crate::harness::topics::RESULTS] {
        for record in org.published(topic) {
            let told = String::from_utf8_lossy(&record.bytes);
            assert!(!told.contains(&PHONE[3..]), "{topic} names a customer's phone: {told}");
        }
    }
}
