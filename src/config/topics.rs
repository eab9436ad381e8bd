//! The topics, by the part that each plays, and the names that they have here.

use std::sync::Arc;
use std::time::Duration;

/// A topic by its part, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
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

impl Topic {
    pub const ALL: [Topic; 13] = [
        Topic::InboundMessages,
        Topic::CrmChanges,
        Topic::OrgSettings,
        Topic::OutboundRequests,
        Topic::RoutedMessages,
        Topic::UnroutedMessages,
        Topic::LifecycleEvents,
        Topic::OutboundMessages,
        Topic::CommandResults,
        Topic::DeadLetters,
        Topic::RouterCommands,
        Topic::RouterChangelog,
        Topic::RouterSettings,
    ];

    /// The default name, which names the part in figures too.
    #[must_use]
    pub const fn default_name(self) -> &'static str {
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

    /// The key that sets its name, within `topics`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::InboundMessages => "inbound_messages",
            Self::CrmChanges => "crm_changes",
            Self::OrgSettings => "org_settings",
            Self::OutboundRequests => "outbound_requests",
            Self::RoutedMessages => "routed_messages",
            Self::UnroutedMessages => "unrouted_messages",
            Self::LifecycleEvents => "lifecycle_events",
            Self::OutboundMessages => "outbound_messages",
            Self::CommandResults => "command_results",
            Self::DeadLetters => "dead_letters",
            Self::RouterCommands => "router_commands",
            Self::RouterChangelog => "router_changelog",
            Self::RouterSettings => "router_settings",
        }
    }
}

/// `topics.*`
#[derive(Debug, Clone)]
pub struct Topics {
    pub prefix: String,
    /// Of `router-commands` and `router-changelog`: a power of two.
    pub partitions: i32,
    /// None: the brokers' own.
    pub replication_factor: Option<i32>,
    pub refresh: Duration,
    pub(super) names: [Arc<str>; Topic::ALL.len()],
}

impl Topics {
    /// The topic's whole name, prefix included.
    #[must_use]
    pub fn name(&self, topic: Topic) -> &Arc<str> {
        &self.names[topic as usize]
    }

    /// The name without the prefix: the same records of two installations get the same ids.
    #[must_use]
    pub fn bare_name(&self, topic: Topic) -> &str {
        let name = self.name(topic);
        name.strip_prefix(self.prefix.as_str()).unwrap_or(name)
    }

    /// Which part a topic of this name plays.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| &**self.name(*topic) == name)
    }
}
