//! `command-results`: the one answer to each command.

use super::cloud_events::Subject;
use super::publish::{PublishFault, Written};
use super::record::TopicKind;
use super::write::{As, E164, Id, Shown, Utc, chatroom_kind, crm_ids, json};
use crate::domain::chatroom::ChatroomStatus;
use crate::domain::contact::ContactStatus;
use crate::domain::effect::{
    ChatroomView, Code, CommandResult, CommandType, Conflict, ConflictingChatroom, ContactView, Status,
};
use crate::domain::ids::CrmId;
use serde::Serialize;
use std::borrow::Cow;

/// A sentence names so many contacts at most; `conflict.crm_ids` has them all.
const NAMED_AT_MOST: usize = 5;

#[derive(Serialize)]
struct Wire<'a> {
    request_id: &'a str,
    org_id: &'a str,
    #[serde(rename = "type")]
    kind: As<CommandType>,
    status: As<Status>,
    code: Option<As<Code>>,
    detail: Option<Cow<'a, str>>,
    chatroom: Option<WireChatroom<'a>>,
    contact: Option<WireContact<'a>>,
    conflict: Option<WireConflict<'a>>,
    first: Option<First>,
    settings_version: Option<i64>,
    decided_at: Utc,
}

#[derive(Serialize)]
struct WireChatroom<'a> {
    chatroom_id: Id,
    crm_id: Option<&'a str>,
    kind: &'static str,
    waba_phone: E164,
    status: As<ChatroomStatus>,
    since: Utc,
}

#[derive(Serialize)]
struct WireContact<'a> {
    crm_id: &'a str,
    status: As<ContactStatus>,
    created_at: Utc,
}

#[derive(Serialize)]
struct WireConflict<'a> {
    chatroom_id: Option<Id>,
    crm_id: Option<&'a str>,
    waba_phone: Option<E164>,
    crm_ids: Vec<&'a str>,
}

#[derive(Serialize)]
struct First {
    status: As<Status>,
    code: Option<As<Code>>,
}

pub fn write(result: &CommandResult) -> Result<Written<'_>, PublishFault> {
    let code = result.code.filter(|_| result.status == Status::Refused);
    let first = |(status, code): (Status, Option<Code>)| First {
        status: As(status),
        code: code.map(As),
    };
    let wire = Wire {
        request_id: result.request.as_str(),
        org_id: result.org.as_str(),
        kind: As(result.kind),
        status: As(result.status),
        code: code.map(As),
        detail: code.map(|code| sentence(code, result)),
        chatroom: result.chatroom.as_ref().map(chatroom),
        contact: result.contact.as_ref().map(contact),
        conflict: result.conflict.as_ref().map(conflict),
        first: result.first.map(first),
        settings_version: result.settings_version,
        decided_at: Utc(result.decided_at),
    };
    Ok(Written {
        topic: TopicKind::CommandResults,
        key: format!("{}:{}", result.org, result.request),
        value: json(&wire)?,
        subject: Subject {
            kind: "com.chatroom-router.command.result",
            name: result.request.as_str().into(),
            time: result.decided_at,
        },
    })
}

fn chatroom(view: &ChatroomView) -> WireChatroom<'_> {
    WireChatroom {
        chatroom_id: Shown(view.id),
        crm_id: view.crm_id.as_ref().map(CrmId::as_str),
        kind: chatroom_kind(view.crm_id.as_ref()),
        waba_phone: Shown(view.waba_phone),
        status: As(view.status),
        since: Utc(view.since),
    }
}

fn contact(view: &ContactView) -> WireContact<'_> {
    WireContact {
        crm_id: view.crm_id.as_str(),
        status: As(view.status),
        created_at: Utc(view.created_at),
    }
}

fn conflict(conflict: &Conflict) -> WireConflict<'_> {
    let chatroom = conflict.chatroom.as_ref();
    WireConflict {
        chatroom_id: chatroom.map(|chatroom| Shown(chatroom.id)),
        crm_id: chatroom
            .and_then(|chatroom| chatroom.crm_id.as_ref())
            .map(CrmId::as_str),
        waba_phone: chatroom.map(|chatroom| Shown(chatroom.waba_phone)),
        crm_ids: crm_ids(&conflict.crm_ids),
    }
}

/// The refusal in words, for the person who reads it: the rule's own sentence, else one of the code.
fn sentence(code: Code, result: &CommandResult) -> Cow<'_, str> {
    if let Some(detail) = result.detail.as_deref() {
        return detail.into();
    }
    let other = result.conflict.as_ref().and_then(|conflict| conflict.chatroom.as_ref());
    match (code, other) {
        (Code::ChatroomConflict, Some(other)) => format!("{} is active on {}", named(other), other.waba_phone).into(),
        (Code::PhoneIsAffiliate, Some(other)) => format!(
            "{} on {} reserves the phone until it is expired",
            named(other),
            other.waba_phone
        )
        .into(),
        (Code::PhoneHasContacts, _) => holders(result).into(),
        _ => plain(code).into(),
    }
}

fn named(chatroom: &ConflictingChatroom) -> String {
    match &chatroom.crm_id {
        Some(crm_id) => format!("chatroom {} of contact {crm_id}", chatroom.id),
        None => format!("affiliate chatroom {}", chatroom.id),
    }
}

fn holders(result: &CommandResult) -> String {
    let ids = result.conflict.as_ref().map_or(&[][..], |conflict| &conflict.crm_ids);
    let named: Vec<&str> = ids.iter().take(NAMED_AT_MOST).map(CrmId::as_str).collect();
    let named = named.join(", ");
    match ids.len() {
        0 => "the phone is held by contacts that are not expired".to_owned(),
        1 => format!("contact {named} holds the phone and is not expired"),
        count if count > NAMED_AT_MOST => {
            format!(
                "contacts {named} and {} more hold the phone and are not expired",
                count - NAMED_AT_MOST
            )
        }
        _ => format!("contacts {named} hold the phone and are not expired"),
    }
}

/// A sentence for each code.
#[must_use]
pub fn plain(code: Code) -> &'static str {
    match code {
        Code::UnknownOrg => "the org has no settings",
        Code::UnknownWabaPhone => "the WABA phone is not registered in the org's settings",
        Code::ContactNotFound => "the org has no such contact",
        Code::ContactExpired => "the contact is expired, for good",
        Code::ContactDeleted => "the contact was erased; its crm_id is not used again",
        Code::PhoneIsAffiliate => "an affiliate chatroom reserves the phone until it is expired",
        Code::PhoneHasContacts => "the phone is held by contacts that are not expired",
        Code::PhoneFull => "the phone holds as many contacts or chatrooms as it can (1000)",
        Code::ChatroomNotFound => "the org has no such chatroom",
        Code::ChatroomConflict => "another chatroom is active in its place",
        Code::ChatroomDeactivated => "the chatroom is deactivated: activate it first",
        Code::ChatroomExpired => "the chatroom is expired, for good",
        Code::NotAnAffiliate => "only affiliate chatrooms are expired by command",
        Code::Busy => "too many commands wait while the contact moves: send it again",
        Code::Failed => "the command could not be judged; it is in the dead letters too",
    }
}
