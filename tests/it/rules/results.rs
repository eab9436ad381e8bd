//! K1 to K4: one result per command, repeats, order, and acting on a result.

use crate::harness::assert::has;
use crate::harness::client::Input;
use crate::harness::topics::{CRM, OUTBOUND, OUTBOUND_REQUESTS, RESULTS};
use crate::scenario::*;
use serde_json::{Value, json};

scenarios! {
    both:
        k2_a_repeat_has_no_effect_and_tells_the_first,
        k2_another_content_under_the_same_id_is_a_repeat,
        k2_a_refusal_is_remembered_too,
        k2_the_same_id_for_another_target_is_another_command,
        k2_a_repeat_is_known_after_a_move,
        k2_an_id_is_forgotten_in_time,
        k2_one_chatroom_is_one_target_in_both_topics,
        k2_the_target_of_an_affiliate_is_its_phone,
        k2_settings_repeat_and_stay_unchanged,
        k3_a_command_before_what_it_needs_is_refused;
    program:
        k1_a_result_tells_all_that_the_contract_says,
        k1_a_command_without_an_id_is_named_by_its_position,
        k1_what_cannot_be_read_has_no_result,
        k1_a_tombstone_of_settings_has_a_result,
        k2_repeats_in_flight_wait_for_the_first,
        k3_the_commands_of_a_contact_keep_their_order,
        k3_moves_keep_their_order,
        k3_what_waits_for_a_move_is_bounded,
        k4_who_has_read_a_result_can_act_on_it,
}

fn upsert(crm_id: &str, phone: &str, request_id: &str) -> Value {
    json!({"type": "contact.upsert", "request_id": request_id, "crm_id": crm_id, "phone": phone})
}

fn k1_a_result_tells_all_that_the_contract_says(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    org.about("deactivate", &room);
    let results = org.published(RESULTS);
    let fields = [
        "chatroom",
        "code",
        "conflict",
        "contact",
        "decided_at",
        "detail",
        "first",
        "org_id",
        "request_id",
        "settings_version",
        "status",
        "type",
    ];
    for record in results {
        let mut names: Vec<&str> = record
            .value
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(names, fields, "{}", record.value);
        assert_eq!(record.key, Some(format!("{}:{}", org.id, record.text("request_id"))));
    }
}

fn k1_a_command_without_an_id_is_named_by_its_position(org: &Org) {
    org.settings(json!({}));
    let command = json!({"type": "contact.upsert", "org_id": org.id, "crm_id": "L-1", "phone": PHONE});
    let say = json!({"org_id": org.id, "chatroom_id": "x", "message": {"type": "text", "text": {"body": "Hi"}}});
    for (topic, value) in [(CRM, command), (OUTBOUND_REQUESTS, say)] {
        let input = Input::new(topic, &format!("{}:x", org.id), value.to_string().as_bytes(), now());
        let (partition, offset) = org.send(&input).expect("the program").place();
        let result = org.result(&format!("{topic}-{partition}-{offset}"));
        assert!(["APPLIED", "REFUSED"].contains(&result["status"].as_str().expect("a status")));
    }
}

fn k1_what_cannot_be_read_has_no_result(org: &Org) {
    org.settings(json!({}));
    let missing = json!({"type": "chatroom.activate", "request_id": "r-x", "org_id": org.id});
    let unknown = json!({"type": "chatroom.explode", "request_id": "r-x", "org_id": org.id, "chatroom_id": "x"});
    let control = json!({"type": "contact.delete", "request_id": "r-x", "org_id": org.id, "crm_id": "a\u{7}"});
    let long = json!({"type": "contact.delete", "request_id": "r-x", "org_id": org.id, "crm_id": "x".repeat(129)});
    for value in [missing, unknown, control, long] {
        let dead = org.dead_letter(&Input::new(CRM, &org.id, value.to_string().as_bytes(), now()));
        assert_eq!(dead.header("dlq_reason"), "MALFORMED", "{value}");
        assert!(!dead.header("dlq_detail").is_empty());
    }
    assert!(
        org.published(RESULTS)
            .iter()
            .all(|record| record.text("request_id") != "r-x")
    );
}

fn k1_a_tombstone_of_settings_has_a_result(org: &Org) {
    org.settings(json!({}));
    let result = org.remove_settings();
    has(
        &result,
        json!({"type": "settings.put", "status": "APPLIED", "code": null}),
    );
    let id = result["request_id"].as_str().expect("text");
    assert!(id.starts_with("org-settings-"), "{id}");
    has(&org.upsert("L-1", PHONE), json!({"code": "UNKNOWN_ORG"}));
}

fn k2_a_repeat_has_no_effect_and_tells_the_first(org: &Org) {
    org.settings(json!({}));
    org.at(long_ago());
    org.contact("L-1", PHONE);
    let create = json!({"type": "chatroom.create", "request_id": "r-same", "crm_id": "L-1", "waba_phone": W1, "deactivate_existing": true});
    let room = id_of(&org.run(create.clone()));
    org.about("deactivate", &room);
    org.pass(DAY * 7);
    let repeat = org.run(create);
    has(
        &repeat,
        json!({"status": "DUPLICATE", "code": null, "first": {"status": "APPLIED", "code": null}}),
    );
    has(
        &repeat,
        json!({"chatroom": {"chatroom_id": room, "status": "DEACTIVATED"}}),
    );
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm", "CHATROOM_DEACTIVATED crm"]);
}

fn k2_another_content_under_the_same_id_is_a_repeat(org: &Org) {
    org.settings(json!({}));
    org.run(upsert("L-1", PHONE, "r-same"));
    has(
        &org.run(upsert("L-1", OTHER_PHONE, "r-same")),
        json!({"status": "DUPLICATE", "contact": {"crm_id": "L-1", "status": "ACTIVE"}}),
    );
    let delete = json!({"type": "contact.delete", "request_id": "r-same", "crm_id": "L-1"});
    has(
        &org.run(delete),
        json!({"status": "DUPLICATE", "first": {"status": "APPLIED"}}),
    );
    assert_eq!(org.story("L-1"), ["CONTACT_CREATED crm"]);
}

fn k2_a_refusal_is_remembered_too(org: &Org) {
    org.settings(json!({}));
    let create = json!({"type": "chatroom.create", "request_id": "r-same", "crm_id": "L-1", "waba_phone": W1});
    has(
        &org.run(create.clone()),
        json!({"status": "REFUSED", "code": "CONTACT_NOT_FOUND"}),
    );
    org.contact("L-1", PHONE);
    has(
        &org.run(create),
        json!({"status": "DUPLICATE", "first": {"status": "REFUSED", "code": "CONTACT_NOT_FOUND"}}),
    );
}

fn k2_the_same_id_for_another_target_is_another_command(org: &Org) {
    org.settings(json!({}));
    org.run(upsert("L-1", PHONE, "r-1"));
    let elsewhere = org.id.clone() + ":r-1";
    has(&org.run(upsert("L-2", PHONE, &elsewhere)), json!({"status": "APPLIED"}));
    assert_eq!(org.story("L-2"), ["CONTACT_CREATED crm"]);
}

fn k2_a_repeat_is_known_after_a_move(org: &Org) {
    org.settings(json!({}));
    org.run(upsert("L-1", PHONE, "r-same"));
    org.upsert("L-1", OTHER_PHONE);
    has(
        &org.run(upsert("L-1", PHONE, "r-same")),
        json!({"status": "DUPLICATE", "contact": {"crm_id": "L-1"}}),
    );
    has(
        &org.unrouted(OTHER_PHONE, W1),
        json!({"unrouted": {"reason": "NO_CHATROOM", "crm_ids": ["L-1"]}}),
    );
}

fn k2_an_id_is_forgotten_in_time(org: &Org) {
    org.settings(json!({}));
    org.at(long_ago());
    org.run(upsert("L-1", PHONE, "r-same"));
    org.pass(DAY * 10);
    has(&org.run(upsert("L-1", PHONE, "r-same")), json!({"status": "UNCHANGED"}));
}

fn k2_one_chatroom_is_one_target_in_both_topics(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    let say = json!({"request_id": "r-same", "chatroom_id": room, "message": {"type": "text", "text": {"body": "Hi"}}});
    has(&org.run(say.clone()), json!({"status": "APPLIED"}));
    has(
        &org.run(say),
        json!({"status": "DUPLICATE", "type": "outbound.send", "first": {"status": "APPLIED"}}),
    );
    let deactivate = json!({"type": "chatroom.deactivate", "request_id": "r-same", "chatroom_id": room});
    has(
        &org.run(deactivate),
        json!({"status": "DUPLICATE", "chatroom": {"status": "ACTIVE"}}),
    );
    assert_eq!(org.published(OUTBOUND).len(), 1);
}

fn k2_the_target_of_an_affiliate_is_its_phone(org: &Org) {
    org.settings(json!({}));
    let create = |phone: &str| json!({"type": "chatroom.create", "request_id": "r-same", "kind": "AFFILIATE", "phone": phone, "waba_phone": W1});
    let room = id_of(&org.run(create(PHONE)));
    has(
        &org.run(create(PHONE)),
        json!({"status": "DUPLICATE", "chatroom": {"chatroom_id": room}}),
    );
}

fn k2_settings_repeat_and_stay_unchanged(org: &Org) {
    let settings = json!({"org_id": org.id, "request_id": "s-a", "waba_phones": [{"phone": W1, "phone_number_id": "1", "waba_id": "2"}]});
    has(
        &org.put(&settings),
        json!({"status": "APPLIED", "type": "settings.put", "settings_version": null}),
    );
    let mut equal = settings.clone();
    equal["request_id"] = json!("s-b");
    has(&org.put(&equal), json!({"status": "UNCHANGED"}));
    equal["request_id"] = json!("s-default");
    equal["inbound_scope"] = json!("PHONE");
    has(&org.put(&equal), json!({"status": "UNCHANGED"}));
    let mut other = settings;
    other["expire_after_days"] = json!(7);
    let bytes = other.to_string();
    org.send(&Input::new(
        crate::harness::topics::SETTINGS,
        &org.id,
        bytes.as_bytes(),
        now() + MINUTE,
    ));
    let repeat = org.await_record("the repeat", |record| {
        record.text("request_id") == "s-a" && record.text("status") == "DUPLICATE"
    });
    has(&repeat.value, json!({"first": {"status": "APPLIED"}}));
    other["request_id"] = json!("s-c");
    has(&org.put(&other), json!({"status": "APPLIED"}));
}

fn k2_repeats_in_flight_wait_for_the_first(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    for number in 0..5 {
        let to = if number % 2 == 0 { OTHER_PHONE } else { PHONE };
        let id = format!("r-move-{number}");
        let inputs: Vec<Input> = (0..4).map(|_| org.command(upsert("L-1", to, &id)).0).collect();
        inputs.iter().for_each(|input| {
            org.send(input);
        });
        org.result(&id);
        let results = org.log().all(|record| {
            record.topic == RESULTS && record.text("org_id") == org.id && record.text("request_id") == id
        });
        let statuses: Vec<&str> = results.iter().map(|record| record.text("status")).collect();
        assert_eq!(statuses, ["APPLIED", "DUPLICATE", "DUPLICATE", "DUPLICATE"]);
    }
    assert_eq!(org.story("L-1").len(), 6);
}

fn k3_a_command_before_what_it_needs_is_refused(org: &Org) {
    org.settings(json!({}));
    has(
        &org.create("L-1", W1, json!({})),
        json!({"status": "REFUSED", "code": "CONTACT_NOT_FOUND"}),
    );
    org.contact("L-1", PHONE);
    org.room("L-1", W1);
}

fn k3_the_commands_of_a_contact_keep_their_order(org: &Org) {
    org.settings(json!({}));
    let mut requests = Vec::new();
    for number in 0..30 {
        requests.push(org.start(
            json!({"type": "contact.upsert", "crm_id": "L-1", "phone": PHONE, "first_name": format!("Name {number}")}),
        ));
    }
    requests.push(org.start(json!({"type": "chatroom.create", "crm_id": "L-1", "waba_phone": W1})));
    requests.push(org.start(json!({"type": "contact.delete", "crm_id": "L-1"})));
    for request in &requests {
        has(&org.result(request), json!({"status": "APPLIED"}));
    }
    let told: Vec<Value> = org
        .events("L-1")
        .iter()
        .map(|event| event["request_id"].clone())
        .collect();
    let wanted: Vec<Value> = requests
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != 30)
        .map(|(_, id)| json!(id))
        .collect();
    assert_eq!(told, wanted);
    let created = org
        .log()
        .first(|record| record.text("type") == "CHATROOM_CREATED" && record.text("org_id") == org.id);
    assert_eq!(created.expect("created").text("display_name"), "Name 29");
}

fn k3_moves_keep_their_order(org: &Org) {
    org.settings(json!({}));
    let phones = [PHONE, OTHER_PHONE, "+919812345680"];
    let mut moves = Vec::new();
    let mut rooms = Vec::new();
    for number in 0..15 {
        moves.push(org.start(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": phones[number % 3]})));
        rooms.push(org.start(json!({"type": "chatroom.create", "crm_id": "L-1", "waba_phone": W1})));
    }
    for request in moves.iter().chain(&rooms) {
        has(&org.result(request), json!({"status": "APPLIED"}));
    }
    let told: Vec<Value> = org
        .events("L-1")
        .iter()
        .map(|event| event["request_id"].clone())
        .collect();
    assert_eq!(told, moves.iter().map(|id| json!(id)).collect::<Vec<_>>());
    let last = id_of(&org.result(&rooms[14]));
    has(
        &org.routed(phones[2], W1),
        json!({"chatroom_id": last, "route": {"reason": "ACTIVE"}}),
    );
    for phone in &phones[..2] {
        has(&org.unrouted(phone, W1), json!({"unrouted": {"reason": "NO_CONTACT"}}));
    }
}

/// `BUSY` depends on how quick the move is; what it must not do is lose one, or remember one.
fn k3_what_waits_for_a_move_is_bounded(org: &Org) {
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    let moved = org.start(json!({"type": "contact.upsert", "crm_id": "L-1", "phone": OTHER_PHONE}));
    let name = |number: usize| json!({"type": "contact.upsert", "crm_id": "L-1", "request_id": format!("r-name-{number}"), "phone": OTHER_PHONE, "first_name": format!("N{number}")});
    let waiting: Vec<String> = (0..200).map(|number| org.start(name(number))).collect();
    has(&org.result(&moved), json!({"status": "APPLIED"}));
    for (number, request) in waiting.iter().enumerate() {
        let result = org.result(request);
        if result["code"] == "BUSY" {
            has(&result, json!({"status": "REFUSED"}));
            has(&org.run(name(number)), json!({"status": "APPLIED"}));
        } else {
            has(&result, json!({"status": "APPLIED"}));
        }
    }
}

fn k4_who_has_read_a_result_can_act_on_it(org: &Org) {
    for number in 0..10 {
        let crm_id = format!("L-{number}");
        let waba_phone = format!("+1202555{:04}", 110 + number);
        let wabas = json!([{"phone": waba_phone, "phone_number_id": "1", "waba_id": "2"}]);
        org.settings(json!({"waba_phones": wabas}));
        org.contact(&crm_id, PHONE);
        let room = org.room(&crm_id, &waba_phone);
        has(&org.say(&room), json!({"status": "APPLIED"}));
        has(&org.routed(PHONE, &waba_phone), json!({"chatroom_id": room}));
        has(&org.about("deactivate", &room), json!({"status": "APPLIED"}));
    }
}
