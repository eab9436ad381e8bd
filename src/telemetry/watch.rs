//! One event, one place: what a worker reports is logged, counted and told to the health checks here, and nowhere else.

use super::metrics::Metrics;
use super::metrics::{Duplicate, IndexCall, IndexOutcome, RestoreCause, TransactionOutcome, TransactionPhase};
use super::restoring::Restoring;
use super::settled::Settled;
use crate::health::{Answer, Partition as Health, Worker};
use crate::judging::{Count, Tally};
use crate::kafka::{Fault, TopicPartition};
use crate::protocol::Report;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What keeps failing is said once in so long.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// One worker's.
pub struct Watch {
    metrics: Arc<Metrics>,
    settled: Arc<Settled>,
    health: Arc<Worker>,
    said: Mutex<Vec<(&'static str, Instant)>>,
    overlay_bytes: AtomicI64,
    standing: Restoring,
    stopped: AtomicI64,
}

impl Watch {
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, settled: Arc<Settled>, health: Arc<Worker>) -> Self {
        Self {
            metrics,
            settled,
            health,
            said: Mutex::default(),
            overlay_bytes: AtomicI64::new(0),
            standing: Restoring::default(),
            stopped: AtomicI64::new(0),
        }
    }

    /// The loop turned, with so many bytes committed and not in the index yet.
    pub fn turned(&self, overlay_bytes: usize) {
        self.health.beat();
        let bytes = i64::try_from(overlay_bytes).unwrap_or(i64::MAX);
        // One figure of all workers: each tells by how much its share has changed.
        let before = self.overlay_bytes.swap(bytes, Ordering::Relaxed);
        self.metrics.index.overlay_bytes.add(bytes - before);
    }

    pub fn ended(&self) {
        self.health.ended();
    }

    pub fn report(&self, report: &Report) {
        match report {
            Report::Assigned { count } => {
                self.health.assigned();
                self.metrics.group.rebalances.inc();
                tracing::info!(count, "partitions_assigned");
            }
            Report::RecoveryBegun { partition, cause } => {
                self.metrics.restores.causes.of(restore_cause(cause)).inc();
                self.metrics
                    .group
                    .partitions_assigned
                    .add(i64::from(*cause == "assigned"));
                self.health.partition(*partition, Health::Restoring(0));
                self.goes_on(*partition);
                tracing::info!(partition, cause, "recovery_begun");
            }
            Report::Rebuilding { partition, why } => tracing::warn!(partition, why, "index_rebuild_begun"),
            Report::ChangelogCut { partition, begins } => {
                tracing::error!(partition, begins, "changelog_beginning_deleted");
            }
            Report::RestoreProgress {
                partition,
                remaining,
                replayed,
            } => self.restoring(*partition, *remaining, *replayed),
            Report::Restored { partition, records } => {
                self.health.partition(*partition, Health::Running);
                self.goes_on(*partition);
                self.metrics.restores.remaining(*partition).set(0);
                self.kafka_answers();
                self.health.index(Answer::Yes);
                tracing::info!(partition, records, "partition_running");
            }
            Report::Stopped { partition, why } => self.stopped(*partition, why),
            Report::Closed { partition } => {
                self.health.forget(*partition);
                self.metrics.group.partitions_assigned.dec();
                self.metrics.restores.forget(*partition);
                self.metrics.lag.forget_task(*partition);
                self.goes_on(*partition);
                tracing::info!(partition, "partition_closed");
            }
            Report::Halted { at, offset, why } => self.halted(at, *offset, why),
            Report::HaltOver { at } => self.halt_over(at),
            Report::Unavailable { partition, what } => {
                self.health.partition(*partition, Health::Paused(what.clone()));
                self.say("recovery_waits", || tracing::warn!(partition, what, "recovery_waits"));
            }
            Report::Committed(tally) => self.committed(tally),
            Report::Aborted { why } => {
                self.metrics.transactions.outcomes.of(TransactionOutcome::Aborted).inc();
                tracing::warn!(why, "transaction_aborted");
            }
            Report::Fenced { why } => {
                self.metrics.group.fences.inc();
                self.metrics.transactions.outcomes.of(TransactionOutcome::Unknown).inc();
                tracing::warn!(why, "producer_lost");
            }
            Report::NoProgress { seconds, why } => {
                self.health.kafka(Answer::No(why.clone()));
                tracing::error!(seconds, why, "no_progress");
            }
            Report::Overlay { partition, behind } => {
                self.metrics.lag.task(*partition).index_records.set(*behind);
            }
        }
    }

    fn restoring(&self, partition: i32, remaining: i64, replayed: u64) {
        self.metrics.restores.records.inc_by(replayed);
        self.metrics.restores.remaining(partition).set(remaining);
        let left = u64::try_from(remaining).unwrap_or(0);
        self.health.partition(partition, Health::Restoring(left));
        if let Some(rate) = self.standing.replayed(partition, replayed, Instant::now()) {
            tracing::info!(partition, remaining, records_per_second = rate, "restoring");
        }
    }

    /// Told each time that it is looked at; said once.
    fn stopped(&self, partition: i32, why: &str) {
        self.health.partition(partition, Health::Stopped(why.to_owned()));
        if self.standing.stopped(partition, why) {
            tracing::error!(partition, why, "partition_stopped");
        }
        self.count_stopped();
    }

    /// The partition is no longer restored, nor stopped.
    fn goes_on(&self, partition: i32) {
        self.standing.over(partition);
        self.count_stopped();
    }

    /// One figure of all workers: each tells by how much its share has changed.
    fn count_stopped(&self) {
        let count = i64::try_from(self.standing.count_stopped()).unwrap_or(i64::MAX);
        let before = self.stopped.swap(count, Ordering::Relaxed);
        self.metrics.group.partitions_stopped.add(count - before);
    }

    fn halted(&self, at: &TopicPartition, offset: i64, why: &str) {
        if self.health.halted(&at.topic, at.partition, why.to_owned()) {
            self.metrics.group.inputs_halted.inc();
        }
        let (topic, partition) = (&*at.topic, at.partition);
        tracing::error!(topic, partition, offset, why, "input_halted");
    }

    fn halt_over(&self, at: &TopicPartition) {
        if self.health.halt_over(&at.topic, at.partition) {
            self.metrics.group.inputs_halted.dec();
        }
        let (topic, partition) = (&*at.topic, at.partition);
        tracing::info!(topic, partition, "input_halt_over");
    }

    fn committed(&self, tally: &Tally) {
        self.kafka_answers();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        self.metrics
            .transactions
            .outcomes
            .of(TransactionOutcome::Committed)
            .inc();
        self.metrics
            .transactions
            .batch_records
            .observe(tally.timestamps.len() as f64);
        for timestamp in &tally.timestamps {
            self.metrics
                .transactions
                .end_to_end
                .observe((now - timestamp).max(0) as f64 / 1_000.0);
        }
        if let Some(latest) = tally.due.iter().map(|due| now - due.0).max() {
            self.metrics.lag.timers_due_late.set(latest.max(0) as f64 / 1_000.0);
        }
        self.settled.put(&tally.settled);
        tally.counts.iter().for_each(|count| self.count(*count));
    }

    fn count(&self, count: Count) {
        let judged = &self.metrics.judged;
        match count {
            Count::Record(topic, outcome) => judged.records.of(topic, outcome).inc(),
            Count::Decision(rule) => judged.decisions.of(rule).inc(),
            Count::Unrouted(reason) => judged.unrouted.of(reason).inc(),
            Count::AutoReply(outcome) => judged.auto_replies.of(outcome).inc(),
            Count::Command(kind, status, code) => {
                judged.commands.of(kind, status, code).inc();
                if status == crate::domain::effect::Status::Duplicate {
                    judged.duplicates.of(Duplicate::Command).inc();
                }
            }
            Count::Repeat(kind) => judged.duplicates.of(kind).inc(),
            Count::Dead(reason) => judged.dead_letters.of(reason).inc(),
        }
    }

    pub fn transaction_phase(&self, phase: TransactionPhase, took: Duration) {
        self.metrics.transactions.seconds.of(phase).observe(took.as_secs_f64());
    }

    pub fn index_call(&self, call: IndexCall, outcome: IndexOutcome, took: Duration) {
        self.metrics
            .index
            .call_seconds
            .of(call, outcome)
            .observe(took.as_secs_f64());
        if outcome != IndexOutcome::Failed {
            self.health.index(Answer::Yes);
        }
    }

    pub fn index_failed(&self, error: &crate::index::Error) {
        self.index_unavailable(&error.to_string());
    }

    pub fn index_unavailable(&self, why: &str) {
        self.health.index(Answer::No(why.to_owned()));
        self.say("index_unavailable", || tracing::warn!(why, "index_unavailable"));
    }

    pub fn kafka_answers(&self) {
        self.health.kafka(Answer::Yes);
    }

    pub fn kafka_unavailable(&self, why: &str) {
        self.health.kafka(Answer::No(why.to_owned()));
        self.say("kafka_unavailable", || tracing::warn!(why, "kafka_unavailable"));
    }

    /// Until it is let work again.
    pub fn name_shared(&self, transactional_id: &str) {
        let why = format!(
            "the name {transactional_id} was taken from us again and again: two processes seem to have one kafka.instance_id, and take \
             turns; end one of them, or give it an id of its own (if there is only one: its transactions take longer than \
             kafka.transaction_timeout_ms, or the session of one that was killed is not over yet)"
        );
        self.health.kafka(Answer::No(why.clone()));
        self.say("instance_id_shared", || tracing::error!(why, "instance_id_shared"));
    }

    pub fn kafka_fault(&self, fault: &Fault) {
        match fault {
            Fault::AllBrokersDown(_) | Fault::Refused { .. } | Fault::NotLetIn { .. } => {
                self.kafka_unavailable(&fault.to_string())
            }
            Fault::OffsetOutOfRange { .. } | Fault::Fenced { .. } | Fault::Fatal { .. } => {
                tracing::error!(%fault, "kafka_fault")
            }
            Fault::Partition { .. } | Fault::Transient { .. } => tracing::debug!(%fault, "kafka_fault"),
        }
    }

    /// Says it, unless it was said a moment ago.
    fn say(&self, what: &'static str, say: impl FnOnce()) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match said.iter_mut().find(|(known, _)| *known == what) {
            Some((_, at)) if now.duration_since(*at) < SAY_AGAIN => return,
            Some((_, at)) => *at = now,
            None => said.push((what, now)),
        }
        drop(said);
        say();
    }
}

fn restore_cause(cause: &str) -> RestoreCause {
    match cause {
        "assigned" => RestoreCause::Assigned,
        "producer_replaced" => RestoreCause::Fenced,
        "index_foreign" | "index_differs" => RestoreCause::IndexLost,
        "index_rolled_back" => RestoreCause::IndexRolledBack,
        _ => RestoreCause::Doubt,
    }
}

/// The phase that a step of a transaction belongs to.
#[must_use]
pub fn phase(step: &crate::protocol::TransactionStep) -> TransactionPhase {
    use crate::protocol::TransactionStep as Step;
    match step {
        Step::Begin | Step::Produce(_) => TransactionPhase::Produce,
        Step::Flush => TransactionPhase::Flush,
        Step::SendOffsets(_) => TransactionPhase::Offsets,
        Step::Commit | Step::Abort | Step::ReplaceProducer => TransactionPhase::Commit,
    }
}

/// The outcome of a call that names a build.
#[must_use]
pub fn outcome<T>(answer: &Result<crate::index::Read<T>, crate::index::Error>) -> IndexOutcome {
    match answer {
        Ok(crate::index::Read::Found { .. }) => IndexOutcome::Ok,
        Ok(crate::index::Read::Foreign(_)) => IndexOutcome::Foreign,
        Err(_) => IndexOutcome::Failed,
    }
}

/// The outcome of applying.
#[must_use]
pub fn applied(answer: &Result<crate::index::Applied, crate::index::Error>) -> IndexOutcome {
    use crate::index::Applied;
    match answer {
        Ok(Applied::Applied | Applied::Already) => IndexOutcome::Ok,
        Ok(Applied::Gap(_)) => IndexOutcome::Gap,
        Ok(Applied::Foreign(_)) => IndexOutcome::Foreign,
        Err(_) => IndexOutcome::Failed,
    }
}
