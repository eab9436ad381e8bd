//! Each call with each of its answers, and what it leaves on the topics.

use super::http::{ALL, Answer, Http, api};
use crate::harness::topics::{DEAD, LIFECYCLE, OUTBOUND, RESULTS};
use crate::scenario::*;
use serde_json::{Value, json};

struct Desk {
    org: Org,
    http: Http,
}

/// An org without settings.
fn desk(name: &str) -> Desk {
    Desk {
        org: Org::of_the_program(name),
        http: api(ALL),
    }
}

/// An org with settings, put over the API.
fn open(name: &str) -> Desk {
    let desk = desk(name);
    desk.put("settings", settings()).is_done(200, "APPLIED");
    desk
}

fn settings() -> Value {
    json!({"default_region": "IN", "waba_phones": [{"phone": W1}, {"phone": W2}]})
}

impl Desk {
    fn path(&self, rest: &str) -> String {
        format!("/v1/orgs/{}/{rest}", self.org.id)
    }

    fn get(&self, rest: &str) -> Answer {
        self.http.get(&self.path(rest))
    }

    fn put(&self, rest: &str, body: Value) -> Answer {
        self.http.put(&self.path(rest), body)
    }

    fn post(&self, rest: &str, body: Value) -> Answer {
        self.http.post(&self.path(rest), body)
    }

    fn contact(&self, crm_id: &str, phone: &str) {
        self.put(&format!("contacts/{crm_id}"), json!({"phone": phone}))
            .is_done(200, "APPLIED");
    }

    fn room(&self, crm_id: &str, waba_phone: &str) -> String {
        let answer = self.post("chatrooms", json!({"crm_id": crm_id, "waba_phone": waba_phone}));
        answer.is_done(201, "APPLIED");
        id_of(&answer.body)
    }

    fn about(&self, room: &str, verb: &str) -> Answer {
        self.http.tell("POST", &self.path(&format!("chatrooms/{room}/{verb}")))
    }

    /// A read that shows what this answer has done.
    fn after(&self, answer: &Answer, rest: &str) -> Answer {
        self.get(&format!("{rest}?at_least={}", answer.text("decided_at")))
    }

    fn dead_letters(&self) -> usize {
        self.org.world().tail.settle();
        let own = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&self.org.id);
        self.org
            .log()
            .all(|record| record.topic == DEAD && own(&record.bytes))
            .len()
    }
}

#[test]
fn settings_are_in_force_from_the_answer_on() {
    let desk = desk("settings");
    desk.get("settings").is_problem(404, "UNKNOWN_ORG");
    desk.put("contacts/L-1", json!({"phone": PHONE}))
        .is_problem(404, "UNKNOWN_ORG");
    desk.put("settings", settings()).is_done(200, "APPLIED");
    let first = desk.get("settings");
    assert_eq!((first.status, &first.body["default_region"]), (200, &json!("IN")));
    assert_eq!(first.body["waba_phones"][1]["phone"], W2);
    desk.put("settings", settings()).is_done(200, "UNCHANGED");
    // What was read can be sent back.
    desk.put("settings", first.body.clone()).is_done(200, "UNCHANGED");
    for days in 1..10 {
        let mut changed = settings();
        changed["expire_after_days"] = json!(days);
        desk.put("settings", changed).is_done(200, "APPLIED");
        assert_eq!(desk.get("settings").body["expire_after_days"], days);
    }
}

#[test]
fn settings_that_break_a_rule_are_refused_at_once() {
    let desk = open("badset");
    let rows = [
        (
            json!({"waba_phones": [{"phone": W1}], "expire_after_days": 0}),
            "BAD_SETTINGS",
        ),
        (json!({"waba_phones": [{"phone": W1}, {"phone": W1}]}), "BAD_SETTINGS"),
        (json!({"waba_phones": [{"phone": "12"}]}), "BAD_PHONE"),
        (json!({"waba_phones": "none"}), "MALFORMED"),
        (json!({}), "MALFORMED"),
        (json!([]), "MALFORMED"),
        (json!({"waba_phones": [], "org_id": "another"}), "MALFORMED"),
    ];
    for (body, code) in rows {
        desk.put("settings", body).is_problem(422, code);
    }
    let answer = desk
        .http
        .call("PUT", &desk.path("settings"), Some(b"{\"waba_phones\":"));
    answer.is_problem(422, "NOT_JSON");
    assert_eq!(desk.get("settings").body["waba_phones"][0]["phone"], W1);
    assert_eq!(desk.dead_letters(), 0);
}

#[test]
fn a_contact_is_created_read_changed_and_erased() {
    let desk = open("contact");
    let body = json!({"phone": "98123 45678", "first_name": "Asha", "attributes": {"city": "Pune"}});
    let created = desk.put("contacts/L-1", body.clone());
    created.is_done(200, "APPLIED");
    let found = desk.after(&created, "contacts/L-1");
    assert_eq!(
        (found.status, found.text("phone"), found.text("first_name")),
        (200, PHONE, "Asha")
    );
    assert_eq!(found.body["attributes"], json!({"city": "Pune"}));
    assert_eq!(found.header("Applied-Until"), found.text("applied_until"));
    desk.put("contacts/L-1", body).is_done(200, "UNCHANGED");
    let moved = desk.put("contacts/L-1", json!({"phone": OTHER_PHONE, "last_name": "Rao"}));
    moved.is_done(200, "APPLIED");
    let found = desk.after(&moved, "contacts/L-1");
    assert_eq!((found.text("phone"), found.text("last_name")), (OTHER_PHONE, "Rao"));
    desk.after(&moved, &format!("phones/{PHONE}"))
        .is_problem(404, "PHONE_NOT_FOUND");
    let erased = desk.http.tell("DELETE", &desk.path("contacts/L-1"));
    erased.is_done(200, "APPLIED");
    desk.after(&erased, "contacts/L-1").is_problem(404, "CONTACT_DELETED");
    desk.http
        .tell("DELETE", &desk.path("contacts/L-1"))
        .is_problem(404, "CONTACT_DELETED");
    desk.put("contacts/L-1", json!({"phone": PHONE}))
        .is_problem(404, "CONTACT_DELETED");
    let unknown = desk.get("contacts/L-2");
    unknown.is_problem(404, "CONTACT_NOT_FOUND");
    assert!(!unknown.header("Applied-Until").is_empty());
    desk.http
        .tell("DELETE", &desk.path("contacts/L-2"))
        .is_problem(404, "CONTACT_NOT_FOUND");
}

#[test]
fn a_phone_that_is_none_is_told_at_once_and_the_contacts_state_comes_first() {
    let desk = open("badphone");
    desk.put("contacts/L-1", json!({"phone": "98123"}))
        .is_problem(422, "BAD_PHONE");
    desk.contact("L-1", PHONE);
    desk.put("contacts/L-1", json!({"phone": "98123"}))
        .is_problem(422, "BAD_PHONE");
    desk.post(
        "chatrooms",
        json!({"kind": "AFFILIATE", "phone": "1", "waba_phone": W1}),
    )
    .is_problem(422, "BAD_PHONE");
    assert_eq!(desk.dead_letters(), 0);
    let mut expiring = settings();
    expiring["expire_after_days"] = json!(1);
    desk.put("settings", expiring).is_done(200, "APPLIED");
    let old = json!({"phone": OTHER_PHONE, "created_at": days_ago(30).to_string()});
    desk.put("contacts/L-2", old).is_done(200, "APPLIED");
    desk.put("contacts/L-2", json!({"phone": "98123"}))
        .is_problem(409, "CONTACT_EXPIRED");
    desk.put("contacts/L-2", json!({"phone": PHONE}))
        .is_problem(409, "CONTACT_EXPIRED");
}

#[test]
fn a_chatroom_is_opened_activated_and_deactivated_by_the_api() {
    let desk = open("chatroom");
    desk.contact("L-1", PHONE);
    desk.contact("L-2", PHONE);
    let room = desk.room("L-1", W1);
    desk.post("chatrooms", json!({"crm_id": "L-1", "waba_phone": W1}))
        .is_done(200, "UNCHANGED");
    let conflict = desk.post("chatrooms", json!({"crm_id": "L-2", "waba_phone": W1}));
    conflict.is_problem(409, "CHATROOM_CONFLICT");
    assert_eq!(conflict.body["conflict"]["chatroom_id"], room);
    assert_eq!(conflict.body["conflict"]["crm_id"], "L-1");
    desk.about(&room, "activate").is_done(200, "UNCHANGED");
    let slept = desk.about(&room, "deactivate");
    slept.is_done(200, "APPLIED");
    assert_eq!(slept.body["chatroom"]["status"], "DEACTIVATED");
    let found = desk.after(&slept, &format!("chatrooms/{room}"));
    assert_eq!(
        (found.text("status"), found.text("phone"), found.text("crm_id")),
        ("DEACTIVATED", PHONE, "L-1")
    );
    let other = desk.room("L-2", W1);
    desk.about(&room, "activate").is_problem(409, "CHATROOM_CONFLICT");
    desk.about(&other, "deactivate").is_done(200, "APPLIED");
    desk.about(&room, "activate").is_done(200, "APPLIED");
    desk.about(&room, "expire").is_problem(409, "NOT_AN_AFFILIATE");
    assert_eq!(
        desk.org.story(&room),
        [
            "CHATROOM_CREATED api",
            "CHATROOM_DEACTIVATED api",
            "CHATROOM_ACTIVATED api"
        ]
    );
}

#[test]
fn a_chatroom_that_cannot_be_is_told_why() {
    let desk = open("noroom");
    desk.contact("L-1", PHONE);
    let unknown = "000-6df27029-4744-5a3b-9c51-7dcf02a7aa90";
    for verb in ["activate", "deactivate", "expire"] {
        desk.about(unknown, verb).is_problem(404, "CHATROOM_NOT_FOUND");
        desk.about("nonsense", verb).is_problem(404, "CHATROOM_NOT_FOUND");
    }
    desk.get("chatrooms/nonsense").is_problem(404, "CHATROOM_NOT_FOUND");
    desk.get(&format!("chatrooms/{unknown}"))
        .is_problem(404, "CHATROOM_NOT_FOUND");
    let rows = [
        (json!({"crm_id": "L-9", "waba_phone": W1}), 404, "CONTACT_NOT_FOUND"),
        (json!({"crm_id": "L-1", "waba_phone": W3}), 422, "UNKNOWN_WABA_PHONE"),
        (json!({"crm_id": "L-1", "waba_phone": "7"}), 422, "BAD_PHONE"),
        (json!({"crm_id": "L-1"}), 422, "MALFORMED"),
        (
            json!({"kind": "NONE", "crm_id": "L-1", "waba_phone": W1}),
            422,
            "MALFORMED",
        ),
        (
            json!({"kind": "AFFILIATE", "phone": PHONE, "waba_phone": W1}),
            409,
            "PHONE_HAS_CONTACTS",
        ),
    ];
    for (body, status, code) in rows {
        desk.post("chatrooms", body).is_problem(status, code);
    }
}

#[test]
fn an_affiliates_chatroom_reserves_its_phone_until_it_is_expired() {
    let desk = open("affiliate");
    let body = json!({"kind": "AFFILIATE", "phone": "98123 45679", "waba_phone": W1, "display_name": "Back office"});
    let opened = desk.post("chatrooms", body);
    opened.is_done(201, "APPLIED");
    let room = id_of(&opened.body);
    let refused = desk.put("contacts/L-1", json!({"phone": OTHER_PHONE}));
    refused.is_problem(409, "PHONE_IS_AFFILIATE");
    assert_eq!(refused.body["conflict"]["chatroom_id"], room);
    desk.about(&room, "expire").is_done(200, "APPLIED");
    desk.about(&room, "expire").is_done(200, "UNCHANGED");
    desk.about(&room, "activate").is_problem(409, "CHATROOM_EXPIRED");
    desk.contact("L-1", OTHER_PHONE);
}

#[test]
fn a_message_passes_on_byte_for_byte_if_its_chatroom_is_active() {
    let desk = open("send");
    desk.contact("L-1", PHONE);
    let room = desk.room("L-1", W1);
    let path = desk.path(&format!("chatrooms/{room}/messages"));
    let message = r#"{"type":"text", "text":{"body":"Yes\u0021"},  "n":1.0}"#;
    let body = format!(r#"{{"requested_by":"agent-7","message":{message}}}"#);
    let sent = desk.http.call("POST", &path, Some(body.as_bytes()));
    sent.is_done(200, "APPLIED");
    let out = desk.org.await_record("the message", |record| {
        record.topic == OUTBOUND && record.text("request_id") == sent.text("request_id")
    });
    assert!(String::from_utf8_lossy(&out.bytes).contains(message));
    assert_eq!((out.text("to"), out.text("requested_by")), (PHONE, "agent-7"));
    let rest = format!("chatrooms/{room}/messages");
    desk.post(&rest, json!({"message": {}})).is_problem(422, "MALFORMED");
    desk.post(&rest, json!({"message": {"type": "text"}, "not_after": "soon"}))
        .is_problem(422, "MALFORMED");
    desk.post("chatrooms/nonsense/messages", json!({"message": {"type": "text"}}))
        .is_problem(404, "CHATROOM_NOT_FOUND");
    desk.about(&room, "deactivate").is_done(200, "APPLIED");
    desk.post(&rest, json!({"message": {"type": "text"}}))
        .is_problem(409, "CHATROOM_DEACTIVATED");
}

#[test]
fn the_same_request_is_done_once_and_answered_as_the_first() {
    let desk = open("again");
    desk.contact("L-1", PHONE);
    desk.contact("L-2", PHONE);
    let path = desk.path("chatrooms");
    let body = json!({"crm_id": "L-1", "waba_phone": W1});
    let first = desk.http.keyed("one").post(&path, body.clone());
    first.is_done(201, "APPLIED");
    assert_eq!(first.header("Idempotency-Key"), "one");
    let again = desk.http.keyed("one").post(&path, body.clone());
    again.is_done(201, "APPLIED");
    assert_eq!(
        (&again.body["duplicate"], &again.body["chatroom"]),
        (&json!(true), &first.body["chatroom"])
    );
    assert_eq!(again.text("request_id"), first.text("request_id"));
    desk.http.keyed("two").post(&path, body).is_done(200, "UNCHANGED");
    let taken = json!({"crm_id": "L-2", "waba_phone": W1});
    desk.http
        .keyed("three")
        .post(&path, taken.clone())
        .is_problem(409, "CHATROOM_CONFLICT");
    desk.about(&id_of(&first.body), "deactivate").is_done(200, "APPLIED");
    // It would be done now, and was refused then.
    desk.http
        .keyed("three")
        .post(&path, taken.clone())
        .is_problem(409, "CHATROOM_CONFLICT");
    desk.http.keyed("four").post(&path, taken).is_done(201, "APPLIED");
    let created = |id: &str| {
        desk.org
            .story(id)
            .iter()
            .filter(|told| told.starts_with("CHATROOM_CREATED"))
            .count()
    };
    assert_eq!(created(&id_of(&first.body)), 1);
    // Without a key each is a request of its own, and the answer names the one that was made up for it.
    let made_up = desk.about(&id_of(&first.body), "deactivate");
    assert!(made_up.header("Idempotency-Key").len() > 20, "{made_up:?}");
}

#[test]
fn requests_of_one_key_that_meet_are_one() {
    let desk = open("meet");
    desk.contact("L-1", PHONE);
    let path = desk.path("chatrooms");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (http, path) = (desk.http.keyed("same"), path.clone());
                scope.spawn(move || http.post(&path, json!({"crm_id": "L-1", "waba_phone": W1})))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("answered"))
            .collect()
    });
    for answer in &answers {
        answer.is_done(201, "APPLIED");
        assert_eq!(id_of(&answer.body), id_of(&answers[0].body));
    }
    let created = desk.org.published(LIFECYCLE);
    assert_eq!(
        created
            .iter()
            .filter(|event| event.text("type") == "CHATROOM_CREATED")
            .count(),
        1
    );
    assert_eq!(
        desk.org
            .published(RESULTS)
            .iter()
            .filter(|result| result.text("status") == "APPLIED")
            .count(),
        3
    );
}

#[test]
fn a_read_with_at_least_shows_every_result_before_it() {
    let desk = open("fresh");
    for number in 0..20 {
        let (crm_id, name) = (format!("contacts/L-{number}"), format!("name {number}"));
        let phone = format!("+9198123456{number:02}");
        let put = desk.put(&crm_id, json!({"phone": phone, "first_name": name}));
        put.is_done(200, "APPLIED");
        let found = desk.after(&put, &crm_id);
        assert_eq!(
            (found.status, found.text("first_name")),
            (200, name.as_str()),
            "{found:?}"
        );
        let opened = desk.post("chatrooms", json!({"crm_id": format!("L-{number}"), "waba_phone": W1}));
        opened.is_done(201, "APPLIED");
        let found = desk.after(&opened, &format!("chatrooms/{}", id_of(&opened.body)));
        assert_eq!((found.status, found.text("status")), (200, "ACTIVE"));
        let slept = desk.about(&id_of(&opened.body), "deactivate");
        let found = desk.after(&slept, &format!("phones/{phone}"));
        assert_eq!(found.body["chatrooms"][0]["status"], "DEACTIVATED", "{found:?}");
    }
    desk.get("contacts/L-1?at_least=soon").is_problem(422, "MALFORMED");
    desk.get("contacts/L-1?at_least=2026-01-01T00:00:00Z&at_least=2026-01-01T00:00:00Z")
        .is_problem(400, "BAD_REQUEST");
    assert_eq!(
        desk.get("contacts/L-1?at_least=2026-01-01T05:30:00%2B05:30").status,
        200
    );
}

#[test]
fn an_explanation_over_the_api_is_what_then_happens() {
    let desk = open("why");
    desk.contact("L-1", PHONE);
    let room = desk.room("L-1", W1);
    let slept = desk.about(&room, "deactivate");
    let path = format!("explain?at_least={}", slept.text("decided_at"));
    let told = desk.post(&path, json!({"phone": PHONE, "waba_phone": W2}));
    assert_eq!(
        (told.status, told.text("reason"), told.text("chatroom_id")),
        (200, "REACTIVATED", room.as_str())
    );
    assert_eq!(told.body["events"][0]["type"], "CHATROOM_ACTIVATED");
    assert_eq!(told.header("Applied-Until"), told.text("applied_until"));
    let routed = desk.org.routed(PHONE, W2);
    assert_eq!(routed["route"]["candidates"], told.body["candidates"]);
    assert_eq!(routed["route"]["rule"], told.body["rule"]);
    let kept = desk.post("explain", json!({"phone": OTHER_PHONE, "waba_phone": W1}));
    assert_eq!(
        (kept.status, kept.text("reason"), &kept.body["routed"]),
        (200, "NO_CONTACT", &json!(false))
    );
    let later = json!({"phone": PHONE, "waba_phone": W1, "at": "2199-01-01T00:00:00Z"});
    assert_eq!(desk.post("explain", later).status, 200);
    for (body, code) in [
        (json!({"phone": "1", "waba_phone": W1}), "BAD_PHONE"),
        (json!({"phone": PHONE, "waba_phone": "1"}), "BAD_PHONE"),
        (json!({"phone": PHONE, "waba_phone": W1, "at": "soon"}), "MALFORMED"),
        (json!({"phone": PHONE}), "MALFORMED"),
    ] {
        desk.post("explain", body).is_problem(422, code);
    }
}

#[test]
fn a_phone_is_looked_up_as_people_type_it() {
    let desk = open("typed");
    let put = desk.put("contacts/L-1", json!({"phone": PHONE}));
    for text in [
        PHONE,
        "%2B919812345678",
        "919812345678",
        "098123%2045678",
        "98123-45678",
    ] {
        let found = desk.after(&put, &format!("phones/{text}"));
        assert_eq!((found.status, found.text("phone")), (200, PHONE), "{text}: {found:?}");
    }
    desk.get("phones/nonsense").is_problem(422, "BAD_PHONE");
    desk.get(&format!("phones/{OTHER_PHONE}"))
        .is_problem(404, "PHONE_NOT_FOUND");
}
