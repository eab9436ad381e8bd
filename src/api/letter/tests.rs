//! What is made of a body.

use super::*;

fn letter(body: &str) -> Letter {
    Letter {
        headers: HeaderMap::new(),
        body: Some(Bytes::copy_from_slice(body.as_bytes())),
        idempotency_key: "k".to_owned(),
        request: RequestId::parse("api-1").unwrap(),
    }
}

#[test]
fn the_body_passes_on_byte_for_byte_after_what_the_path_says() {
    let value = letter("{ \"message\" : {\"type\": \"text\",  \"n\": 1.0}, \"extra\":[ ] }")
        .value(&[("org_id", "acme"), ("chatroom_id", "a\"b")])
        .unwrap();
    let expected = r#"{"request_id":"api-1","org_id":"acme","chatroom_id":"a\"b","message":{"type": "text",  "n": 1.0},"extra":[ ]}"#;
    assert_eq!(String::from_utf8(value).unwrap(), expected);
}

#[test]
fn what_the_path_says_the_body_cannot_say_otherwise() {
    let ours = [("org_id", "acme")];
    let same = letter(r#"{"org_id":"acme"}"#).value(&ours).unwrap();
    assert_eq!(same, br#"{"request_id":"api-1","org_id":"acme"}"#);
    for body in [
        r#"{"org_id":"other"}"#,
        r#"{"org_id":null}"#,
        r#"{"org\u005fid":"other"}"#,
        r#"{"request_id":"mine"}"#,
    ] {
        let problem = letter(body).value(&ours).unwrap_err();
        assert_eq!((problem.body.status, &*problem.body.code), (422, "MALFORMED"), "{body}");
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for (body, code) in [
        ("", "NOT_JSON"),
        ("{", "NOT_JSON"),
        ("[]", "MALFORMED"),
        ("7", "MALFORMED"),
        ("{} {}", "NOT_JSON"),
    ] {
        assert_eq!(letter(body).value(&[]).unwrap_err().body.code, code, "{body}");
    }
}
