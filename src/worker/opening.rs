//! The worker's producer, and how the next one is opened: on a thread of its own, so that the worker answers the group and
//! recovers its partitions meanwhile. One is opened wherever there is none; the protocol hears of it when there is.

use super::Worker;
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

impl Worker {
    pub(super) fn open_producer(&mut self) {
        match &self.producer {
            Producer::Absent(from) if *from <= Instant::now() => self.begin_opening(),
            Producer::Opening(opened) => match opened.try_recv() {
                Ok(opened) => self.opened(opened),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.producer = Producer::Absent(Instant::now() + OPEN_AGAIN),
            },
            Producer::Absent(_) | Producer::Idle(_) | Producer::Open(_) => {}
        }
    }

    fn begin_opening(&mut self) {
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
                self.producer = Producer::Absent(Instant::now() + OPEN_AGAIN);
                if error.kind() == Kind::Fatal {
                    self.failed = Some(Failure::new(Exit::Unreachable, error.to_string()));
                } else {
                    self.parts.watch.kafka_unavailable(&error.to_string());
                }
            }
        }
    }
}
