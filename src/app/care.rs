//! What goes on beside the workers for the index's sake: is Redis still set up to keep what it is given, and does it hold what
//! the changelog says? Finds out and tells; what to do about it is the protocol's.

use super::App;
use crate::contract::TopicKind;
use crate::failure::{Exit, Failure};
use crate::protocol::Event;
use crate::scrub::{self, Scrub};
use std::time::Duration;
use tokio::runtime::Handle;

/// Between two looks at the settings of Redis.
const WATCH_INDEX: Duration = Duration::from_secs(10);

impl App {
    /// Looks now and then whether Redis is still set up to keep what it is given, and has kept it, and tells the workers if not.
    pub(super) fn watch_index(&self, runtime: &Handle) {
        let (index, mailboxes, shutdown) = (
            self.backend.index.handle(),
            self.mailboxes.clone(),
            self.shutdown.clone(),
        );
        let health = self.health.clone();
        runtime.spawn(async move {
            while !shutdown.is_wished() {
                tokio::time::sleep(WATCH_INDEX).await;
                match index.check().await {
                    Err(fault) if fault.loses_entries() => mailboxes.tell(|| Event::IndexUnfit),
                    Err(_) => {}
                    Ok(()) => {
                        // Whatever keeps this from being answered keeps others from it too, and they say so.
                        for partition in index.evicted(health.running()).await.unwrap_or_default() {
                            tracing::error!(partition, "index_evicted");
                            mailboxes.tell(|| Event::IndexDiffers(partition));
                        }
                    }
                }
            }
        });
    }

    /// Starts to compare index and changelog, unless that is off or the cluster is a mock, where what is aborted can be read.
    pub(super) fn scrub(&self, runtime: &Handle) -> Result<(), Failure> {
        let pace = self.config.index.scrub;
        if pace.is_zero() || !self.backend.has_settings {
            return Ok(());
        }
        let parts = scrub::Parts {
            changelog: self.config.topics.name(TopicKind::RouterChangelog).clone(),
            index: self.backend.index.handle(),
            runtime: runtime.clone(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            mailboxes: self.mailboxes.clone(),
            shutdown: self.shutdown.clone(),
            pace,
        };
        let scrub = Scrub::open(&self.backend.kafka, parts)?;
        let thread = std::thread::Builder::new().name("scrub".to_owned());
        let spawned = thread.spawn(move || scrub.run());
        spawned.map_err(|error| Failure::new(Exit::Internal, format!("no thread can be started: {error}")))?;
        Ok(())
    }
}
