//! A write as it came: its body, its `Idempotency-Key`, and the record that is made of the two and of the path. What the body
//! says passes on as it is; what the path says, the body can't say otherwise.

use super::gate::Writable;
use super::problem::Problem;
use crate::contract::words::Word;
use crate::domain::effect::DeadReason;
use crate::domain::ids::RequestId;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_KEY_BYTES: usize = 255;

/// A request to change something.
pub struct Letter {
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// The client's own, or one by chance.
    pub idempotency_key: String,
    pub request: RequestId,
}

impl Letter {
    /// Reads the request whole. `patience` is for its body.
    pub async fn read(place: &Writable, request: Request, has_body: bool, patience: Duration) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let idempotency_key = idempotency_key(&headers)?;
        let id = request_id(place, request.method(), request.uri().path(), &idempotency_key);
        let body = if has_body {
            check_type(&headers)?;
            Some(body(request, patience).await?)
        } else {
            None
        };
        Ok(Self {
            headers,
            body,
            request: RequestId::parse(&id).map_err(|fault| Problem::malformed(format!("request_id {fault}")))?,
            idempotency_key,
        })
    }

    /// The record's value: our fields first, then the body's.
    pub fn value(&self, ours: &[(&str, &str)]) -> Result<Vec<u8>, Problem> {
        let body = self.body.as_deref().unwrap_or(b"{}");
        let text = text(body)?;
        let theirs: Fields<'_> = serde_json::from_str(text).map_err(|error| unreadable(text, &error))?;
        let request = [("request_id", self.request.as_str())];
        let ours: Vec<(&str, &str)> = request.iter().chain(ours).copied().collect();
        let mut value = String::with_capacity(body.len() + 256);
        for (name, text) in &ours {
            field(&mut value, name, &serde_json::Value::from(*text).to_string());
        }
        for (name, raw) in &theirs.0 {
            match ours.iter().find(|(known, _)| known == name) {
                None => field(&mut value, name, raw.get()),
                // Who sends back what was read need not take it out.
                Some((_, text)) if serde_json::from_str::<String>(raw.get()).is_ok_and(|said| said == *text) => {}
                Some(_) => {
                    let detail = format!("$.{name} is not what the path or the Idempotency-Key says: leave it out");
                    return Err(Problem::malformed(detail));
                }
            }
        }
        value.push('}');
        Ok(value.into_bytes())
    }
}

fn field(value: &mut String, name: &str, json: &str) {
    value.push(if value.is_empty() { '{' } else { ',' });
    value.push_str(&serde_json::Value::from(name).to_string());
    value.push(':');
    value.push_str(json);
}

pub fn text(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|_| not_json("the body is not UTF-8"))
}

/// A body that is not of its shape. Says where, and never what stands there.
pub fn unreadable(text: &str, error: &serde_json::Error) -> Problem {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => not_json(&format!(
            "$ is not JSON, at line {} column {}",
            error.line(),
            error.column()
        )),
        Ok(_) => {
            let place = format!("at line {} column {}", error.line(), error.column());
            Problem::malformed(format!(
                "$ is no object, lacks a field or holds one of another kind, {place}"
            ))
        }
    }
}

fn not_json(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, DeadReason::NotJson.word(), detail)
}

/// The fields of an object in their order, each value byte for byte.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(given) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(Uuid::new_v4().to_string());
    };
    let text = given.to_str().ok().filter(|text| is_key(text));
    let bad = || {
        let detail = "Idempotency-Key must be 1 to 255 visible characters of ASCII";
        Problem::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", detail)
    };
    text.map(str::to_owned).ok_or_else(bad)
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The same for the same request of the same token, on whichever process.
fn request_id(place: &Writable, method: &Method, path: &str, idempotency_key: &str) -> String {
    let mut hash = Sha256::new();
    for part in [&place.holder.token.name, method.as_str(), path, idempotency_key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("api-{hex}")
}

pub fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "send the body as Content-Type: application/json";
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        detail,
    ))
}

/// The body whole, within its bounds of bytes and time.
pub async fn body(request: Request, patience: Duration) -> Result<Bytes, Problem> {
    match tokio::time::timeout(patience, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejected)) if rejected.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            DeadReason::TooLarge.word(),
            "the body has more bytes than limits.record_bytes allows",
        )),
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "BAD_REQUEST",
            "the body can't be read to its end",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "REQUEST_TIMEOUT",
            "the body did not come in time",
        )),
    }
}

#[cfg(test)]
mod tests;
