//! The ids of a run, and what the outputs say of them. An id holds its number in the run, from which all else follows:
//! nothing is kept of what is on its way.

use crate::config::Topics;
use crate::contract::TopicKind;
use crate::kafka::Record;
use serde::Deserialize;
use std::borrow::Cow;

/// Ids that no other run has.
#[derive(Debug, Clone)]
pub struct Ids {
    prefix: String,
}

/// What a record is part of: a round of the set-up, or the load itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Settings,
    Contacts,
    Chatrooms,
    Inbound,
    Outbound,
    Crm,
}

impl Part {
    const ALL: [(Self, char); 6] = [
        (Self::Settings, 's'),
        (Self::Contacts, 'c'),
        (Self::Chatrooms, 'r'),
        (Self::Inbound, 'i'),
        (Self::Outbound, 'o'),
        (Self::Crm, 'm'),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Contacts => "contacts",
            Self::Chatrooms => "chatrooms",
            Self::Inbound => "messages",
            Self::Outbound => "requests",
            Self::Crm => "commands",
        }
    }

    fn letter(self) -> char {
        let found = Self::ALL.iter().find(|(part, _)| *part == self);
        found.map_or('?', |(_, letter)| *letter)
    }
}

impl Ids {
    pub fn new(run: &str) -> Self {
        Self {
            prefix: format!("load-{run}-"),
        }
    }

    pub fn id(&self, part: Part, number: u64) -> String {
        format!("{}{}{number}", self.prefix, part.letter())
    }

    /// None: not of this run.
    fn parse(&self, id: &str) -> Option<(Part, u64)> {
        let rest = id.strip_prefix(&self.prefix)?;
        let (part, letter) = Part::ALL.iter().find(|(_, letter)| rest.starts_with(*letter))?;
        Some((*part, rest[letter.len_utf8()..].parse().ok()?))
    }

    /// What an output says of an input of this run. None: it is about another's.
    pub fn read(&self, record: &Record, topics: &Topics) -> Option<Answer> {
        let bytes = record.value.as_deref()?;
        let kind = topics.kind(&record.at.topic)?;
        let mut chatroom = None;
        let (id, outcome) = match kind {
            TopicKind::RoutedMessages => {
                let routed: Routed<'_> = serde_json::from_slice(bytes).ok()?;
                (routed.message_id, routed.route.reason.into_owned())
            }
            TopicKind::UnroutedMessages => {
                let unrouted: Unrouted<'_> = serde_json::from_slice(bytes).ok()?;
                (unrouted.message_id, unrouted.unrouted.reason.into_owned())
            }
            TopicKind::CommandResults => {
                let result: Outcome<'_> = serde_json::from_slice(bytes).ok()?;
                chatroom = result.chatroom.map(|chatroom| chatroom.chatroom_id.into());
                (result.request_id, result.code.unwrap_or(result.status).into_owned())
            }
            _ => return None,
        };
        let (part, number) = self.parse(&id)?;
        Some(Answer {
            part,
            number,
            outcome,
            chatroom,
        })
    }
}

/// The one output of an input.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub part: Part,
    pub number: u64,
    /// The reason of a route or of none; a command's status, or its code if it was refused.
    pub outcome: String,
    pub chatroom: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Routed<'a> {
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    route: Reason<'a>,
}

#[derive(Deserialize)]
struct Unrouted<'a> {
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    unrouted: Reason<'a>,
}

#[derive(Deserialize)]
struct Reason<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    chatroom: Option<Chatroom<'a>>,
}

#[derive(Deserialize)]
struct Chatroom<'a> {
    #[serde(borrow)]
    chatroom_id: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_place_in_its_run_and_in_no_other() {
        let ids = Ids::new("ab12cd34");
        for (part, _) in Part::ALL {
            assert_eq!(ids.parse(&ids.id(part, 70_000)), Some((part, 70_000)));
        }
        assert_eq!(Ids::new("ab12cd35").parse(&ids.id(Part::Crm, 1)), None);
        for other in [
            "",
            "wamid.HBgM",
            "load-ab12cd34-",
            "load-ab12cd34-ix",
            "load-ab12cd34-é1",
        ] {
            assert_eq!(ids.parse(other), None, "{other}");
        }
    }
}
