//! The topics by the names that they have here, and each by the part that it plays.

use crate::contract::{Topic, TopicKind};
use crate::kafka::TopicPartition;
use crate::state::progress::Input;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub struct Names {
    pub prefix: String,
    names: Vec<(TopicKind, Arc<str>)>,
}

impl Names {
    /// `name_of` gives whole names, prefix included.
    #[must_use]
    pub fn new(prefix: &str, name_of: impl Fn(TopicKind) -> Arc<str>) -> Self {
        Self { prefix: prefix.to_owned(), names: TopicKind::ALL.into_iter().map(|kind| (kind, name_of(kind))).collect() }
    }

    #[must_use]
    pub fn of(&self, kind: TopicKind) -> &Arc<str> {
        &self.names[kind as usize].1
    }

    /// The topic of that whole name. None: not one of ours.
    #[must_use]
    pub fn topic<'a>(&'a self, name: &'a str) -> Option<Topic<'a>> {
        let (kind, _) = self.names.iter().find(|(_, known)| **known == *name)?;
        Some(Topic { kind: *kind, prefix: &self.prefix, name: self.bare(name) })
    }

    fn bare<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(self.prefix.as_str()).unwrap_or(name)
    }

    /// As a progress record names it: without the prefix.
    #[must_use]
    pub fn input(&self, at: &TopicPartition) -> Input {
        Input { topic: Arc::from(self.bare(&at.topic)), partition: at.partition }
    }
}
