//! One step of the script: what somebody does, what has to follow from it, and why. And how it becomes records.

use super::outcome::{Outcome, Rooms};
use crate::contract::TopicKind;
use crate::contract::instant;
use crate::domain::time::Instant;
use serde_json::{Value, json};

pub const ORG: &str = "acme";

/// What somebody puts on a topic.
#[derive(Debug, Clone)]
pub enum Input {
    /// A customer's message, by the gateway.
    Message {
        from: &'static str,
        to: &'static str,
        id: &'static str,
        text: &'static str,
    },
    /// The org's settings, whole.
    Settings(Value),
    /// A command of the CRM; `org_id` and `request_id` are added.
    Crm(Value),
    /// A command of the CRM for the chatroom of that name.
    OfRoom { kind: &'static str, room: &'static str },
    /// What an agent wants to send to the chatroom of that name.
    Reply {
        agent: &'static str,
        room: &'static str,
        text: &'static str,
    },
    /// Bytes on the topic of the messages that are none.
    Rubbish(&'static str),
}

#[derive(Debug, Clone)]
pub struct Step {
    /// Who, and from which number.
    pub who: &'static str,
    pub does: String,
    pub inputs: Vec<Input>,
    /// All that follows, and nothing else. Empty: nothing at all, which the next step's message of the same phone proves.
    pub expected: Vec<Outcome>,
    /// The numbers of the rules.
    pub rule: &'static str,
    pub why: &'static str,
}

/// A record to be produced.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    pub topic: TopicKind,
    pub key: String,
    pub value: Vec<u8>,
}

impl Input {
    /// None: it names a chatroom that was not opened.
    pub fn made(&self, request: &str, rooms: &Rooms, now: Instant) -> Option<Made> {
        let made = |topic, key: String, value: &Value| Made {
            topic,
            key,
            value: value.to_string().into_bytes(),
        };
        Some(match self {
            Self::Message { from, to, id, text } => {
                let value = json!({
                    "org_id": ORG, "waba_phone": to, "from": from, "message_id": id, "sent_at": instant::format(now),
                    "message": words(text),
                });
                made(TopicKind::InboundMessages, format!("{ORG}:{from}"), &value)
            }
            Self::Settings(settings) => {
                let value = with_ids(settings, request);
                made(TopicKind::OrgSettings, ORG.to_owned(), &value)
            }
            Self::Crm(command) => {
                let value = with_ids(command, request);
                let subject = ["crm_id", "phone"].into_iter().find_map(|name| value[name].as_str());
                let key = format!("{ORG}:{}", subject.unwrap_or_default());
                made(TopicKind::CrmChanges, key, &value)
            }
            Self::OfRoom { kind, room } => {
                let id = rooms.id(room)?;
                let value = with_ids(&json!({"type": kind, "chatroom_id": id}), request);
                made(TopicKind::CrmChanges, format!("{ORG}:{id}"), &value)
            }
            Self::Reply { agent, room, text } => {
                let id = rooms.id(room)?;
                let asked = json!({"chatroom_id": id, "message": words(text), "requested_by": agent});
                let value = with_ids(&asked, request);
                made(TopicKind::OutboundRequests, format!("{ORG}:{id}"), &value)
            }
            Self::Rubbish(bytes) => Made {
                topic: TopicKind::InboundMessages,
                key: ORG.to_owned(),
                value: bytes.as_bytes().to_vec(),
            },
        })
    }
}

/// As WhatsApp writes a message of text.
fn words(text: &str) -> Value {
    json!({"type": "text", "text": {"body": text}})
}

fn with_ids(value: &Value, request: &str) -> Value {
    let mut value = value.clone();
    value["org_id"] = ORG.into();
    value["request_id"] = request.into();
    value
}
