//! How the work goes: transactions, the index, restores and the group.

use super::family::{Counters, Histograms, Histograms2, Maker, SECONDS};
use super::labels::{IndexCall, IndexOutcome, RestoreCause, TransactionOutcome, TransactionPhase};
use prometheus::{Error, Histogram, IntCounter, IntGauge, IntGaugeVec};

/// Batches and the transactions that they are settled in.
pub struct Transactions {
    pub end_to_end: Histogram,
    pub batch_records: Histogram,
    pub seconds: Histograms<TransactionPhase>,
    pub outcomes: Counters<TransactionOutcome>,
}

impl Transactions {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        let counts: Vec<f64> = (0..15).map(|power| f64::from(1 << power)).collect();
        Ok(Self {
            end_to_end: make.histogram(
                "end_to_end_seconds",
                "From a record's own timestamp to the commit that settles it. Alert: p99 over 5 s for 10 minutes.",
                SECONDS,
            )?,
            batch_records: make.histogram(
                "batch_records",
                "Records in a transaction. Watch: always batch.max_records means that there is a backlog.",
                &counts,
            )?,
            seconds: make.histograms(
                "transaction_seconds",
                "Time of a transaction by phase: what it waits for. Watch: commit over 1 s, the brokers are slow.",
                "phase",
            )?,
            outcomes: make.counters(
                "transactions_total",
                "Transactions ended, by outcome. Alert: aborted grows and committed doesn't, for 1 minute.",
                "outcome",
            )?,
        })
    }
}

/// The index and what waits for it.
pub struct IndexWork {
    pub call_seconds: Histograms2<IndexCall, IndexOutcome>,
    pub overlay_bytes: IntGauge,
    pub scrubbed: IntCounter,
    pub scrub_differences: IntCounter,
}

impl IndexWork {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            call_seconds: make.histograms2(
                "index_call_seconds",
                "Time of a call to the index. Alert: outcome failed for 2 minutes; foreign over a few at a rebalance.",
                ["call", "outcome"],
            )?,
            overlay_bytes: make.gauge(
                "overlay_bytes",
                "State committed and not yet in the index, over all workers. Alert: over 0.8 of state.overlay_max_bytes times workers, partitions will pause.",
            )?,
            scrubbed: make.counter(
                "scrubbed_values_total",
                "Values of the index compared with the changelog, now and then. Watch: it stands still, nothing is compared.",
            )?,
            scrub_differences: make.counter(
                "scrub_differences_total",
                "Values found to differ; the partition's index is built anew. Alert: any. Redis lost what it had acknowledged, or another program writes there.",
            )?,
        })
    }
}

/// Partitions brought up to the end of their changelog.
pub struct Restores {
    pub records: IntCounter,
    remaining: IntGaugeVec,
    pub causes: Counters<RestoreCause>,
}

impl Restores {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            records: make.counter(
                "restore_records_total",
                "Changelog records replayed into the index. Its rate beside restore_remaining_records is the time to restore.",
            )?,
            remaining: make.gauges(
                "restore_remaining_records",
                "Changelog offsets that a partition still has to replay before it runs. Alert: not falling for 2 minutes.",
                &["partition"],
            )?,
            causes: make.counters(
                "restores_total",
                "Restores begun, by cause. Alert: doubt or index_rolled_back more than a few an hour.",
                "cause",
            )?,
        })
    }

    /// Look it up once for a restore, not for each record.
    pub fn remaining(&self, partition: i32) -> IntGauge {
        self.remaining.with_label_values(&[partition.to_string()])
    }

    /// The partition runs, or is gone.
    pub fn forget(&self, partition: i32) {
        // It may never have been looked up.
        let _ = self.remaining.remove_label_values(&[partition.to_string()]);
    }
}

/// This process in its consumer group.
pub struct Group {
    pub partitions_assigned: IntGauge,
    pub partitions_stopped: IntGauge,
    pub rebalances: IntCounter,
    pub fences: IntCounter,
    pub inputs_halted: IntGauge,
    pub topics_unfit: IntGauge,
}

impl Group {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            partitions_assigned: make.gauge(
                "partitions_assigned",
                "Tasks that the workers of this process own. Alert: their sum over all processes is not topics.partitions for 5 minutes.",
            )?,
            partitions_stopped: make.gauge(
                "partitions_stopped",
                "Partitions of this process that stand still until somebody acts; /readyz?verbose and the log say why and what to do. Alert: over 0.",
            )?,
            rebalances: make.counter(
                "rebalances_total",
                "Assignments that changed. Alert: over 10 in 10 minutes outside a rollout.",
            )?,
            fences: make.counter(
                "fences_total",
                "Times that the brokers refused us as the owner. A few at each rebalance are normal. \
                 Alert: steadily, two processes may have one kafka.instance_id.",
            )?,
            inputs_halted: make.gauge(
                "inputs_halted",
                "Partitions of inputs that are not read on after a burst of bad records; the event input_halted names each. \
                 Alert: above 0 at all, somebody must look and say go on.",
            )?,
            topics_unfit: make.gauge(
                "topics_unfit",
                "Settings of topics with which the promise can't be kept, changed since the start; the event topic_unfit names each. \
                 Alert: above 0 at all, records may be lost by it, and no process starts with them.",
            )?,
        })
    }
}
