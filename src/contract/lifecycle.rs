//! `lifecycle-events`: what became of contacts and chatrooms. No phone of a customer is in them.

use super::cloud_events::Subject as About;
use super::publish::{PublishFault, Written};
use super::record::TopicKind;
use super::write::{As, E164, Id, Shown, Utc, chatroom_kind, json};
use crate::domain::effect::{ChatroomView, Happening, Lifecycle, Reason, Subject};
use crate::domain::ids::{CrmId, ExternalRefId, RequestId};
use serde::Serialize;

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: As<Happening>,
    org_id: &'a str,
    chatroom_id: Option<Id>,
    chatroom_kind: Option<&'static str>,
    crm_id: Option<&'a str>,
    waba_phone: Option<E164>,
    reason: As<Reason>,
    occurred_at: Utc,
    request_id: Option<&'a str>,
    /// Only `CHATROOM_CREATED` has these two.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_ref_id: Option<Option<&'a str>>,
}

pub fn write(happened: &Lifecycle) -> Result<Written<'_>, PublishFault> {
    let (crm_id, chatroom) = match &happened.subject {
        Subject::Contact(crm_id) => (Some(crm_id), None),
        Subject::Chatroom(chatroom) => (chatroom.crm_id.as_ref(), Some(chatroom)),
    };
    let created = happened.created.as_ref();
    let kind = |chatroom: &ChatroomView| chatroom_kind(chatroom.crm_id.as_ref());
    let wire = Wire {
        kind: As(happened.happening),
        org_id: happened.org.as_str(),
        chatroom_id: chatroom.map(|chatroom| Shown(chatroom.id)),
        chatroom_kind: chatroom.map(kind),
        crm_id: crm_id.map(CrmId::as_str),
        waba_phone: chatroom.map(|chatroom| Shown(chatroom.waba_phone)),
        reason: As(happened.reason),
        occurred_at: Utc(happened.occurred_at),
        request_id: happened.request.as_ref().map(RequestId::as_str),
        display_name: created.map(|created| &*created.display_name),
        external_ref_id: created.map(|created| created.external_ref_id.as_ref().map(ExternalRefId::as_str)),
    };
    let (key, name) = match &happened.subject {
        Subject::Contact(crm_id) => (format!("{}:{crm_id}", happened.org), crm_id.to_string()),
        Subject::Chatroom(chatroom) => (chatroom.id.to_string(), chatroom.id.to_string()),
    };
    Ok(Written {
        topic: TopicKind::LifecycleEvents,
        key,
        value: json(&wire)?,
        subject: About {
            kind: event_type(happened.happening),
            name: name.into(),
            time: happened.occurred_at,
        },
    })
}

fn event_type(happening: Happening) -> &'static str {
    match happening {
        Happening::ContactCreated => "com.chatroom-router.contact.created",
        Happening::ContactUpdated => "com.chatroom-router.contact.updated",
        Happening::ContactMoved => "com.chatroom-router.contact.moved",
        Happening::ContactExpired => "com.chatroom-router.contact.expired",
        Happening::ContactDeleted => "com.chatroom-router.contact.deleted",
        Happening::ChatroomCreated => "com.chatroom-router.chatroom.created",
        Happening::ChatroomActivated => "com.chatroom-router.chatroom.activated",
        Happening::ChatroomDeactivated => "com.chatroom-router.chatroom.deactivated",
        Happening::ChatroomExpired => "com.chatroom-router.chatroom.expired",
    }
}
