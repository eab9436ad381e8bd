//! Follows topics from their ends as they are now, on a thread of its own, for whoever in this process waits for what comes.
//! In no group; commits nothing. What it could not see it says: after a break it begins anew at the end.

use crate::failure::{Exit, Failure};
use crate::kafka::{Error, Record, Settings, Tail};
use crate::shutdown::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const CALL: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_millis(200);
const AGAIN: Duration = Duration::from_millis(500);

/// What there is to follow.
pub struct Follow {
    pub kafka: Settings,
    pub topics: Vec<Arc<str>>,
    /// How often to look for new partitions, and whether Kafka still answers.
    pub refresh: Duration,
}

/// What a follower is told, in the order of each partition.
#[derive(Debug)]
pub enum Followed<'a> {
    /// From here on every record is seen; of those before this none that came since the last one is.
    Began,
    Record(&'a Record),
    /// Kafka answers still.
    Answers,
    /// Nothing is seen for now, and why.
    Away(&'a Error),
}

/// Whether it follows: all that comes from now on will be seen.
#[derive(Debug, Clone)]
pub struct Following(watch::Receiver<bool>);

impl Following {
    #[must_use]
    pub fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    /// True as soon as it follows; false if it doesn't in time.
    pub async fn within(&self, patience: Duration) -> bool {
        let mut on = self.0.clone();
        matches!(tokio::time::timeout(patience, on.wait_for(|on| *on)).await, Ok(Ok(_)))
    }
}

impl Follow {
    /// Starts the thread; it ends with `until`.
    pub fn start(
        self,
        name: &str,
        until: Shutdown,
        mut sink: impl FnMut(Followed<'_>) + Send + 'static,
    ) -> Result<Following, Failure> {
        let (says, on) = watch::channel(false);
        let run = move || {
            while !until.is_wished() {
                if let Err(error) = self.once(&until, &says, &mut sink) {
                    tracing::warn!(%error, "api_follower_waits");
                    sink(Followed::Away(&error));
                }
                says.send_replace(false);
                std::thread::sleep(AGAIN);
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread
            .spawn(run)
            .map_err(|error| Failure::new(Exit::Internal, format!("no thread can be started: {error}")))?;
        Ok(Following(on))
    }

    fn once(
        &self,
        until: &Shutdown,
        says: &watch::Sender<bool>,
        sink: &mut dyn FnMut(Followed<'_>),
    ) -> Result<(), Error> {
        let mut tail = Tail::open(&self.kafka, &self.topics, CALL)?;
        sink(Followed::Began);
        says.send_replace(true);
        let mut looked = Instant::now();
        while !until.is_wished() {
            if let Some(record) = tail.next(WAIT)? {
                sink(Followed::Record(&record));
            }
            if looked.elapsed() >= self.refresh {
                looked = Instant::now();
                tail.refresh(CALL)?;
                sink(Followed::Answers);
            }
        }
        Ok(())
    }
}
