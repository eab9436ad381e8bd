//! Every bound of a request: its bytes, its time, how many at once and how often. Nothing in it makes the program fail.

use super::http::{ALL, Server, api};
use crate::scenario::*;
use crate::wait;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What comes back for these bytes until the connection is closed, or nothing more comes for a while.
fn raw(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    // It may be closed before all is written.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn alone(name: &str, settings: &[(&str, &str)]) -> Server {
    let world = Org::of_the_program(name).world();
    let settings = [&[("WORKERS", "0")], settings].concat();
    let server = Server::start(world, name, &settings);
    server.await_ready();
    server
}

#[test]
fn a_body_is_json_of_a_bounded_size() {
    let org = Org::of_the_program("body");
    let path = format!("/v1/orgs/{}/contacts/L-1", org.id);
    let http = api(ALL);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""] {
        let answer = http.header("Content-Type", kind).call("PUT", &path, Some(b"{}"));
        answer.is_problem(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let typed = http.header("Content-Type", "Application/JSON; charset=utf-8");
    typed.call("PUT", &path, Some(b"{}")).is_problem(422, "MALFORMED");
    let name = "x".repeat(524_288);
    http.put(&path, json!({"phone": PHONE, "first_name": name}))
        .is_problem(413, "TOO_LARGE");
    let name = "x".repeat(900_000);
    http.put(&path, json!({"phone": PHONE, "first_name": name}))
        .is_problem(413, "TOO_LARGE");
    for body in [&b"\xff\xfe"[..], b"", b"\"", b"nul", &b"[".repeat(100_000)] {
        http.call("PUT", &path, Some(body)).is_problem(422, "NOT_JSON");
    }
    let deep = format!(
        "{{\"phone\":\"{PHONE}\",\"attributes\":{{\"a\":{}{}}}}}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    http.call("PUT", &path, Some(deep.as_bytes()))
        .is_problem(422, "MALFORMED");
}

#[test]
fn a_name_that_can_be_none_is_told() {
    let org = Org::of_the_program("names");
    let http = api(ALL);
    let long = "x".repeat(129);
    for name in [long.as_str(), "%00", "%7F"] {
        http.get(&format!("/v1/orgs/{}/contacts/{name}", org.id))
            .is_problem(422, "MALFORMED");
        http.put(&format!("/v1/orgs/{}/contacts/{name}", org.id), json!({"phone": PHONE}))
            .is_problem(422, "MALFORMED");
        http.get(&format!("/v1/orgs/{name}/settings"))
            .is_problem(404, "UNKNOWN_ORG");
    }
    http.get(&format!("/v1/orgs/{}/contacts/%FF", org.id))
        .is_problem(400, "BAD_REQUEST");
    http.get("/v1/orgs/%FF/settings").is_problem(400, "BAD_REQUEST");
    for key in ["k".repeat(256).as_str(), "a b", "\u{e9}"] {
        http.keyed(key)
            .tell("DELETE", &format!("/v1/orgs/{}/contacts/L-1", org.id))
            .is_problem(400, "BAD_REQUEST");
    }
    // A name may hold what a path may not.
    http.get(&format!("/v1/orgs/{}/contacts/a%2Fb%20c%3Fd", org.id))
        .is_problem(404, "CONTACT_NOT_FOUND");
}

#[test]
fn a_token_has_a_rate_and_so_many_requests_at_once() {
    let org = Org::of_the_program("rate");
    let server = alone(
        "rate",
        &[("API__REQUESTS_PER_SECOND", "5"), ("API__REQUESTS_AT_ONCE", "2")],
    );
    let http = server.http(ALL);
    let path = format!("/v1/orgs/{}/settings", org.id);
    let refused = wait::until("a refusal", wait::PATIENCE, || {
        let answer = http.get(&path);
        (answer.status == 429).then_some(answer)
    });
    refused.is_problem(429, "TOO_MANY_REQUESTS");
    // Another token is not held up by it, nor is this one for ever.
    assert_ne!(server.http(super::http::READER).get(&path).status, 429);
    wait::until("the rate to recover", wait::PATIENCE, || {
        (http.get(&path).status == 404).then_some(())
    });
    let figures = server.admin("/metrics").1;
    let line = "chatroom_router_api_requests_total{route=\"GET /v1/orgs/{org}/settings\",status=\"429\"}";
    assert!(figures.contains(line), "{figures}");
}

#[test]
fn who_takes_too_long_is_let_go() {
    let server = alone("slow", &[("API__REQUEST_TIMEOUT_MS", "500")]);
    let port = server.port;
    assert_eq!(raw(port, b"GET /v1/orgs/acme/sett"), "");
    let head = "PUT /v1/orgs/acme/settings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer all\r\n\
                Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{";
    let answer = raw(port, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("REQUEST_TIMEOUT"), "{answer}");
}

#[test]
fn what_is_no_request_is_answered_and_never_as_our_fault() {
    let server = alone("shapes", &[]);
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(500));
    let path = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(60_000));
    let shapes = [
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /v1/orgs/acme/settings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \u{1}\r\nConnection: close\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET http://other/v1/orgs/acme/settings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer one\r\nConnection: close\r\n\r\n",
        "PUT /v1/orgs/acme/settings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer all\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
        "PUT /v1/orgs/acme/settings HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{",
        "POST /v1/orgs/acme/settings HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\nConnection: close\r\n\r\n",
        "\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        large.as_str(),
        many.as_str(),
        path.as_str(),
    ];
    for shape in shapes {
        let answer = raw(server.port, shape.as_bytes());
        let status = answer.strip_prefix("HTTP/1.1 ").or(answer.strip_prefix("HTTP/1.0 "));
        let ours = status.is_some_and(|status| status.starts_with('5'));
        assert!(!ours, "{:.60}: {answer}", shape);
        server.assert_alive();
    }
    assert_eq!(server.http(ALL).get("/v1/orgs/acme/settings").status, 404);
}

#[test]
fn no_token_and_no_phone_is_logged() {
    let org = Org::of_the_program("quiet");
    let server = alone("quiet", &[("LOG__LEVEL", "debug")]);
    let http = server.http(ALL);
    let secret = server.http("a-token-that-nobody-has");
    secret
        .get(&format!("/v1/orgs/{}/phones/{PHONE}", org.id))
        .is_problem(401, "UNAUTHORIZED");
    http.get(&format!("/v1/orgs/{}/phones/{PHONE}", org.id))
        .is_problem(404, "PHONE_NOT_FOUND");
    let settings = json!({"waba_phones": [{"phone": W1}]});
    assert_eq!(http.put(&format!("/v1/orgs/{}/settings", org.id), settings).status, 200);
    assert_eq!(
        http.put(&format!("/v1/orgs/{}/contacts/L-1", org.id), json!({"phone": PHONE}))
            .status,
        200
    );
    let said = server.said();
    assert!(said.contains("api_command_sent"), "{said}");
    for word in [&PHONE[1..], "a-token-that-nobody-has", "Bearer"] {
        assert!(!said.contains(word), "{word} is in\n{said}");
    }
}
