//! A record as it came from a topic, and one to be produced: bytes, position and headers, without a client's types.

use crate::domain::time::Instant;
use std::borrow::Cow;
use std::fmt;

/// Every topic that the router reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicKind {
    InboundMessages,
    CrmChanges,
    OrgSettings,
    OutboundRequests,
    RoutedMessages,
    UnroutedMessages,
    LifecycleEvents,
    OutboundMessages,
    CommandResults,
    DeadLetters,
    RouterCommands,
    RouterChangelog,
    RouterSettings,
}

impl TopicKind {
    pub const ALL: [Self; 13] = [
        Self::InboundMessages,
        Self::CrmChanges,
        Self::OrgSettings,
        Self::OutboundRequests,
        Self::RoutedMessages,
        Self::UnroutedMessages,
        Self::LifecycleEvents,
        Self::OutboundMessages,
        Self::CommandResults,
        Self::DeadLetters,
        Self::RouterCommands,
        Self::RouterChangelog,
        Self::RouterSettings,
    ];
    /// Those that others write.
    pub const INPUTS: [Self; 4] = [
        Self::InboundMessages,
        Self::CrmChanges,
        Self::OrgSettings,
        Self::OutboundRequests,
    ];

    /// The name where none is configured, without a prefix.
    #[must_use]
    pub fn default_name(self) -> &'static str {
        match self {
            Self::InboundMessages => "inbound-messages",
            Self::CrmChanges => "crm-changes",
            Self::OrgSettings => "org-settings",
            Self::OutboundRequests => "outbound-requests",
            Self::RoutedMessages => "routed-messages",
            Self::UnroutedMessages => "unrouted-messages",
            Self::LifecycleEvents => "lifecycle-events",
            Self::OutboundMessages => "outbound-messages",
            Self::CommandResults => "command-results",
            Self::DeadLetters => "dead-letters",
            Self::RouterCommands => "router-commands",
            Self::RouterChangelog => "router-changelog",
            Self::RouterSettings => "router-settings",
        }
    }
}

/// A topic by the name that it has in this cluster. Ids are made from the name without the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic<'a> {
    pub kind: TopicKind,
    pub prefix: &'a str,
    /// Without the prefix.
    pub name: &'a str,
}

/// The whole name.
impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix, self.name)
    }
}

/// Kafka allows a name more than once, and no value.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

/// A record as it stands in one of our inputs, also when it was passed on since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord<'a> {
    pub topic: Topic<'a>,
    pub partition: i32,
    pub offset: i64,
    /// None where Kafka has none.
    pub timestamp: Option<Instant>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Vec<Header<'a>>,
}

impl RawRecord<'_> {
    /// The value of the last header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut found = self.headers.iter().rev().filter(|(known, _)| *known == name);
        found.next().and_then(|(_, value)| *value)
    }

    /// `<topic>-<partition>-<offset>`, the topic without its prefix: the same in every deployment.
    #[must_use]
    pub fn position(&self) -> String {
        let (mut partition, mut offset) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (partition, offset) = (partition.format(self.partition), offset.format(self.offset));
        [self.topic.name, "-", partition, "-", offset].concat()
    }
}

/// A header of a record to be produced. Most of ours are the same in every record.
pub type OutHeader = (Cow<'static, str>, Option<Cow<'static, [u8]>>);

/// A record to be produced. The partition follows from the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutRecord {
    pub topic: TopicKind,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<OutHeader>,
}
