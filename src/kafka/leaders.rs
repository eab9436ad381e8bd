//! The leaders of partitions, asked for where the library would not do so by itself, or not soon.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};

use super::TopicPartition;

/// How long reading or sending may wait for them.
pub(super) const KNOW: Duration = Duration::from_secs(1);

/// Asks anew, once for each topic. The library keeps for a quarter of an hour what the brokers said of leaders, also that a
/// partition has none, as while they start or were silent; earlier it asks again only of topics that are read or written.
pub(super) fn learn<C: ClientContext>(client: &Client<C>, of: &[TopicPartition], until: Instant) {
    for topic in of.iter().map(|at| &at.topic).collect::<BTreeSet<_>>() {
        ask(client, topic, until.saturating_duration_since(Instant::now()));
    }
}

fn ask<C: ClientContext>(client: &Client<C>, topic: &str, wait: Duration) {
    if let Err(error) = client.fetch_metadata(Some(topic), wait) {
        tracing::debug!(%error, %topic, "kafka_leaders_unknown");
    }
}

/// The topics whose leaders a client was told to find, each once. By itself the library looks for those that it lacks once a
/// second, and neither reads nor sends until then.
#[derive(Debug, Default)]
pub(super) struct Leaders(Vec<Arc<str>>);

impl Leaders {
    /// Asks for those of a topic, unless that was done before. No answer is no fault, and asking again would only be waiting
    /// again: the client goes on looking by itself.
    pub(super) fn know<C: ClientContext>(&mut self, client: &Client<C>, topic: &Arc<str>, wait: Duration) {
        if self.is_new(topic) {
            ask(client, topic, wait);
        }
    }

    /// Asked for each record that is sent, and there are a handful of topics.
    fn is_new(&mut self, topic: &Arc<str>) -> bool {
        let is_it = |known: &Arc<str>| Arc::ptr_eq(known, topic) || known == topic;
        let is_new = !self.0.iter().any(is_it);
        if is_new {
            self.0.push(topic.clone());
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaders_are_asked_for_once_for_each_topic_answered_or_not() {
        let mut leaders = Leaders::default();
        let topics: [Arc<str>; 3] = ["one".into(), "two".into(), "one".into()];
        let asked = topics.iter().chain(&topics).map(|topic| leaders.is_new(topic));
        assert_eq!(asked.collect::<Vec<_>>(), [true, true, false, false, false, false]);
    }
}
