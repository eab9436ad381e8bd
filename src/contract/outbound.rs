//! `outbound-messages`: what the gateway is to send, an agent's words or the auto-reply of an expired chatroom.

use super::cloud_events::Subject;
use super::inbound::Carried;
use super::outbound_request::Asked;
use super::publish::{PublishFault, Written};
use super::record::{RawRecord, TopicKind};
use super::write::{E164, Id, Shown, Utc, json};
use crate::domain::effect::{AutoReplySent, Outbound};
use crate::domain::event::{Body, Event};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Wire<'a, Message> {
    org_id: &'a str,
    chatroom_id: Id,
    waba_phone: E164,
    to: E164,
    origin: &'static str,
    request_id: Option<&'a str>,
    in_reply_to: Option<&'a str>,
    requested_by: Option<&'a str>,
    not_after: Option<Utc>,
    message: Message,
}

#[derive(Serialize)]
struct TextMessage<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: TextBody<'a>,
}

#[derive(Serialize)]
struct TextBody<'a> {
    body: &'a str,
}

pub fn agents_words<'a>(
    event: &Event,
    message: &Outbound,
    record: &RawRecord<'_>,
) -> Result<Written<'a>, PublishFault> {
    let Body::Command(command) = &event.body else {
        return Err(PublishFault::NotItsCause);
    };
    let asked = Asked::read(record)?;
    let words = asked.words(event, message, command.request.as_str())?;
    Ok(written(event, message, json(&words)?))
}

fn written<'a>(event: &Event, message: &Outbound, value: Vec<u8>) -> Written<'a> {
    Written {
        topic: TopicKind::OutboundMessages,
        key: format!("{}:{}", event.body.org(), message.phone),
        value,
        subject: Subject {
            kind: "com.chatroom-router.message.outbound",
            name: message.chatroom_id.to_string().into(),
            time: event.at,
        },
    }
}

impl Asked<'_> {
    /// The agent's own message, byte for byte.
    fn words<'a>(
        &'a self,
        event: &'a Event,
        message: &Outbound,
        request: &'a str,
    ) -> Result<Wire<'a, &'a RawValue>, PublishFault> {
        Ok(Wire {
            org_id: event.body.org().as_str(),
            chatroom_id: Shown(message.chatroom_id),
            waba_phone: Shown(message.waba_phone),
            to: Shown(message.to),
            origin: "AGENT",
            request_id: Some(request),
            in_reply_to: None,
            requested_by: self.requested_by(),
            not_after: self.not_after()?.map(Utc),
            message: self.message,
        })
    }
}

pub fn auto_reply<'a>(
    event: &Event,
    message: &Outbound,
    reply: &AutoReplySent,
    carried: &Carried,
) -> Result<Written<'a>, PublishFault> {
    let wire = Wire {
        org_id: event.body.org().as_str(),
        chatroom_id: Shown(message.chatroom_id),
        waba_phone: Shown(message.waba_phone),
        to: Shown(message.to),
        origin: "AUTO_REPLY",
        request_id: None,
        in_reply_to: Some(&carried.message_id),
        requested_by: None,
        not_after: Some(Utc(reply.not_after)),
        message: TextMessage {
            kind: "text",
            text: TextBody { body: &reply.text },
        },
    };
    Ok(written(event, message, json(&wire)?))
}
