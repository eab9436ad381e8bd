//! The names that the topics have in this cluster.

use crate::contract::{Topic, TopicKind};
use crate::kafka::TopicPartition;
use crate::state::progress::Input;
use std::sync::Arc;
use std::time::Duration;

/// `topics.*`
#[derive(Debug, Clone)]
pub struct Topics {
    pub prefix: String,
    /// Of `router-commands` and `router-changelog`: a power of two.
    pub partitions: i32,
    /// None: the brokers' own.
    pub replication_factor: Option<i32>,
    pub refresh: Duration,
    pub purge: Duration,
    /// Whole names, by the kind's place.
    pub(super) names: [Arc<str>; TopicKind::ALL.len()],
}

impl Topics {
    /// The topic's whole name, prefix included.
    #[must_use]
    pub fn name(&self, kind: TopicKind) -> &Arc<str> {
        &self.names[kind as usize]
    }

    /// The topic with its prefix apart: ids are made without it.
    #[must_use]
    pub fn topic(&self, kind: TopicKind) -> Topic<'_> {
        let (prefix, whole) = (self.prefix.as_str(), &**self.name(kind));
        let name = whole.strip_prefix(prefix).unwrap_or(whole);
        Topic { kind, prefix, name }
    }

    /// The topic of that whole name. None: not one of ours.
    #[must_use]
    pub fn parse(&self, name: &str) -> Option<Topic<'_>> {
        self.kind(name).map(|kind| self.topic(kind))
    }

    /// As a progress record names it: without the prefix.
    #[must_use]
    pub fn input(&self, at: &TopicPartition) -> Input {
        let name = at.topic.strip_prefix(self.prefix.as_str()).unwrap_or(&at.topic);
        Input {
            topic: Arc::from(name),
            partition: at.partition,
        }
    }

    /// Which kind a topic of this whole name is.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<TopicKind> {
        TopicKind::ALL.into_iter().find(|kind| &**self.name(*kind) == name)
    }
}

/// The key of a topic's name, within `topics`.
pub(super) fn key(kind: TopicKind) -> String {
    kind.default_name().replace('-', "_")
}
