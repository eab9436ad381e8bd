//! The topics, by the part that each plays, and the names that they have here.

pub use crate::contract::TopicKind as Topic;
use std::sync::Arc;
use std::time::Duration;

/// The configuration's key that names a topic.
#[must_use]
pub fn key_of(topic: Topic) -> String {
    format!("topics.{}", topic.default_name().replace('-', "_"))
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
