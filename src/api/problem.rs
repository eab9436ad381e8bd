//! What a client is told that does not get what it asked for: a problem as JSON (RFC 9457) with a code that programs can
//! rely on and a sentence for people. Repeats no phone and no token.

use super::APPLIED_UNTIL;
use super::answers::{ChatroomState, Conflict, ContactState};
use crate::contract::words::Word;
use crate::domain::effect::{Code, DeadLetter, DeadReason};
use crate::domain::ids::OrgId;
use crate::domain::time::Instant;
use crate::failure::{Exit, Failure};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done. Boxed, since most are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub body: Box<Body>,
    /// Whole seconds.
    retry_after: Option<u32>,
    challenge: bool,
    /// Up to when the index is applied that said so.
    applied_until: Option<Instant>,
}

/// A problem by RFC 9457.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body {
    /// `urn:chatroom-router:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// For programs: a code of the command's result, the reason of a dead letter, or one of the API's own.
    #[schema(example = "CHATROOM_CONFLICT", pattern = "^[A-Z_]+$")]
    pub code: String,
    /// For people: what is wrong, and what to do.
    pub detail: String,
    /// Of the command that was refused; so are all that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The state after it, where it is about a chatroom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chatroom: Option<ChatroomState>,
    /// The state after it, where it is about a contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactState>,
    /// What stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Conflict>,
    /// When it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub decided_at: Option<String>,
}

impl Problem {
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let body = Body {
            kind: format!("urn:chatroom-router:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            ..Body::default()
        };
        Self {
            body: Box::new(body),
            retry_after: None,
            challenge: false,
            applied_until: None,
        }
    }

    /// It may pass; when to ask again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// What is not there now may be there later: up to when it isn't.
    #[must_use]
    pub fn as_of(mut self, applied_until: Option<Instant>) -> Self {
        self.applied_until = applied_until;
        self
    }

    #[must_use]
    pub fn unauthorized() -> Self {
        let detail = "give a token that is known here: Authorization: Bearer TOKEN";
        let problem = Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", detail);
        Self {
            challenge: true,
            ..problem
        }
    }

    /// The same for an org that isn't there and for one that is another's.
    #[must_use]
    pub fn unknown_org() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Code::UnknownOrg.word(),
            "the org has no settings, or is not one of the token's",
        )
    }

    #[must_use]
    pub fn missing_scope(scope: &str) -> Self {
        let detail = format!("the token lacks the scope {scope:?}");
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", detail)
    }

    #[must_use]
    pub fn not_found(code: &str, detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// What could be read, and can't be meant.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, DeadReason::Malformed.word(), detail)
    }

    #[must_use]
    pub fn too_many(detail: &str, seconds: u32) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", detail).retry_after(seconds)
    }

    /// Kafka or the index is away. The cause is for the log, not for the client.
    #[must_use]
    pub fn unavailable(what: &str) -> Self {
        let detail =
            format!("{what} can't be reached for now: send it again, with the same Idempotency-Key if it was a write");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", detail).retry_after(1)
    }
}

/// What the stream would put into the dead letters.
impl From<DeadLetter> for Problem {
    fn from(dead: DeadLetter) -> Self {
        let status = match dead.reason {
            DeadReason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, dead.reason.word(), &*dead.detail)
    }
}

/// The index could not be asked, whatever the reason: no request is to blame for it.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure.exit {
            Exit::Unreachable => tracing::debug!(%failure, "api_index_unavailable"),
            _ => tracing::warn!(%failure, "api_index_unfit"),
        }
        Self::unavailable("the index")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.body.status).unwrap_or(StatusCode::BAD_REQUEST);
        let json = serde_json::to_vec(&self.body).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, MEDIA_TYPE)], json).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        let until = super::shown::until(self.applied_until);
        if let Some(until) = until.and_then(|until| HeaderValue::try_from(until).ok()) {
            headers.insert(APPLIED_UNTIL, until);
        }
        if self.challenge {
            let realm = HeaderValue::from_static("Bearer realm=\"chatroom-router\"");
            headers.insert(WWW_AUTHENTICATE, realm);
        }
        response
    }
}

/// An org by its id; what can't be one is nobody's.
pub fn org(text: &str) -> Result<OrgId, Problem> {
    OrgId::parse(text).map_err(|_| Problem::unknown_org())
}
