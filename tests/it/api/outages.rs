//! What the API answers while those that it asks are away, and that nothing is lost or done twice by it.

use super::http::{ALL, READER, Server};
use crate::harness::client::Input;
use crate::harness::world::{Plan, World};
use crate::scenario::*;
use crate::wait;
use serde_json::json;

fn alone(world: &World, settings: &[(&str, &str)]) -> Server {
    Server::start(world, "alone", &[&[("WORKERS", "0")], settings].concat())
}

#[test]
fn a_write_without_a_result_is_pending_and_answered_when_it_is_asked_again() {
    let mut world = World::start(&Plan {
        own_redis: false,
        ..Plan::new("pending")
    });
    let server = alone(&world, &[("API__RESULT_TIMEOUT_MS", "3000")]);
    server.await_ready();
    let http = server.http(ALL);
    let settings = json!({"waba_phones": [{"phone": W1}]});
    wait::until("the settings", wait::PATIENCE, || {
        let put = http.keyed("settings").put("/v1/orgs/acme/settings", settings.clone());
        (put.status == 200).then_some(())
    });
    assert_eq!(world.terminate(0), Some(0));
    let contact = json!({"phone": PHONE});
    let pending = http.put("/v1/orgs/acme/contacts/L-1", contact.clone());
    assert_eq!(
        (pending.status, pending.text("status")),
        (202, "PENDING"),
        "{pending:?}"
    );
    let key = pending.text("idempotency_key").to_owned();
    assert_eq!(pending.header("Idempotency-Key"), key);
    world.launch(0);
    world.await_ready();
    let http = http.keyed(&key);
    let answer = wait::until("the answer", wait::PATIENCE, || {
        let answer = http.put("/v1/orgs/acme/contacts/L-1", contact.clone());
        (answer.status != 202).then_some(answer)
    });
    answer.is_done(200, "APPLIED");
    assert_eq!(answer.text("request_id"), pending.text("request_id"));
    world.tail.settle();
    let created = world.log().all(|record| record.text("type") == "CONTACT_CREATED");
    assert_eq!(created.len(), 1);
}

#[test]
fn a_read_that_the_index_is_not_far_enough_for_says_so() {
    let mut world = World::start(&Plan {
        own_redis: false,
        ..Plan::new("behind")
    });
    let server = alone(&world, &[("API__RESULT_TIMEOUT_MS", "3000")]);
    server.await_ready();
    let http = server.http(ALL);
    let put = wait::until("the settings", wait::PATIENCE, || {
        let settings = json!({"waba_phones": [{"phone": W1}]});
        let put = http.keyed("settings").put("/v1/orgs/acme/settings", settings);
        (put.status == 200).then_some(put)
    });
    let path = format!("/v1/orgs/acme/contacts/L-1?at_least={}", put.text("decided_at"));
    http.get(&path).is_problem(404, "CONTACT_NOT_FOUND");
    assert_eq!(world.terminate(0), Some(0));
    // Committed to the changelog, and nobody is there to apply it.
    for partition in 0..4 {
        let record = Input::new("router-changelog", "later", b"{}", now()).partition(partition);
        world.client.send(&record).place();
    }
    http.get(&path).is_problem(409, "NOT_YET_APPLIED");
    http.get("/v1/orgs/acme/contacts/L-1")
        .is_problem(404, "CONTACT_NOT_FOUND");
}

#[test]
fn without_redis_reads_are_503_and_writes_go_on_as_the_router_does() {
    let mut world = World::start(&Plan::new("noredis"));
    let server = alone(
        &world,
        &[("INDEX__TIMEOUT_MS", "300"), ("INDEX__CONNECT_TIMEOUT_MS", "300")],
    );
    server.await_ready();
    let http = server.http(ALL);
    let settings = json!({"waba_phones": [{"phone": W1}]});
    assert_eq!(http.put("/v1/orgs/acme/settings", settings).status, 200);
    let put = http.put("/v1/orgs/acme/contacts/L-1", json!({"phone": PHONE}));
    put.is_done(200, "APPLIED");
    let read = format!("/v1/orgs/acme/contacts/L-1?at_least={}", put.text("decided_at"));
    assert_eq!(http.get(&read).status, 200);
    world.redis.as_mut().expect("its own").kill();
    for path in [
        "contacts/L-1",
        "chatrooms/x",
        &format!("phones/{PHONE}"),
        "contacts/L-1?at_least=2026-01-01T00:00:00Z",
    ] {
        http.get(&format!("/v1/orgs/acme/{path}"))
            .is_problem(503, "UNAVAILABLE");
    }
    let body = json!({"phone": PHONE, "waba_phone": W1});
    http.post("/v1/orgs/acme/explain", body).is_problem(503, "UNAVAILABLE");
    assert_eq!(
        http.get("/v1/orgs/acme/settings").status,
        200,
        "settings come from Kafka"
    );
    wait::until("the probe to say so", wait::PATIENCE, || {
        (server.admin("/readyz").0 == 503).then_some(())
    });
    assert_eq!(server.admin("/livez").0, 200);
    world.redis.as_mut().expect("its own").restart();
    // The index is empty: it is rebuilt, and then says again what it said.
    wait::until("the contact to be back", wait::PATIENCE, || {
        (http.get(&read).status == 200).then_some(())
    });
    server.await_ready();
}

#[test]
fn without_kafka_writes_and_settings_are_503() {
    let world = Org::of_the_program("nokafka").world();
    let nowhere = format!("127.0.0.1:{}", crate::harness::services::free_port());
    let server = alone(
        world,
        &[("KAFKA__BROKERS", &nowhere), ("API__RESULT_TIMEOUT_MS", "1000")],
    );
    let http = server.http(ALL);
    http.put("/v1/orgs/acme/settings", json!({"waba_phones": []}))
        .is_problem(503, "UNAVAILABLE");
    http.put("/v1/orgs/acme/contacts/L-1", json!({"phone": PHONE}))
        .is_problem(503, "UNAVAILABLE");
    http.tell("DELETE", "/v1/orgs/acme/contacts/L-1")
        .is_problem(503, "UNAVAILABLE");
    http.get("/v1/orgs/acme/settings").is_problem(503, "UNAVAILABLE");
    assert_eq!(server.admin("/readyz").0, 503);
    server.assert_alive();
}

#[test]
fn an_answer_that_is_under_way_is_given_before_the_process_ends() {
    let world = World::start(&Plan {
        own_redis: false,
        ..Plan::new("drain")
    });
    let server = alone(&world, &[("API__REQUESTS_AT_ONCE", "1")]);
    server.await_ready();
    let http = server.http(ALL);
    let settings = json!({"waba_phones": [{"phone": W1}]});
    assert_eq!(http.put("/v1/orgs/acme/settings", settings).status, 200);
    world.signal(0, "STOP");
    let writing = std::thread::spawn(move || http.put("/v1/orgs/acme/contacts/L-1", json!({"phone": PHONE})));
    wait::until("the write to wait", wait::PATIENCE, || {
        server
            .admin("/metrics")
            .1
            .contains("chatroom_router_api_waiting 1")
            .then_some(())
    });
    // It has as many under way as it may; another token has none.
    let path = "/v1/orgs/acme/settings";
    server.http(ALL).get(path).is_problem(429, "TOO_MANY_REQUESTS");
    assert_eq!(server.http(READER).get(path).status, 200);
    server.signal("TERM");
    world.signal(0, "CONT");
    writing.join().expect("answered").is_done(200, "APPLIED");
    assert_eq!(server.ended(), Some(0));
}
