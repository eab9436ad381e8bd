//! The worker's producer, and how the next one is opened: on a thread of its own, so that the worker answers the group and
//! recovers its partitions meanwhile. One is opened wherever there is none, after a while where another process has taken its name;
//! the protocol hears of it when there is.

use super::{Worker, now};
use crate::failure::{Exit, Failure};
use crate::kafka::{Kind, Transaction, Transactions, TxnError};
use crate::protocol::{Event, TransactionAnswer};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// How long one try may take, and the pause after a failed one.
const OPEN: Duration = Duration::from_secs(10);
const OPEN_AGAIN: Duration = Duration::from_millis(500);

pub(super) enum Producer {
    /// None is there; not before this is another opened.
    Absent(Instant),
    Opening(Receiver<Result<Transactions, TxnError>>),
    Idle(Transactions),
    Open(Transaction),
}

impl Producer {
    pub(super) fn absent() -> Self {
        Self::Absent(Instant::now())
    }

    /// What is on its way already is as good as another.
    pub(super) fn replaced(self) -> Self {
        match self {
            Self::Absent(_) | Self::Opening(_) => self,
            Self::Idle(_) | Self::Open(_) => Self::absent(),
        }
    }
}

/// No producer will ever be opened as things are.
fn never(error: &TxnError) -> Failure {
    let (exit, next) = if error.is_of_timeout() {
        let next = "lower kafka.transaction_timeout_ms, or raise the brokers' transaction.max.timeout.ms";
        (Exit::BadConfig, next)
    } else {
        (
            Exit::Unreachable,
            "see whether kafka.security is right, and whom the brokers grant what",
        )
    };
    Failure::new(exit, format!("{error}: {next}"))
}

impl Worker {
    pub(super) fn open_producer(&mut self) {
        match &self.producer {
            Producer::Absent(from) if *from <= Instant::now() && self.may_open() => self.begin_opening(),
            Producer::Opening(opened) => match opened.try_recv() {
                Ok(opened) => self.opened(opened),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.producer = Producer::Absent(Instant::now() + OPEN_AGAIN),
            },
            Producer::Absent(_) | Producer::Idle(_) | Producer::Open(_) => {}
        }
    }

    fn may_open(&self) -> bool {
        !self.reopening.is_wanted() || self.reopening.is_due(now(self.started).steady_ms, true)
    }

    /// Opening another fences whoever has the name now: two that did so at once would keep each other from all work.
    pub(super) fn heed(&mut self, error: &TxnError) {
        if !error.is_fence() {
            return;
        }
        self.reopening.fenced(now(self.started).steady_ms);
        if self.reopening.is_again() {
            self.parts.watch.name_shared(&self.parts.transactional_id);
        }
    }

    fn begin_opening(&mut self) {
        self.reopening.done();
        let (done, opened) = channel();
        let (settings, id) = (self.parts.kafka.clone(), self.parts.transactional_id.clone());
        let shutdown = self.parts.shutdown.clone();
        let open = move || {
            // Nobody takes it where the worker has ended.
            _ = done.send(Transactions::open(&settings, &id, OPEN, &|| shutdown.is_wished()));
        };
        let thread = std::thread::Builder::new().name("producer".to_owned());
        self.producer = match thread.spawn(open) {
            Ok(_) => Producer::Opening(opened),
            Err(error) => {
                tracing::error!(%error, "no_thread_for_a_producer");
                Producer::Absent(Instant::now() + OPEN_AGAIN)
            }
        };
    }

    fn opened(&mut self, opened: Result<Transactions, TxnError>) {
        match opened {
            Ok(transactions) => {
                self.producer = Producer::Idle(transactions);
                self.handle(Event::Transaction(TransactionAnswer::Replaced));
            }
            Err(error) => {
                self.heed(&error);
                self.producer = Producer::Absent(Instant::now() + OPEN_AGAIN);
                if error.kind() == Kind::Fatal {
                    self.failed = Some(never(&error));
                } else {
                    self.parts.watch.kafka_unavailable(&error.to_string());
                }
            }
        }
    }
}
