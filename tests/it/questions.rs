//! `lookup` and `explain`: what they say of what the program has just done.

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
