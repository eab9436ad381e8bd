//! Two orgs' tokens tried against each other on every path of the document, so that a new path can't be forgotten: what is
//! another's is answered as what isn't there, and nothing is changed by the trying.

use super::http::{ALL, Answer, Http, ONE, READER, TWO, WRITER, api};
use crate::harness::world::World;
use crate::scenario::*;
use serde_json::{Value, json};

struct Call {
    method: String,
    template: String,
    writes: bool,
    body: Option<Value>,
}

/// Every call of the document, with a body that could be meant.
fn calls(http: &Http) -> Vec<Call> {
    let document = http.get("/openapi.json");
    assert_eq!(document.status, 200);
    let paths = document.body["paths"].as_object().expect("paths").clone();
    let mut calls = Vec::new();
    for (template, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            let body = operation.get("requestBody").map(|_| body(&template));
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            calls.push(Call {
                method: method.to_uppercase(),
                template: template.clone(),
                writes: parameters
                    .iter()
                    .any(|parameter| parameter["name"] == "Idempotency-Key"),
                body,
            });
        }
    }
    calls
}

fn body(template: &str) -> Value {
    match template.rsplit('/').next().unwrap_or_default() {
        "settings" => json!({"waba_phones": [{"phone": W3}]}),
        "chatrooms" => json!({"crm_id": "L-1", "waba_phone": W2, "deactivate_existing": true}),
        "messages" => json!({"message": {"type": "text", "text": {"body": "No"}}}),
        "explain" => json!({"phone": PHONE, "waba_phone": W1}),
        _ => json!({"phone": OTHER_PHONE}),
    }
}

impl Call {
    fn path(&self, org: &str, room: &str) -> String {
        self.template
            .replace("{org}", org)
            .replace("{crm_id}", "L-1")
            .replace("{id}", room)
            .replace("{phone}", PHONE)
    }

    fn by(&self, http: &Http, org: &str, room: &str) -> Answer {
        let body = self.body.as_ref().map(|body| body.to_string().into_bytes());
        http.call(&self.method, &self.path(org, room), body.as_deref())
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }
}

/// An org with a lead and a chatroom, as its own token makes them; the same again if it is there.
fn furnished(name: &str) -> String {
    let http = api(name);
    let path = |rest: &str| format!("/v1/orgs/{name}/{rest}");
    let settings = json!({"default_region": "IN", "waba_phones": [{"phone": W1}, {"phone": W2}]});
    assert_eq!(http.put(&path("settings"), settings).status, 200);
    assert_eq!(http.put(&path("contacts/L-1"), json!({"phone": PHONE})).status, 200);
    let opened = http.post(&path("chatrooms"), json!({"crm_id": "L-1", "waba_phone": W1}));
    assert!([200, 201].contains(&opened.status), "{opened:?}");
    id_of(&opened.body)
}

/// How many commands of that org were sent to any topic of these.
fn sent(world: &World, org: &str) -> usize {
    world.tail.settle();
    world.log().all(|record| record.text("org_id") == org).len()
}

#[test]
fn no_token_reaches_another_org_on_any_path() {
    let room = furnished(ONE);
    furnished(TWO);
    let world = Org::of_the_program("tenants").world();
    let calls = calls(&api(ALL));
    assert!(calls.len() >= 13, "{}", calls.len());
    let before = sent(world, ONE);
    for call in &calls {
        let theirs = call.by(&api(TWO), ONE, &room);
        theirs.is_problem(404, "UNKNOWN_ORG");
        let nobodys = call.by(&api(TWO), "nobody-at-all", &room);
        assert_eq!(
            (&theirs.body, theirs.status),
            (&nobodys.body, nobodys.status),
            "{}",
            call.name()
        );
        for spelled in ["%6Fne", "one%2F..%2Ftwo", "two%00", "one:", "two%3Aone", "ONE"] {
            let answer = call.by(&api(TWO), spelled, &room);
            assert_eq!(
                answer.text("code"),
                "UNKNOWN_ORG",
                "{} of {spelled}: {answer:?}",
                call.name()
            );
        }
    }
    assert_eq!(sent(world, ONE), before, "something of org one was changed");
    // The chatroom of one org is none of another's.
    for call in calls.iter().filter(|call| call.template.contains("{id}")) {
        call.by(&api(TWO), TWO, &room).is_problem(404, "CHATROOM_NOT_FOUND");
    }
}

#[test]
fn without_a_token_or_its_scope_no_call_is_done() {
    let org = Org::of_the_program("scopes");
    let calls = calls(&api(ALL));
    for call in &calls {
        let name = call.name();
        for scheme in ["", "Basic YTpi", "Bearer ", "Bearer unknown", "bearer", "Token all"] {
            let mut http = api("").bare();
            if !scheme.is_empty() {
                http = http.header("Authorization", scheme);
            }
            let answer = call.by(&http, &org.id, "x");
            answer.is_problem(401, "UNAUTHORIZED");
            assert!(answer.header("WWW-Authenticate").starts_with("Bearer"), "{name}");
        }
        let (may, may_not) = if call.writes {
            (WRITER, READER)
        } else {
            (READER, WRITER)
        };
        call.by(&api(may_not), &org.id, "x").is_problem(403, "FORBIDDEN");
        let answer = call.by(&api(may), &org.id, "x");
        assert!(![401, 403].contains(&answer.status), "{name}: {answer:?}");
    }
    // The scheme is spelled as one likes.
    let http = api("").bare().header("Authorization", "bEARER all");
    assert_ne!(http.get(&format!("/v1/orgs/{}/settings", org.id)).status, 401);
}

#[test]
fn the_document_is_for_everybody_and_the_rest_is_told_by_name() {
    let bare = api("").bare();
    let document = bare.get("/openapi.json");
    assert_eq!((document.status, document.text("openapi")), (200, "3.1.0"));
    bare.tell("POST", "/openapi.json").is_problem(405, "METHOD_NOT_ALLOWED");
    api(ALL).get("/v1/nothing").is_problem(404, "NOT_FOUND");
    api(ALL).get("/v1/orgs/acme/contacts").is_problem(404, "NOT_FOUND");
    for call in calls(&api(ALL)) {
        let answer = api(ALL).tell("PATCH", &call.path("acme", "x"));
        answer.is_problem(405, "METHOD_NOT_ALLOWED");
        assert!(
            answer.header("Allow").contains(&call.method),
            "{}: {answer:?}",
            call.name()
        );
    }
}
