//! `lookup` and `explain`: what they say of what the program has just done.

use crate::harness::client::Input;
use crate::harness::topics::{INBOUND, ROUTED};
use crate::scenario::*;
use crate::wait;
use serde_json::{Value, json};

fn ask(org: &Org, arguments: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["--output", "json"], arguments].concat();
    let output = org.world().command(&arguments);
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), answer)
}

fn one_lead(name: &str) -> (Org, String) {
    let org = Org::of_the_program(name);
    org.settings(json!({}));
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    (org, room)
}

/// As people read it.
fn read(org: &Org, arguments: &[&str]) -> String {
    String::from_utf8(org.world().command(arguments).stdout).expect("text")
}

#[test]
fn a_lookup_finds_the_same_by_phone_chatroom_and_contact() {
    let (org, room) = one_lead("lookup");
    for (kind, id) in [("phone", PHONE), ("chatroom", room.as_str()), ("contact", "L-1")] {
        // The index trails the commit by a moment.
        let found = wait::until(kind, wait::PATIENCE, || {
            let (code, found) = ask(&org, &["lookup", kind, &org.id, id]);
            (code == Some(0) && found["chatrooms"][0]["chatroom_id"] == json!(room)).then_some(found)
        });
        assert_eq!(found["phone"], PHONE);
        assert_eq!(found["contacts"][0]["crm_id"], "L-1");
        assert_eq!(found["chatrooms"][0]["status"], "ACTIVE");
        assert!(found["applied_until"].is_string(), "{found}");
    }
    let table = read(&org, &["lookup", "phone", &org.id, PHONE]);
    for word in [PHONE, "L-1", room.as_str(), "ACTIVE", "The index is applied up to "] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    let (code, found) = ask(&org, &["lookup", "contact", &org.id, "L-2"]);
    assert_eq!((code, &found["phone"]), (Some(65), &Value::Null));
    assert_eq!(ask(&org, &["lookup", "phone", &org.id, "nonsense"]).0, Some(64));
}

#[test]
fn an_explanation_says_what_then_happens_and_changes_nothing() {
    let (org, room) = one_lead("explain");
    org.run(json!({"type": "chatroom.deactivate", "chatroom_id": room}));
    let explained = wait::until("the explanation", wait::PATIENCE, || {
        let (code, verdict) = ask(&org, &["explain", &org.id, PHONE, W1]);
        (code == Some(0) && verdict["reason"] == "REACTIVATED").then_some(verdict)
    });
    assert_eq!(ask(&org, &["explain", &org.id, PHONE, W1]).1["reason"], "REACTIVATED");
    assert_eq!(
        (&explained["chatroom_id"], &explained["rule"]),
        (&json!(room), &json!("I2"))
    );
    let table = read(&org, &["explain", &org.id, PHONE, W1]);
    for word in [
        "REACTIVATED by rule I2",
        "CHATROOM_ACTIVATED",
        "DEACTIVATED",
        "Judged on the index as applied up to ",
    ] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    assert_eq!(explained["events"][0]["type"], "CHATROOM_ACTIVATED");
    let routed = org.receive(PHONE, W1);
    assert_eq!(routed.value["route"]["rule"], explained["rule"]);
    assert_eq!(routed.value["route"]["candidates"], explained["candidates"]);
    assert_eq!(routed.value["route"]["settings_version"], explained["settings_version"]);
    let (code, unrouted) = ask(&org, &["explain", &org.id, OTHER_PHONE, W1]);
    assert_eq!((code, &unrouted["reason"]), (Some(0), &json!("NO_CONTACT")));
    let (code, unrouted) = ask(&org, &["explain", "nobody", PHONE, W1]);
    assert_eq!((code, &unrouted["reason"]), (Some(0), &json!("UNKNOWN_ORG")));
}

#[test]
fn an_explanation_names_the_timers_that_are_due_first_and_what_would_leave() {
    let org = Org::of_the_program("timers");
    org.settings(json!({"expire_after_days": 30, "expired_auto_reply": {"text": "This conversation is closed."}}));
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    let later = (now() + DAY * 31).to_string();
    let explained = wait::until("the explanation", wait::PATIENCE, || {
        let (code, verdict) = ask(&org, &["explain", &org.id, PHONE, W1, "--at", &later]);
        (code == Some(0) && verdict["reason"] == "EXPIRED").then_some(verdict)
    });
    assert_eq!(
        (&explained["rule"], &explained["chatroom_id"]),
        (&json!("I3"), &json!(room))
    );
    let due: Vec<&str> = explained["events"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(due, ["CONTACT_EXPIRED", "CHATROOM_EXPIRED"]);
    assert!(
        explained["events"]
            .as_array()
            .into_iter()
            .flatten()
            .all(|event| event["timer"] == true)
    );
    assert_eq!(explained["outbound"][0]["text"], "This conversation is closed.");
    let table = read(&org, &["explain", &org.id, PHONE, W1, "--at", &later]);
    for word in [
        "A timer is due first: CHATROOM_EXPIRED",
        "Auto-reply: SENT.",
        "leaves: This conversation is closed.",
    ] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    assert_eq!(
        org.routed(PHONE, W1)["route"]["reason"],
        "ACTIVE",
        "nothing was changed"
    );
}

#[test]
fn a_message_that_passed_explains_itself_by_its_id() {
    let (org, room) = one_lead("past");
    let past = |id: &str, more: &[&str]| {
        ask(
            &org,
            &[&["explain", "--message-id", id], more, &[org.id.as_str()]].concat(),
        )
    };
    let routed = org.deliver(message(PHONE, W1).id("wamid.A/1+2=="));
    let (code, told) = past("wamid.A/1+2==", &[]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(told["records"].as_array().map(Vec::len), Some(1));
    let found = &told["records"][0];
    assert_eq!(
        (&found["outcome"], &found["chatroom_id"]),
        (&json!("routed"), &json!(room))
    );
    assert_eq!(
        (&found["partition"], &found["offset"]),
        (&json!(routed.partition), &json!(routed.offset))
    );
    assert_eq!(found["decided_at"], routed.header("ce_time"));
    for field in ["reason", "rule", "candidates", "auto_reply", "settings_version"] {
        assert_eq!(found[field], routed.value["route"][field], "{field}");
    }
    let table = read(&org, &["explain", "--message-id", "wamid.A/1+2==", &org.id]);
    for word in [
        "It went to chatroom ",
        "ACTIVE by rule I1",
        room.as_str(),
        "candidate, best first",
    ] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    assert!(!table.contains(PHONE), "nobody's phone:\n{table}");
    // Unrouted first, and once there is a lead it is sent again.
    org.deliver(message(OTHER_PHONE, W1).id("twice"));
    org.contact("L-2", OTHER_PHONE);
    org.room("L-2", W1);
    let (input, _) = org.inbound(message(OTHER_PHONE, W1).id("twice"));
    org.send(&input);
    org.await_record("the message to be routed", |record| {
        record.topic == ROUTED && record.text("message_id") == "twice"
    });
    let (_, told) = past("twice", &["--since", "1h"]);
    let outcomes: Vec<&Value> = told["records"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|record| &record["outcome"])
        .collect();
    assert_eq!(outcomes, ["unrouted", "routed"]);
    assert_eq!(told["records"][0]["reason"], "NO_CONTACT");
    let bad = json!({"org_id": org.id, "message_id": "bad", "from": PHONE});
    org.dead_letter(&Input::new(INBOUND, &org.id, bad.to_string().as_bytes(), now()));
    let (_, told) = past("bad", &[]);
    assert_eq!(
        (&told["records"][0]["outcome"], &told["records"][0]["reason"]),
        (&json!("dead_letter"), &json!("MALFORMED"))
    );
    assert_eq!(past("nobody's", &[]).0, Some(65));
    assert_eq!(ask(&org, &["explain", &org.id]).0, Some(64));
    assert_eq!(
        ask(&org, &["explain", "--message-id", "x", &org.id, PHONE, W1]).0,
        Some(64)
    );
}
