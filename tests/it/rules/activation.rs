//! A1, A3, A4: activating and deactivating on request.

use crate::harness::assert::has;
use crate::scenario::*;
use serde_json::json;

scenarios! {
    both:
        a1_deactivating_says_who_asked,
        a1_deactivating_again_moves_no_clock,
        a1_refuses_what_is_expired_or_unknown,
        a3_activates_where_the_pair_is_free,
        a3_refuses_a_taken_pair_and_names_it,
        a3_refuses_what_is_expired_or_unknown,
        a4_of_two_that_race_one_wins;
    program:
        a4_of_many_that_race_one_wins,
}

fn room(org: &Org) -> String {
    org.settings(json!({}));
    org.at(long_ago());
    org.contact("L-1", PHONE);
    org.room("L-1", W1)
}

fn a1_deactivating_says_who_asked(org: &Org) {
    let room = room(org);
    let result = org.about("deactivate", &room);
    has(
        &result,
        json!({"status": "APPLIED", "type": "chatroom.deactivate", "chatroom": {"status": "DEACTIVATED"}}),
    );
    assert_eq!(instant(&result["chatroom"]["since"]), instant(&result["decided_at"]));
    org.about("activate", &room);
    org.run_by_api(json!({"type": "chatroom.deactivate", "chatroom_id": room}));
    org.run_by_api(json!({"type": "chatroom.activate", "chatroom_id": room}));
    assert_eq!(
        org.story(&room),
        [
            "CHATROOM_CREATED crm",
            "CHATROOM_DEACTIVATED crm",
            "CHATROOM_ACTIVATED crm",
            "CHATROOM_DEACTIVATED api",
            "CHATROOM_ACTIVATED api"
        ]
    );
    has(
        &org.events(&room)[1],
        json!({"occurred_at": result["decided_at"], "request_id": result["request_id"], "waba_phone": W1, "crm_id": "L-1"}),
    );
}

fn a1_deactivating_again_moves_no_clock(org: &Org) {
    let room = room(org);
    let first = org.about("deactivate", &room);
    org.pass(HOUR);
    let again = org.about("deactivate", &room);
    has(
        &again,
        json!({"status": "UNCHANGED", "chatroom": {"status": "DEACTIVATED", "since": first["chatroom"]["since"]}}),
    );
    assert_eq!(org.story(&room), ["CHATROOM_CREATED crm", "CHATROOM_DEACTIVATED crm"]);
}

fn a1_refuses_what_is_expired_or_unknown(org: &Org) {
    let room = room(org);
    org.upsert("L-1", OTHER_PHONE);
    has(
        &org.about("deactivate", &room),
        json!({"status": "REFUSED", "code": "CHATROOM_EXPIRED"}),
    );
    for unknown in [
        "abc-0190cdd1-7aa5-5c5b-8f9e-0123456789ab",
        "room",
        "-",
        "zzz-",
        "\u{1F916}",
    ] {
        has(
            &org.about("deactivate", unknown),
            json!({"status": "REFUSED", "code": "CHATROOM_NOT_FOUND", "chatroom": null}),
        );
    }
}

fn a3_activates_where_the_pair_is_free(org: &Org) {
    let room = room(org);
    has(
        &org.about("activate", &room),
        json!({"status": "UNCHANGED", "chatroom": {"status": "ACTIVE"}}),
    );
    org.about("deactivate", &room);
    has(
        &org.about("activate", &room),
        json!({"status": "APPLIED", "chatroom": {"status": "ACTIVE"}}),
    );
    assert_eq!(
        org.story(&room),
        [
            "CHATROOM_CREATED crm",
            "CHATROOM_DEACTIVATED crm",
            "CHATROOM_ACTIVATED crm"
        ]
    );
}

fn a3_refuses_a_taken_pair_and_names_it(org: &Org) {
    let first = room(org);
    org.about("deactivate", &first);
    org.contact("L-2", PHONE);
    let second = org.room("L-2", W1);
    let refused = org.about("activate", &first);
    has(
        &refused,
        json!({"status": "REFUSED", "code": "CHATROOM_CONFLICT", "chatroom": {"chatroom_id": first, "status": "DEACTIVATED"}}),
    );
    has(
        &refused["conflict"],
        json!({"chatroom_id": second, "crm_id": "L-2", "waba_phone": W1}),
    );
}

fn a3_refuses_what_is_expired_or_unknown(org: &Org) {
    let room = room(org);
    org.upsert("L-1", OTHER_PHONE);
    has(
        &org.about("activate", &room),
        json!({"status": "REFUSED", "code": "CHATROOM_EXPIRED", "chatroom": {"status": "EXPIRED"}}),
    );
    has(
        &org.about("activate", "abc-0190cdd1-7aa5-5c5b-8f9e-0123456789ab"),
        json!({"status": "REFUSED", "code": "CHATROOM_NOT_FOUND"}),
    );
}

fn a4_of_two_that_race_one_wins(org: &Org) {
    let rooms = sleeping_rivals(org, 2);
    one_wins(org, &rooms);
}

fn a4_of_many_that_race_one_wins(org: &Org) {
    let rooms = sleeping_rivals(org, 20);
    one_wins(org, &rooms);
}

/// Chatrooms of as many contacts on one pair, all deactivated.
fn sleeping_rivals(org: &Org, count: usize) -> Vec<String> {
    org.settings(json!({}));
    org.at(long_ago());
    let rival = |number: usize| {
        let crm_id = format!("L-{number}");
        org.contact(&crm_id, PHONE);
        let room = org.room(&crm_id, W1);
        org.about("deactivate", &room);
        room
    };
    (0..count).map(rival).collect()
}

fn one_wins(org: &Org, rooms: &[String]) {
    let activate = |room: &String| org.start(json!({"type": "chatroom.activate", "chatroom_id": room}));
    let requests: Vec<String> = rooms.iter().map(activate).collect();
    let results: Vec<_> = requests.iter().map(|request| org.result(request)).collect();
    let (won, lost): (Vec<_>, Vec<_>) = results.iter().partition(|result| result["status"] == "APPLIED");
    assert_eq!(won.len(), 1, "{results:?}");
    for result in lost {
        has(
            result,
            json!({"status": "REFUSED", "code": "CHATROOM_CONFLICT", "conflict": {"chatroom_id": id_of(won[0])}}),
        );
    }
}
