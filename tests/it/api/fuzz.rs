//! Schemathesis against the document that the API itself serves: requests made from it, right and wrong, thousands of them. No
//! 5xx, and no answer that the document does not tell of.

use super::http::{ALL, Server};
use crate::harness::world::{Plan, World};
use crate::scenario::{PHONE, W1, W2};
use serde_json::json;
use std::process::Command;

#[test]
fn no_request_gets_an_answer_outside_the_document() {
    let world = World::start(&Plan {
        own_redis: false,
        ..Plan::new("fuzz")
    });
    let server = Server::start(&world, "fuzz", &[("WORKERS", "0")]);
    server.await_ready();
    let http = server.http(ALL);
    let settings = json!({"default_region": "IN", "waba_phones": [{"phone": W1}, {"phone": W2}]});
    assert_eq!(http.put("/v1/orgs/fuzz/settings", settings).status, 200);
    assert_eq!(
        http.put("/v1/orgs/fuzz/contacts/L-17", json!({"phone": PHONE})).status,
        200
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/fuzz-api");
    let output = Command::new(script)
        .args([&server.url(), ALL])
        .output()
        .expect("the script starts");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    server.assert_alive();
    assert!(!server.said().contains("panicked"), "{}", server.said());
}
