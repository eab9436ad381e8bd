//! `routed-messages`: a message in its chatroom, with why it went there.

use super::cloud_events::Subject;
use super::inbound::Carried;
use super::publish::{PublishFault, Written};
use super::record::TopicKind;
use super::write::{As, E164, Id, Shown, Utc, chatroom_kind, json};
use crate::domain::chatroom::ChatroomStatus;
use crate::domain::effect::{AutoReplyOutcome, Candidate, RouteReason, RouteRule, Routed};
use crate::domain::event::{Inbound, Sender};
use crate::domain::ids::CrmId;
use crate::domain::time::Instant;
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Wire<'a> {
    org_id: &'a str,
    chatroom_id: Id,
    chatroom_status: As<ChatroomStatus>,
    chatroom_kind: &'static str,
    crm_id: Option<&'a str>,
    waba_phone: E164,
    received_on: E164,
    /// The way it was received, in E.164; the canonical spelling is for keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<E164>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_user_id: Option<&'a str>,
    message_id: &'a str,
    sent_at: Utc,
    message: &'a RawValue,
    route: Route<'a>,
}

#[derive(Serialize)]
struct Route<'a> {
    reason: As<RouteReason>,
    rule: As<RouteRule>,
    candidates: Vec<WireCandidate<'a>>,
    auto_reply: Option<As<AutoReplyOutcome>>,
    settings_version: i64,
}

#[derive(Serialize)]
struct WireCandidate<'a> {
    chatroom_id: Id,
    crm_id: Option<&'a str>,
    waba_phone: E164,
    status: As<ChatroomStatus>,
    since: Utc,
}

pub fn write<'a>(
    at: Instant,
    (inbound, carried): (&Inbound, &Carried),
    routed: &Routed,
) -> Result<Written<'a>, PublishFault> {
    let chatroom = &routed.chatroom;
    let wire = Wire {
        org_id: inbound.org.as_str(),
        chatroom_id: Shown(chatroom.id),
        chatroom_status: As(chatroom.status),
        chatroom_kind: chatroom_kind(chatroom.crm_id.as_ref()),
        crm_id: chatroom.crm_id.as_ref().map(CrmId::as_str),
        waba_phone: Shown(chatroom.waba_phone),
        received_on: Shown(inbound.waba_phone),
        from: spelled(&inbound.from),
        from_user_id: carried.user_id.as_deref(),
        message_id: &carried.message_id,
        sent_at: Utc(inbound.sent_at),
        message: &carried.message,
        route: Route {
            reason: As(routed.reason),
            rule: As(routed.rule),
            candidates: routed.candidates.iter().map(candidate).collect(),
            auto_reply: routed.auto_reply.map(As),
            settings_version: routed.settings_version,
        },
    };
    let id = chatroom.id.to_string();
    Ok(Written {
        topic: TopicKind::RoutedMessages,
        value: json(&wire)?,
        subject: Subject {
            kind: "com.chatroom-router.message.routed",
            name: id.clone().into(),
            time: at,
        },
        key: id,
    })
}

pub(super) fn spelled(from: &Sender) -> Option<E164> {
    match from {
        Sender::Phone(phone) => Some(Shown(phone.spelled)),
        Sender::User(_) => None,
    }
}

fn candidate(candidate: &Candidate) -> WireCandidate<'_> {
    WireCandidate {
        chatroom_id: Shown(candidate.chatroom_id),
        crm_id: candidate.crm_id.as_ref().map(CrmId::as_str),
        waba_phone: Shown(candidate.waba_phone),
        status: As(candidate.status),
        since: Utc(candidate.since),
    }
}
