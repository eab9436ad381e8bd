//! `dead-letters` and `unrouted`: what was put aside is told as it is, and goes back once.

use crate::harness::client::Input;
use crate::harness::log::Record;
use crate::harness::process::Process;
use crate::harness::topics::{Admin, CRM, DEAD, INBOUND, OUTBOUND_REQUESTS, RESULTS, ROUTED, SETTINGS, UNROUTED};
use crate::scenario::*;
use crate::wait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a command printed for scripts: an object, or one a line.
fn asked(org: &Org, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["--output", "json"], arguments, &["--org", &org.id]].concat();
    printed(org, &arguments)
}

fn printed(org: &Org, arguments: &[&str]) -> Vec<Value> {
    let output = org.world().command(arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    let values = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    values.map(|value| value.expect("JSON")).collect()
}

/// As people read it, on both streams, and the exit code.
fn read(org: &Org, arguments: &[&str]) -> (Option<i32>, String) {
    let output = org.world().command(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("text"))
}

fn replay(org: &Org, arguments: &[&str]) -> Value {
    asked(org, &[&["dead-letters", "replay"], arguments].concat()).remove(0)
}

/// A contact whose phone nobody can read without the org's region: a dead letter until that is set.
fn national(org: &Org, crm_id: &str, request_id: Option<&str>) -> Input {
    let mut command = json!({"type": "contact.upsert", "org_id": org.id, "crm_id": crm_id, "phone": "98123 45678"});
    if let Some(request_id) = request_id {
        command["request_id"] = json!(request_id);
    }
    let key = format!("{}:{crm_id}", org.id);
    Input::new(CRM, &key, command.to_string().as_bytes(), now()).header("x-own", "kept")
}

fn org(name: &str) -> Org {
    let org = Org::of_the_program(name);
    org.settings(json!({}));
    org
}

/// So many dead letters for want of a region, which is then set.
fn made_readable(org: &Org, count: usize) -> Vec<String> {
    let requests: Vec<String> = (0..count).map(|number| format!("n-{number}")).collect();
    for request in &requests {
        let letter = org.dead_letter(&national(org, &format!("L-{request}"), Some(request)));
        assert_eq!(letter.header("dlq_reason"), "BAD_PHONE");
    }
    org.settings(json!({"default_region": "IN"}));
    requests
}

/// How many results each of these requests has by now.
fn answers(org: &Org) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for result in org.published(RESULTS) {
        *counts.entry(result.text("request_id").to_owned()).or_default() += 1;
    }
    counts.retain(|request: &String, _| request.starts_with("n-"));
    counts
}

fn await_answers(org: &Org, count: usize) {
    let counted = |record: &Arc<Record>| record.topic == RESULTS && record.text("request_id").starts_with("n-");
    wait::until("results of what was sent back", wait::PATIENCE, || {
        let all = org.log().all(|record| record.text("org_id") == org.id);
        (all.iter().filter(|record| counted(record)).count() >= count).then_some(())
    });
}

#[test]
fn dead_letters_are_counted_by_reason_and_the_latest_shown() {
    let org = org("list");
    let key = format!("{}:{PHONE}", org.id);
    for body in [&b"no json"[..], b"\xff\xfe"] {
        org.dead_letter(&Input::new(INBOUND, &key, body, now()));
    }
    let last = org.dead_letter(&national(&org, "L-1", None));
    let told = asked(&org, &["dead-letters", "list"]);
    assert_eq!((&told[0]["kind"], &told[0]["total"]), (&json!("histogram"), &json!(3)));
    let reasons = json!([
        {"reason": "NOT_JSON", "topic": INBOUND, "count": 2},
        {"reason": "BAD_PHONE", "topic": CRM, "count": 1},
    ]);
    assert_eq!(told[0]["reasons"], reasons);
    assert_eq!(told.len(), 4);
    assert_eq!(
        (&told[1]["partition"], &told[1]["offset"]),
        (&json!(last.partition), &json!(last.offset))
    );
    assert_eq!(told[1]["detail"], last.header("dlq_detail"));
    for (filter, count) in [
        (&["--reason", "NOT_JSON"][..], 2),
        (&["--topic", CRM], 1),
        (&["--until", "1h"], 0),
        (&["--since", "1h", "--reason", "bad_phone"], 1),
    ] {
        let told = asked(&org, &[&["dead-letters", "list"], filter].concat());
        assert_eq!(told[0]["total"], count, "{filter:?}");
    }
    assert_eq!(asked(&org, &["dead-letters", "list", "--limit", "1"]).len(), 2);
    let (code, table) = read(&org, &["dead-letters", "list", "--org", &org.id]);
    assert_eq!(code, Some(0));
    for word in ["3 dead letters since ", "NOT_JSON", "BAD_PHONE", "came from"] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    assert!(
        !table.contains(PHONE) && !table.contains("98123"),
        "nobody's phone:\n{table}"
    );
}

#[test]
fn a_dead_letter_is_shown_whole_by_its_place_and_by_the_record_that_it_was() {
    let org = org("show");
    let key = format!("{}:{PHONE}", org.id);
    let input = Input::new(INBOUND, &key, b"\xff\x00no text", now()).header("x-own", "kept");
    let (partition, offset) = org.world().client.send(&input).place();
    let letter = dead_letter_of(org.log(), INBOUND, partition, offset);
    let places = [
        format!("{}:{}", letter.partition, letter.offset),
        format!("{INBOUND}:{partition}:{offset}"),
        format!("{}:{partition}:{offset}", letter.header("dlq_topic")),
    ];
    for place in &places {
        let shown = printed(&org, &["--output", "json", "dead-letters", "show", place]).remove(0);
        assert_eq!(shown["reason"], "NOT_JSON", "{place}");
        assert_eq!(shown["key"]["text"], key);
        assert_eq!(shown["value"]["hex"], "ff006e6f2074657874");
        assert_eq!(shown["headers"], json!([{"name": "x-own", "value": {"text": "kept"}}]));
        assert_eq!(shown["from"]["offset"], offset);
        let (code, text) = read(&org, &["dead-letters", "show", place]);
        assert_eq!(code, Some(0));
        for word in ["Why: NOT_JSON: ", "Header x-own: kept", "ff 00 6e 6f", key.as_str()] {
            assert!(text.contains(word), "{word} is not in\n{text}");
        }
    }
    let text = org.dead_letter(&national(&org, "L-1", None));
    let place = format!("{}:{}", text.partition, text.offset);
    let shown = printed(&org, &["--output", "json", "dead-letters", "show", &place]).remove(0);
    assert_eq!(shown["value"]["text"], String::from_utf8_lossy(&text.bytes).as_ref());
    assert_eq!(read(&org, &["dead-letters", "show", "0:99999999"]).0, Some(65));
    assert_eq!(read(&org, &["dead-letters", "show", "nonsense"]).0, Some(64));
}

#[test]
fn a_replay_that_is_stopped_goes_on_and_sends_each_letter_once() {
    let org = org("replay");
    let requests = made_readable(&org, 5);
    let dry = replay(&org, &["--dry-run"]);
    assert_eq!((&dry["returned"], &dry["done"]), (&json!(5), &json!(true)));
    assert_eq!(answers(&org).len(), 0, "a dry run sends nothing");
    for left in [3, 1, 0] {
        let told = replay(&org, &["--max", "2"]);
        assert_eq!(told["returned"], if left == 0 { 1 } else { 2 }, "{told}");
        assert_eq!(replay(&org, &["--dry-run"])["returned"], left);
    }
    await_answers(&org, 5);
    let once: BTreeMap<String, usize> = requests.into_iter().map(|request| (request, 1)).collect();
    assert_eq!(answers(&org), once);
    assert!(
        org.published(RESULTS)
            .iter()
            .all(|result| result.text("status") == "APPLIED")
    );
    assert_eq!(replay(&org, &[])["returned"], 0, "nothing is left");
}

#[test]
fn a_replay_that_is_killed_neither_loses_nor_doubles() {
    let org = org("killed");
    let requests = made_readable(&org, 24);
    let arguments = ["dead-letters", "replay", "--rate", "12", "--org", &org.id];
    let mut command = org.world().program(&arguments);
    let output = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.log", org.id));
    let mut process = Process::start("replay", &mut command, &output);
    await_answers(&org, 1);
    process.kill();
    let told = replay(&org, &[]);
    assert_eq!(told["done"], true);
    await_answers(&org, requests.len());
    let once: BTreeMap<String, usize> = requests.into_iter().map(|request| (request, 1)).collect();
    assert_eq!(answers(&org), once);
    assert!(
        org.published(RESULTS)
            .iter()
            .all(|result| result.text("status") == "APPLIED")
    );
    assert!(
        told["returned"].as_u64() < Some(24),
        "it went on, and did not begin anew: {told}"
    );
}

#[test]
fn a_command_without_a_request_id_is_the_same_command_when_it_comes_back() {
    let org = org("same");
    let input = national(&org, "L-1", None);
    let (partition, offset) = org.world().client.send(&input).place();
    let letter = dead_letter_of(org.log(), CRM, partition, offset);
    assert_eq!(letter.header("x-own"), "kept");
    org.settings(json!({"default_region": "IN"}));
    let id = format!("crm-changes-{partition}-{offset}");
    let answered = |status: &str| {
        let what = format!("{status} of {id}");
        let is_it = |record: &Record| record.topic == RESULTS && record.text("request_id") == id;
        org.await_record(&what, |record| is_it(record) && record.text("status") == status)
    };
    assert_eq!(
        replay(&org, &[])["topics"].as_object().map(serde_json::Map::len),
        Some(1)
    );
    answered("APPLIED");
    // Other filters keep another place, and so send it again.
    assert_eq!(replay(&org, &["--reason", "BAD_PHONE"])["returned"], 1);
    answered("DUPLICATE");
}

#[test]
fn what_comes_back_too_often_stays_until_somebody_insists() {
    let org = org("often");
    org.dead_letter(&national(&org, "L-1", None));
    let letters = |count: usize| {
        wait::until("the next dead letter", wait::PATIENCE, || {
            let told = asked(&org, &["dead-letters", "list"]);
            (told[0]["total"] == count).then_some(told)
        })
    };
    for round in 1..=3 {
        assert_eq!(replay(&org, &[])["returned"], 1, "round {round}");
        let told = letters(round + 1);
        assert_eq!(told[1]["replays"], round);
        let from = told[1]["from"]["topic"].as_str().unwrap_or_default();
        assert!(from.ends_with(CRM), "{from}");
    }
    assert_eq!(replay(&org, &[])["skipped"], json!({"TOO_OFTEN": 1}));
    assert_eq!(letters(4)[0]["total"], 4);
    let (code, told) = read(
        &org,
        &["dead-letters", "replay", "--org", &org.id, "--force", "--dry-run"],
    );
    assert_eq!(code, Some(0));
    assert!(told.contains("4 would go back: 4 to "), "{told}");
}

#[test]
fn what_can_not_or_must_not_go_back_stays_and_says_why() {
    let org = org("stay");
    let key = format!("{}:{PHONE}", org.id);
    org.dead_letter(&Input::new(INBOUND, &key, &vec![b'x'; 600_000], now()));
    org.dead_letter(&Input::new(SETTINGS, &org.id, b"{}", now()));
    let told = replay(&org, &[]);
    assert_eq!(told["returned"], 0);
    assert_eq!(told["skipped"], json!({"SETTINGS": 1, "TRUNCATED": 1}));
    let (_, told) = read(
        &org,
        &["dead-letters", "replay", "--org", &org.id, "--since", "1d", "--dry-run"],
    );
    for word in ["have them sent again", "ask for them by --topic org-settings"] {
        assert!(told.contains(word), "{word} is not in\n{told}");
    }
    assert_eq!(replay(&org, &["--topic", SETTINGS])["returned"], 1);
    wait::until("the settings to come back", wait::PATIENCE, || {
        (asked(&org, &["dead-letters", "list", "--topic", SETTINGS])[0]["total"] == 2).then_some(())
    });
}

#[test]
fn what_brokers_refuse_stays_and_the_others_go_back() {
    let org = org("refused");
    let key = format!("{}:{PHONE}", org.id);
    for length in [400_000, 100] {
        org.dead_letter(&Input::new(OUTBOUND_REQUESTS, &key, &vec![b'x'; length], now()));
    }
    let topic = [org.world().topic(OUTBOUND_REQUESTS)];
    let limit = |bytes| Admin::new().set(&topic, &[("max.message.bytes", bytes)]);
    limit("300000");
    let told = replay(&org, &[]);
    limit("4194304");
    assert_eq!(
        (&told["returned"], &told["skipped"]),
        (&json!(1), &json!({"REFUSED": 1}))
    );
}

#[test]
fn an_unrouted_message_is_sent_again_and_published_only_if_it_can_be_routed_now() {
    let org = org("unrouted");
    let found = org.receive(PHONE, W1);
    assert_eq!(found.topic, UNROUTED);
    org.unrouted(OTHER_PHONE, W1);
    let told = asked(&org, &["unrouted", "list"]);
    assert_eq!(
        told[0]["reasons"],
        json!([{"reason": "NO_CONTACT", "topic": null, "count": 2}])
    );
    assert_eq!(told.len(), 3);
    let (_, table) = read(&org, &["unrouted", "list", "--org", &org.id]);
    assert!(
        table.contains("2 unrouted messages since ") && !table.contains(PHONE),
        "{table}"
    );
    org.contact("L-1", PHONE);
    let room = org.room("L-1", W1);
    let send = |arguments: &[&str]| asked(&org, &[&["unrouted", "replay"], arguments].concat()).remove(0);
    assert_eq!(send(&["--dry-run"])["returned"], 2);
    let told = send(&[]);
    assert_eq!((&told["returned"], &told["done"]), (&json!(2), &json!(true)));
    let routed = org.await_record("the message to be routed", |record| record.topic == ROUTED);
    assert_eq!(routed.text("chatroom_id"), room);
    assert_eq!(routed.value["message"], found.value["message"]);
    assert_eq!(send(&[])["returned"], 0);
    // A message behind both of them is judged after them.
    org.unrouted(OTHER_PHONE, W1);
    assert_eq!(org.published(ROUTED).len(), 1);
    assert_eq!(
        org.published(UNROUTED).len(),
        3,
        "the one that still goes nowhere is not published again"
    );
    assert_eq!(org.published(DEAD).len(), 0);
}
