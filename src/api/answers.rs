//! From what became of a command to what its client is told: done, refused with the conflict, or a dead letter's reason. A
//! repeat is answered as the first was.

use super::problem::{Body, Problem};
use crate::contract::refusal_in_words;
use crate::contract::words::Word;
use crate::domain::effect::{Code, DeadReason};
use crate::telemetry::metrics::Label;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What became of a command.
#[derive(Debug, Clone)]
pub enum Outcome {
    Result(Arc<Published>),
    DeadLetter { reason: String, detail: String },
}

/// A record of `command-results`.
#[derive(Debug, Clone, Deserialize)]
pub struct Published {
    request_id: String,
    #[serde(rename = "type")]
    kind: String,
    status: String,
    code: Option<String>,
    detail: Option<String>,
    chatroom: Option<ChatroomState>,
    contact: Option<ContactState>,
    conflict: Option<Conflict>,
    first: Option<First>,
    settings_version: Option<i64>,
    decided_at: String,
}

#[derive(Debug, Clone, Deserialize)]
struct First {
    status: String,
    code: Option<String>,
}

/// A command that was done, or found done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Done {
    pub request_id: String,
    /// The command.
    #[serde(rename = "type")]
    #[schema(example = "chatroom.activate")]
    pub kind: String,
    /// `APPLIED`, or `UNCHANGED` where there was nothing to do.
    #[schema(example = "APPLIED")]
    pub status: String,
    /// Whether the same request had been done before: then the state below is as it is now.
    pub duplicate: bool,
    /// The state after the command, where it is about a chatroom.
    pub chatroom: Option<ChatroomState>,
    /// The state after the command, where it is about a contact.
    pub contact: Option<ContactState>,
    /// The settings that it was judged by.
    pub settings_version: Option<i64>,
    /// When it was decided. A read with this as `at_least` shows it.
    #[schema(format = DateTime)]
    pub decided_at: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChatroomState {
    pub chatroom_id: String,
    /// Null: an affiliate's.
    pub crm_id: Option<String>,
    pub kind: String,
    pub waba_phone: String,
    pub status: String,
    #[schema(format = DateTime)]
    pub since: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactState {
    pub crm_id: String,
    pub status: String,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// What stands in the way: a chatroom, or the contacts that hold a phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    pub chatroom_id: Option<String>,
    pub crm_id: Option<String>,
    pub waba_phone: Option<String>,
    pub crm_ids: Vec<String>,
}

/// A command that was sent and has no result yet.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Pending {
    pub request_id: String,
    #[schema(example = "PENDING")]
    pub status: &'static str,
    /// Send the same request again with this as its `Idempotency-Key`: it is done once, and answered.
    pub idempotency_key: String,
    pub detail: &'static str,
}

impl Pending {
    #[must_use]
    pub fn new(request_id: String, idempotency_key: String) -> Self {
        Self {
            request_id,
            status: "PENDING",
            idempotency_key,
            detail: "the command was sent and has no result yet: send the same request again with this Idempotency-Key \
                     to learn of it, or read command-results",
        }
    }
}

/// 201 where a chatroom was created, else 200, or the problem.
pub fn answer(outcome: &Outcome) -> Result<Response, Problem> {
    match outcome {
        Outcome::DeadLetter { reason, detail } => Err(dead_letter(reason, detail)),
        Outcome::Result(published) => {
            let (status, code) = match &published.first {
                Some(first) => (&first.status, first.code.as_ref()),
                None => (&published.status, published.code.as_ref()),
            };
            match code {
                Some(code) => Err(refusal(published, code)),
                None => Ok(done(published, status)),
            }
        }
    }
}

fn done(published: &Published, status: &str) -> Response {
    let created = published.kind == "chatroom.create" && status == "APPLIED";
    let http = if created { StatusCode::CREATED } else { StatusCode::OK };
    let done = Done {
        request_id: published.request_id.clone(),
        kind: published.kind.clone(),
        status: status.to_owned(),
        duplicate: published.first.is_some(),
        chatroom: published.chatroom.clone(),
        contact: published.contact.clone(),
        settings_version: published.settings_version,
        decided_at: published.decided_at.clone(),
    };
    (http, Json(done)).into_response()
}

fn refusal(published: &Published, word: &str) -> Problem {
    let code = Code::ALL.iter().find(|code| code.word() == word);
    let status = code.map_or(StatusCode::CONFLICT, |code| status(*code));
    let said = published.detail.clone();
    let detail = said.unwrap_or_else(|| code.map_or("", |code| refusal_in_words(*code)).to_owned());
    let mut problem = Problem::new(status, word, detail);
    *problem.body = Body {
        request_id: Some(published.request_id.clone()),
        chatroom: published.chatroom.clone(),
        contact: published.contact.clone(),
        conflict: published.conflict.clone(),
        decided_at: Some(published.decided_at.clone()),
        ..*problem.body
    };
    match code {
        Some(Code::Busy) => problem.retry_after(1),
        _ => problem,
    }
}

/// 404: what it names isn't there. 409: the state of things forbids it. 422: it can't be done as it was asked.
fn status(code: Code) -> StatusCode {
    match code {
        Code::UnknownOrg | Code::ContactNotFound | Code::ContactDeleted | Code::ChatroomNotFound => {
            StatusCode::NOT_FOUND
        }
        Code::ContactExpired
        | Code::PhoneIsAffiliate
        | Code::PhoneHasContacts
        | Code::PhoneFull
        | Code::ChatroomConflict
        | Code::ChatroomDeactivated
        | Code::ChatroomExpired
        | Code::NotAnAffiliate
        | Code::Busy => StatusCode::CONFLICT,
        Code::UnknownWabaPhone | Code::Failed => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn dead_letter(reason: &str, detail: &str) -> Problem {
    let status = if reason == DeadReason::TooLarge.word() {
        StatusCode::PAYLOAD_TOO_LARGE
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    Problem::new(status, reason, detail)
}
