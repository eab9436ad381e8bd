//! What came out, in a form that a script can state beforehand and a person can read: chatrooms by the names that they were
//! opened with. Reads the published records and nothing else.

use crate::config::Topics;
use crate::contract::TopicKind;
use crate::kafka::Record;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

/// The topics that others read.
pub const OUTPUTS: [TopicKind; 6] = [
    TopicKind::RoutedMessages,
    TopicKind::UnroutedMessages,
    TopicKind::LifecycleEvents,
    TopicKind::OutboundMessages,
    TopicKind::CommandResults,
    TopicKind::DeadLetters,
];

/// One published record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Routed {
        room: String,
        reason: String,
        rule: String,
        auto_reply: Option<String>,
    },
    Unrouted {
        reason: String,
        rule: String,
    },
    Sent {
        origin: String,
        to: String,
        text: String,
    },
    Event {
        what: String,
        of: String,
        reason: String,
    },
    /// To a command of that type.
    Answer {
        command: String,
        status: String,
        code: Option<String>,
    },
    Dead {
        reason: String,
    },
}

use Outcome::{Answer, Dead, Event, Routed, Sent, Unrouted};

pub fn routed(room: &str, reason: &str, rule: &str) -> Outcome {
    Routed {
        room: room.to_owned(),
        reason: reason.to_owned(),
        rule: rule.to_owned(),
        auto_reply: None,
    }
}

pub fn answered_by_itself(room: &str, rule: &str) -> Outcome {
    Routed {
        room: room.to_owned(),
        reason: "EXPIRED".to_owned(),
        rule: rule.to_owned(),
        auto_reply: Some("SENT".to_owned()),
    }
}

pub fn unrouted(reason: &str) -> Outcome {
    Unrouted {
        reason: reason.to_owned(),
        rule: "I4".to_owned(),
    }
}

pub fn sent(origin: &str, to: &str, text: &str) -> Outcome {
    Sent {
        origin: origin.to_owned(),
        to: to.to_owned(),
        text: text.to_owned(),
    }
}

pub fn event(what: &str, of: &str, reason: &str) -> Outcome {
    Event {
        what: what.to_owned(),
        of: of.to_owned(),
        reason: reason.to_owned(),
    }
}

pub fn applied(command: &str) -> Outcome {
    Answer {
        command: command.to_owned(),
        status: "APPLIED".to_owned(),
        code: None,
    }
}

pub fn refused(command: &str, code: &str) -> Outcome {
    Answer {
        command: command.to_owned(),
        status: "REFUSED".to_owned(),
        code: Some(code.to_owned()),
    }
}

pub fn dead(reason: &str) -> Outcome {
    Dead {
        reason: reason.to_owned(),
    }
}

/// The chatrooms that were opened so far: names by id.
#[derive(Debug, Default)]
pub struct Rooms(HashMap<String, String>);

impl Rooms {
    /// The id of the chatroom that was opened under this name.
    pub fn id(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(id, _)| id.as_str())
    }

    fn name(&self, id: &str) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// Reads a record of an output; a chatroom that it opens is known from then on. None: it is no record of ours.
    pub fn read(&mut self, record: &Record, topics: &Topics) -> Option<Outcome> {
        let kind = topics.kind(&record.at.topic)?;
        if kind == TopicKind::DeadLetters {
            let reason = header(record, "dlq_reason")?;
            return Some(Dead { reason });
        }
        let value: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
        let text = |path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
        match kind {
            TopicKind::RoutedMessages => Some(Routed {
                room: self.name(&text("/chatroom_id")?),
                reason: text("/route/reason")?,
                rule: text("/route/rule")?,
                auto_reply: text("/route/auto_reply"),
            }),
            TopicKind::UnroutedMessages => Some(Unrouted {
                reason: text("/unrouted/reason")?,
                rule: text("/unrouted/rule")?,
            }),
            TopicKind::OutboundMessages => Some(Sent {
                origin: text("/origin")?,
                to: text("/to")?,
                text: text("/message/text/body")?,
            }),
            TopicKind::LifecycleEvents => {
                if let (Some(id), Some(name)) = (text("/chatroom_id"), text("/display_name")) {
                    self.0.insert(id, name);
                }
                let room = text("/chatroom_id").map(|id| self.name(&id));
                Some(Event {
                    what: text("/type")?,
                    of: room.or_else(|| text("/crm_id"))?,
                    reason: text("/reason")?,
                })
            }
            TopicKind::CommandResults => Some(Answer {
                command: text("/type")?,
                status: text("/status")?,
                code: text("/code"),
            }),
            _ => None,
        }
    }
}

/// The value of the last header of that name, as text.
pub fn header(record: &Record, name: &str) -> Option<String> {
    let (_, value) = record.headers.iter().rev().find(|(known, _)| known == name)?;
    String::from_utf8(value.clone()?).ok()
}

impl Outcome {
    /// The order in which a row shows them: where the message went first, a contact before its chatroom.
    fn place(&self) -> (u8, bool) {
        match self {
            Routed { .. } => (0, false),
            Unrouted { .. } | Dead { .. } => (1, false),
            Sent { .. } => (2, false),
            Event { what, .. } => (3, !what.starts_with("CONTACT")),
            Answer { command, .. } => (4, !command.starts_with("contact")),
        }
    }
}

impl Ord for Outcome {
    fn cmp(&self, other: &Self) -> Ordering {
        let words = |outcome: &Self| (outcome.place(), outcome.to_string());
        words(self).cmp(&words(other))
    }
}

impl PartialOrd for Outcome {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `CHATROOM_ACTIVATED` is what is shown as “activated”.
fn happening(what: &str) -> String {
    let (_, word) = what.split_once('_').unwrap_or(("", what));
    word.to_lowercase()
}

/// Where it went, in plain words.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Routed { room, reason, .. } => match reason.as_str() {
                "ACTIVE" => write!(f, "→ chatroom “{room}”"),
                "REACTIVATED" => write!(f, "→ chatroom “{room}”, woken up"),
                "EXPIRED" => write!(f, "→ chatroom “{room}”, still expired"),
                _ => write!(f, "→ chatroom “{room}” ({reason})"),
            },
            Unrouted { reason, .. } => write!(f, "→ kept in unrouted-messages: {reason}"),
            Sent { origin, to, text } if origin == "AUTO_REPLY" => write!(f, "→ auto-reply to {to}: “{text}”"),
            Sent { to, .. } => write!(f, "→ sent to {to}"),
            Event { what, of, reason } => {
                let noun = if what.starts_with("CONTACT") {
                    "lead"
                } else {
                    "chatroom"
                };
                write!(f, "{noun} “{of}” {}", happening(what))?;
                match reason.as_str() {
                    // As everything that the CRM asks for.
                    "crm" => Ok(()),
                    reason => write!(f, ": {reason}"),
                }
            }
            Answer {
                command,
                status,
                code: None,
            } => write!(f, "{command} {status}"),
            Answer {
                command,
                status,
                code: Some(code),
            } => write!(f, "{command} {status}: {code}"),
            Dead { reason } => write!(f, "→ dead-letters: {reason}"),
        }
    }
}
