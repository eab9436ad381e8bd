//! The topics whose leaders a client was told to find, each once. By itself the library looks for those that it lacks once a
//! second, and neither reads nor sends until then.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};

/// How long reading or sending may wait for them.
pub(super) const KNOW: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Leaders(Vec<Arc<str>>);

impl Leaders {
    /// Asks for those of a topic, unless that was done before. No answer is no fault, and asking again would only be waiting
    /// again: the client goes on looking by itself.
    pub(super) fn know<C: ClientContext>(&mut self, client: &Client<C>, topic: &Arc<str>, wait: Duration) {
        if !self.is_new(topic) {
            return;
        }
        if let Err(error) = client.fetch_metadata(Some(topic), wait) {
            tracing::debug!(%error, %topic, "kafka_leaders_unknown");
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
