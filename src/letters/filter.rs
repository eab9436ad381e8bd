//! Which letters are asked for: by reason, topic, org and the time at which they were put aside.

use crate::config::Topics;
use crate::contract::TopicKind;
use crate::contract::kept::Kept;
use crate::domain::ids::OrgId;
use crate::domain::time::Instant;

/// What is left open takes all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Any of these.
    pub reasons: Vec<String>,
    /// The input that a dead letter came from.
    pub topic: Option<TopicKind>,
    pub org: Option<OrgId>,
    pub since: Option<Instant>,
    /// The first instant that is not meant any more.
    pub until: Option<Instant>,
}

impl Filter {
    #[must_use]
    pub fn takes(&self, kept: &Kept, at: Option<Instant>, topics: &Topics) -> bool {
        let from = kept.first.as_ref().and_then(|first| topics.kind(&first.topic));
        let reason = self.reasons.is_empty()
            || self
                .reasons
                .iter()
                .any(|reason| reason.eq_ignore_ascii_case(&kept.reason));
        let topic = self.topic.is_none() || self.topic == from;
        let org = self.org.is_none() || self.org == kept.org;
        reason && topic && org && self.takes_time(at)
    }

    /// A record without a time is taken where no time is asked for.
    fn takes_time(&self, at: Option<Instant>) -> bool {
        let after = self.since.is_none_or(|since| at.is_some_and(|at| at >= since));
        let before = self.until.is_none_or(|until| at.is_some_and(|at| at < until));
        after && before
    }
}
