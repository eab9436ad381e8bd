//! Who waits for the result of a command, and how each learns of it: the results are followed as they come, and the dead
//! letters beside them, since what can't be judged gets no result. Keeps no result that nobody waits for.

use super::answers::{Outcome, Published};
use super::problem::Problem;
use crate::config::Topics;
use crate::contract::TopicKind;
use crate::domain::ids::{OrgId, RequestId};
use crate::kafka::Record;
use crate::telemetry::metrics::Metrics;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// More are not let in: their tokens together would be waiting for Kafka alone.
const MOST: usize = 32_768;

type Waiters = HashMap<Vec<u8>, Vec<oneshot::Sender<Outcome>>>;

/// The table of those who wait, by the key of their result. Shared between requests and the follower.
#[derive(Clone)]
pub struct Results {
    waiting: Arc<Mutex<Waiters>>,
    metrics: Arc<Metrics>,
}

/// One who waits; who drops it waits no more.
pub struct Waiter {
    key: Vec<u8>,
    results: Results,
    outcome: oneshot::Receiver<Outcome>,
}

impl Results {
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            waiting: Arc::default(),
            metrics,
        }
    }

    /// Waits from now on: to be called before the command is sent.
    pub fn wait(&self, org: &OrgId, request: &RequestId) -> Result<Waiter, Problem> {
        let key = key(org.as_str(), request.as_str());
        let (sender, outcome) = oneshot::channel();
        let mut waiting = self.locked();
        if waiting.len() >= MOST {
            return Err(Problem::too_many(
                "too many writes wait for their results: send less",
                1,
            ));
        }
        waiting.entry(key.clone()).or_default().push(sender);
        self.metrics.api.waiting.set(waiting.len() as i64);
        drop(waiting);
        Ok(Waiter {
            key,
            results: self.clone(),
            outcome,
        })
    }

    /// What the follower sees.
    pub fn take(&self, record: &Record, topics: &Topics) {
        match topics.kind(&record.at.topic) {
            Some(TopicKind::CommandResults) => self.result(record),
            Some(TopicKind::DeadLetters) => self.dead_letter(record),
            _ => {}
        }
    }

    fn result(&self, record: &Record) {
        let Some(senders) = record.key.as_deref().and_then(|key| self.found(key)) else {
            return;
        };
        match serde_json::from_slice::<Published>(record.value.as_deref().unwrap_or_default()) {
            Ok(published) => tell(senders, &Outcome::Result(Arc::new(published))),
            Err(error) => tracing::error!(at = %record.at, %error, "result_unreadable"),
        }
    }

    fn dead_letter(&self, record: &Record) {
        #[derive(Deserialize)]
        struct Head {
            org_id: String,
            request_id: String,
        }
        let header = |name: &str| {
            let mut named = record.headers.iter().rev().filter(|(known, _)| known == name);
            let value = named.next().and_then(|(_, value)| value.as_deref());
            String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
        };
        // What could be read and not judged has a result too.
        let reason = header("dlq_reason");
        if header("origin") != "api" || reason == "CANNOT_BE_JUDGED" {
            return;
        }
        let Ok(head) = serde_json::from_slice::<Head>(record.value.as_deref().unwrap_or_default()) else {
            return;
        };
        if let Some(senders) = self.found(&key(&head.org_id, &head.request_id)) {
            let detail = header("dlq_detail");
            tell(senders, &Outcome::DeadLetter { reason, detail });
        }
    }

    fn found(&self, key: &[u8]) -> Option<Vec<oneshot::Sender<Outcome>>> {
        let mut waiting = self.locked();
        let found = waiting.remove(key);
        self.metrics.api.waiting.set(waiting.len() as i64);
        found
    }

    fn locked(&self) -> MutexGuard<'_, Waiters> {
        // Nothing in here panics half way through a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(org: &str, request: &str) -> Vec<u8> {
    format!("{org}:{request}").into_bytes()
}

fn tell(senders: Vec<oneshot::Sender<Outcome>>, outcome: &Outcome) {
    for sender in senders {
        // Who went away needs no answer.
        let _ = sender.send(outcome.clone());
    }
}

impl Waiter {
    /// The outcome, whenever it comes.
    pub async fn outcome(&mut self) -> Option<Outcome> {
        (&mut self.outcome).await.ok()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.outcome.close();
        let mut waiting = self.results.locked();
        if let Some(senders) = waiting.get_mut(&self.key) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.key);
            }
        }
        self.results.metrics.api.waiting.set(waiting.len() as i64);
    }
}

#[cfg(test)]
mod tests;
