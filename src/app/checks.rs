//! What must be so before anything runs: Kafka and the index answer, and both are set up to keep the promise. Waits for what may
//! come, and refuses what can't.

use super::{App, CALL};
use crate::failure::{Exit, Failure};
use crate::kafka;
use crate::kafka::lookup::Lookup;
use crate::monitor::{self, Counts};
use crate::telemetry::watch::Watch;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Between two tries to reach what a start needs.
const AGAIN: Duration = Duration::from_millis(250);

impl App {
    /// Waits until Kafka and the index answer and are fit for the promise. None: the end was wished for meanwhile.
    pub(super) fn prepare(
        &self,
        runtime: &Handle,
        watches: &[Arc<Watch>],
    ) -> Result<Option<(Lookup, Counts)>, Failure> {
        let mut lookup = Lookup::open(&self.backend.kafka)?;
        while !self.shutdown.is_wished() {
            watches.iter().for_each(|watch| watch.turned(0));
            match self.look(&mut lookup) {
                Ok(counts) => {
                    watches.iter().for_each(|watch| watch.kafka_answers());
                    if self.index_is_fit(runtime, watches)? {
                        return Ok(Some((lookup, counts)));
                    }
                }
                Err(failure) if failure.exit == Exit::Unreachable => {
                    watches
                        .iter()
                        .for_each(|watch| watch.kafka_unavailable(&failure.sentence));
                }
                Err(failure) => return Err(failure),
            }
            std::thread::sleep(AGAIN);
        }
        Ok(None)
    }

    fn look(&self, lookup: &mut Lookup) -> Result<Counts, Failure> {
        lookup
            .reach(CALL)
            .map_err(|error| Failure::new(Exit::Unreachable, error.to_string()))?;
        if self.backend.has_settings {
            self.check_topics()?;
        }
        Ok(monitor::counts(lookup, &self.config)?)
    }

    /// Refuses to run on topics whose settings can't keep the promise.
    fn check_topics(&self) -> Result<(), Failure> {
        let mut admin = kafka::admin::Admin::open(&self.backend.kafka)?;
        let refused = monitor::unfit(&mut admin, &self.config)?;
        if refused.is_empty() {
            return Ok(());
        }
        let all = refused.join("; ");
        Err(Failure::new(
            Exit::BadConfig,
            format!("the topics can't be run on: {all}; see `chatroom-router topics plan`"),
        ))
    }

    fn index_is_fit(&self, runtime: &Handle, watches: &[Arc<Watch>]) -> Result<bool, Failure> {
        match runtime.block_on(self.backend.index.check()) {
            Ok(()) => Ok(true),
            Err(fault) if fault.is_passing() => {
                watches
                    .iter()
                    .for_each(|watch| watch.index_unavailable(&fault.to_string()));
                Ok(false)
            }
            Err(fault) => Err(Failure::new(Exit::BadConfig, fault.to_string())),
        }
    }
}
