//! What the worker does for each action of the protocol. Calls of Kafka block here, on the worker's thread; those of the index
//! go on in the background.

use super::answers::{self, Ended, Ends};
use super::opening::Producer;
use super::{Worker, beside};
use crate::failure::{Exit, Failure};
use crate::kafka::{Ending, Fence, NewRecord, TopicPartition};
use crate::protocol::{Action, Event, TransactionAnswer, TransactionStep};
use crate::shutdown::Deadline;
use crate::telemetry::metrics::TransactionPhase;
use crate::telemetry::watch;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// A call to a broker that should take milliseconds.
const CALL: Duration = Duration::from_secs(5);
/// So much later than it should the client says that it did not.
const ANSWER: Duration = Duration::from_secs(1);
const FLUSH: Duration = Duration::from_secs(30);
/// After so long without an answer the outcome of a transaction is left to the log, as after any other doubt. Nobody asks twice
/// once the end is wished for, nor at all once the time of the drain is over: who comes next finds out.
const END: Duration = Duration::from_secs(30);

impl Worker {
    /// Performs one action. What is answered at once is given back; the rest comes to the mailbox.
    pub(super) fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            // Nobody waits for an answer of a consumer that is fenced, nor does it hold anything.
            Action::Assign(_) | Action::Unassign(_) | Action::Pause(_) | Action::Unpause(_)
                if self.renewal.is_wanted() =>
            {
                None
            }
            Action::Assign(from) => self
                .consumer
                .incremental_assign(&from)
                .err()
                .map(|error| self.no_answer(&error)),
            Action::Unassign(partitions) => self
                .consumer
                .incremental_unassign(&partitions)
                .err()
                .map(|error| self.no_answer(&error)),
            Action::Resume(at) => self.resume(&at),
            Action::Pause(partitions) => self.consumer.pause(&partitions).err().map(|error| self.no_flow(&error)),
            Action::Unpause(partitions) => self
                .consumer
                .resume(&partitions)
                .err()
                .map(|error| self.no_flow(&error)),
            Action::Recover(life, question) => {
                self.recovery.ask(life, question);
                None
            }
            Action::Read { life, of, keys } => {
                self.read(life, of, keys);
                None
            }
            Action::Apply { life, of, batch } => {
                self.apply(life, of, batch);
                None
            }
            Action::FindDue(question) => {
                self.find_due(question);
                None
            }
            Action::SweepForeign(partition) => {
                self.sweep_foreign(partition);
                None
            }
            Action::SyncSettings(number) => {
                self.parts.settings.sync(number, self.parts.mailbox.0.clone());
                None
            }
            Action::Transaction(step) => self.transact(step).map(Event::Transaction),
            Action::Fail(why) => {
                self.failed = Some(Failure::new(Exit::BadConfig, why));
                None
            }
            Action::Report(report) => {
                self.parts.watch.report(&report);
                None
            }
        }
    }

    /// The group can't go on without our answer, and the client didn't take it: only a new consumer helps.
    fn no_answer(&mut self, error: &crate::kafka::Error) -> Event {
        let why = format!("the client took no answer to a rebalance: {error}");
        self.failed = Some(Failure::new(Exit::Internal, why));
        Event::Tick
    }

    /// What it holds would flow where it must not, or stay paused and never be heard of: the protocol takes it for done.
    fn no_flow(&mut self, error: &crate::kafka::Error) -> Event {
        let why = format!("the client didn't stop partitions, or let them flow, as it was told to: {error}");
        self.failed = Some(Failure::new(Exit::Internal, why));
        Event::Tick
    }

    fn resume(&mut self, at: &[(TopicPartition, i64)]) -> Option<Event> {
        let names: Vec<TopicPartition> = at.iter().map(|(partition, _)| partition.clone()).collect();
        let sought = self.consumer.seek(at, CALL).and_then(|()| self.consumer.resume(&names));
        let error = sought.err()?;
        tracing::warn!(%error, "seek_failed");
        // An unassignment might be taken for the answer to a revocation that is on its way.
        if error.is_of_given_up() && !self.renewal.is_wanted() {
            return Some(self.give_up_consumer());
        }
        names.into_iter().next().map(Event::SeekFailed)
    }

    /// None: the answer comes later.
    fn transact(&mut self, step: TransactionStep) -> Option<TransactionAnswer> {
        let started = Instant::now();
        let phase = watch::phase(&step);
        let answer = match step {
            TransactionStep::Begin => Some(self.begin()),
            TransactionStep::Produce(records) => Some(self.produce(records)),
            TransactionStep::Flush => {
                self.flushing = Some(started);
                return None;
            }
            TransactionStep::SendOffsets(offsets) => Some(self.send_offsets(offsets)),
            TransactionStep::Commit => Some(self.end(Ends::Commit)),
            TransactionStep::Abort => Some(self.end(Ends::Abort)),
            TransactionStep::ReplaceProducer => {
                self.producer = std::mem::replace(&mut self.producer, Producer::absent()).replaced();
                None
            }
        };
        self.parts.watch.transaction_phase(phase, started.elapsed());
        // A turn may have several of these, and each may last as long as it may.
        self.parts.watch.turned(self.core.overlay_bytes());
        answer
    }

    fn begin(&mut self) -> TransactionAnswer {
        match std::mem::replace(&mut self.producer, Producer::absent()) {
            opening @ (Producer::Opening(_) | Producer::Absent(_)) => {
                self.producer = opening;
                TransactionAnswer::NotBegun
            }
            Producer::Idle(transactions) => match transactions.begin() {
                Ok(transaction) => {
                    self.producer = Producer::Open(transaction);
                    TransactionAnswer::Begun
                }
                Err(error) => {
                    self.heed(&error);
                    answers::not_begun(&error)
                }
            },
            Producer::Open(_) => TransactionAnswer::ProducerLost("no producer is idle".to_owned()),
        }
    }

    /// The client copies each record, so each is let go of at once.
    fn produce(&mut self, records: Vec<NewRecord>) -> TransactionAnswer {
        let Producer::Open(transaction) = &mut self.producer else {
            return gone();
        };
        for (place, record) in records.into_iter().enumerate() {
            if let Err(error) = transaction.send(place, &record) {
                self.heed(&error);
                return answers::failed(error);
            }
        }
        TransactionAnswer::Produced
    }

    /// Looks whether the records of the transaction are settled, waiting a little for it: what comes next is read meanwhile.
    pub(super) fn look_whether_flushed(&mut self, wait: Duration) {
        let Some(since) = self.flushing else { return };
        if let Producer::Open(transaction) = &self.producer
            && !transaction.settle(wait)
            && since.elapsed() < FLUSH
        {
            return;
        }
        self.flushing = None;
        let answer = self.flushed();
        self.parts
            .watch
            .transaction_phase(TransactionPhase::Flush, since.elapsed());
        self.handle(Event::Transaction(answer));
    }

    fn flushed(&mut self) -> TransactionAnswer {
        let Producer::Open(transaction) = &mut self.producer else {
            return gone();
        };
        let flushed = transaction.flush(Duration::ZERO);
        if let Err(error) = &flushed {
            self.heed(error);
        }
        answers::of_flush(flushed)
    }

    /// On a thread of its own, since the client may wait for longer than it was told to. A producer that it keeps is lost: the one
    /// that replaces it, or time, ends the transaction.
    fn send_offsets(&mut self, offsets: Vec<(TopicPartition, i64)>) -> TransactionAnswer {
        let Producer::Open(mut transaction) = std::mem::replace(&mut self.producer, Producer::absent()) else {
            return gone();
        };
        let fence = Fence::of(&self.consumer);
        let (done, answer) = channel();
        beside("offsets", move || {
            let sent = fence.and_then(|fence| transaction.send_offsets(&fence, &offsets, CALL));
            // Nobody takes it where it took too long.
            _ = done.send((transaction, sent));
        });
        let Ok((transaction, sent)) = answer.recv_timeout(CALL + ANSWER) else {
            return TransactionAnswer::ProducerLost("sending offsets to the transaction: no answer".to_owned());
        };
        self.producer = Producer::Open(transaction);
        if let Err(error) = &sent {
            self.heed(error);
        }
        answers::of_offsets(sent)
    }

    fn end(&mut self, ends: Ends) -> TransactionAnswer {
        let until = Instant::now() + END;
        loop {
            let Producer::Open(transaction) = std::mem::replace(&mut self.producer, Producer::absent()) else {
                return gone();
            };
            let drain = self.parts.shutdown.deadline(self.parts.drain);
            if drain.is_some_and(Deadline::has_passed) {
                close(Producer::Open(transaction));
                return TransactionAnswer::ProducerLost("the time of the drain is over".to_owned());
            }
            let ending = match ends {
                Ends::Commit => transaction.commit(),
                Ends::Abort => transaction.abort(),
            };
            if let Ending::Gone(error) = &ending {
                self.heed(error);
            }
            let (left, ended) = match ending {
                Ending::Done(transactions) => (Producer::Idle(transactions), Ended::Done),
                Ending::Again(transaction, error) => (Producer::Open(transaction), Ended::Again(error)),
                Ending::MustAbort(transaction, error) => (Producer::Open(transaction), Ended::MustAbort(error)),
                Ending::Gone(error) => (Producer::absent(), Ended::Gone(error)),
            };
            if let Ended::Again(error) = &ended {
                self.parts.watch.kafka_unavailable(&error.to_string());
            }
            let waits_on = Instant::now() < until && !self.parts.shutdown.is_wished();
            match answers::of_end(ends, ended, waits_on) {
                Some(lost @ TransactionAnswer::ProducerLost(_)) => {
                    close(left);
                    return lost;
                }
                Some(answer) => {
                    self.producer = left;
                    return answer;
                }
                None => self.producer = left,
            }
        }
    }
}

/// Nobody waits for its end.
fn close(producer: Producer) {
    beside("producer-close", move || drop(producer));
}

fn gone() -> TransactionAnswer {
    TransactionAnswer::ProducerLost("no transaction is open".to_owned())
}
