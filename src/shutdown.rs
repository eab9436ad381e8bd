//! The wish to end, from the supervisor or from within, as a value that is passed on; and how long there is to end well.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whoever holds it learns of the wish. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// Since when; None: not yet.
    wished: watch::Receiver<Option<Instant>>,
    /// Keeps the channel open where the trigger is gone.
    trigger: Trigger,
}

/// Whoever holds it may utter the wish.
#[derive(Debug, Clone)]
pub struct Trigger(Arc<watch::Sender<Option<Instant>>>);

impl Trigger {
    pub fn fire(&self) {
        self.0
            .send_if_modified(|since| since.replace(since.unwrap_or_else(Instant::now)).is_none());
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// One that only its own trigger fires.
    #[must_use]
    pub fn new() -> Self {
        let (sender, wished) = watch::channel(None);
        let trigger = Trigger(Arc::new(sender));
        Self { wished, trigger }
    }

    /// One that SIGTERM and SIGINT fire too. A second signal ends the process at once, as if it were not caught.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let trigger = shutdown.trigger();
        tokio::spawn(async move {
            for signals in 0.. {
                let (name, exit) = tokio::select! {
                    _ = terminate.recv() => ("SIGTERM", 143),
                    _ = interrupt.recv() => ("SIGINT", 130),
                };
                if signals > 0 {
                    tracing::warn!(signal = name, "ends at once, without draining");
                    std::process::exit(exit);
                }
                tracing::info!(signal = name, "drains and ends");
                trigger.fire();
            }
        });
        Ok(shutdown)
    }

    /// Does that once the wish is so old, on a thread of its own: what hangs may be anything else. To be called on the runtime.
    pub fn at_last(&self, patience: Duration, end: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let (wished, runtime) = (self.wished(), Handle::current());
        let wait = move || {
            runtime.block_on(wished);
            std::thread::sleep(patience);
            end();
        };
        std::thread::Builder::new().name("at-last".to_owned()).spawn(wait)?;
        Ok(())
    }

    #[must_use]
    pub fn trigger(&self) -> Trigger {
        self.trigger.clone()
    }

    /// For loops that look now and then.
    #[must_use]
    pub fn is_wished(&self) -> bool {
        self.wished.borrow().is_some()
    }

    /// Until when what drains may take, if it has that long from the wish on; None: there is no wish yet. Whoever was busy when
    /// it was uttered has so much less.
    #[must_use]
    pub fn deadline(&self, patience: Duration) -> Option<Deadline> {
        self.wished.borrow().map(|since| Deadline(since + patience))
    }

    /// Ready when the wish is uttered, or was before.
    pub fn wished(&self) -> impl Future<Output = ()> + Send + 'static {
        let Self { mut wished, trigger } = self.clone();
        async move {
            // The channel can't close: this future holds a sender.
            let _ = wished.wait_for(Option::is_some).await;
            drop(trigger);
        }
    }
}

/// Until when draining may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Zero once it has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    #[must_use]
    pub fn has_passed(self) -> bool {
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_wish_reaches_who_asked_before_and_after() {
        let shutdown = Shutdown::new();
        let before = tokio::spawn(shutdown.wished());
        assert!(!shutdown.is_wished());
        shutdown.trigger().fire();
        before.await.unwrap();
        shutdown.clone().wished().await;
        assert!(shutdown.is_wished());
    }

    #[tokio::test]
    async fn what_hangs_in_its_drain_is_ended_at_last_and_not_before_the_end_is_wished_for() {
        let shutdown = Shutdown::new();
        let (said, heard) = std::sync::mpsc::channel();
        let wish = shutdown.clone();
        let end = move || _ = said.send(wish.is_wished());
        shutdown.at_last(Duration::from_millis(1), end).unwrap();
        shutdown.trigger().fire();
        assert_eq!(heard.recv_timeout(Duration::from_secs(60)), Ok(true));
    }

    #[test]
    fn a_drain_has_its_time_from_the_first_wish_on_whoever_was_busy_then() {
        let shutdown = Shutdown::new();
        let patience = Duration::from_secs(20);
        assert_eq!(shutdown.deadline(patience), None);
        shutdown.trigger().fire();
        let busy = shutdown.deadline(patience);
        assert!(busy.is_some_and(|deadline| deadline.left() <= patience));
        shutdown.trigger().fire();
        assert_eq!(shutdown.deadline(patience), busy);
    }

    #[test]
    fn a_deadline_passes() {
        assert!(Deadline::after(Duration::ZERO).has_passed());
        assert!(!Deadline::after(Duration::from_secs(60)).has_passed());
    }
}
