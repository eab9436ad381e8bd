//! How far behind we are, computed by us: the client's own figure does not see transactional commits.

use super::family::Maker;
use crate::contract::TopicKind;
use prometheus::{Error, Gauge, GaugeVec, IntGauge, IntGaugeVec};

/// By partition. Look a partition's gauges up when it is assigned, and forget them when it goes.
pub struct Lag {
    time: GaugeVec,
    offset: IntGaugeVec,
    index: IntGaugeVec,
    pub timers_due_late: Gauge,
}

/// The gauges of one input partition.
pub struct InputLag {
    pub seconds: Gauge,
    pub records: IntGauge,
}

/// The gauge of one task.
pub struct TaskLag {
    pub index_records: IntGauge,
}

impl Lag {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            time: make.seconds_gauges(
                "time_lag_seconds",
                "Age of the oldest record not yet settled, by input partition; 0 where there is none. Alert: over 60 s for 5 minutes.",
                &["topic", "partition"],
            )?,
            offset: make.gauges(
                "offset_lag_records",
                "Offsets between what is committed and the end, by input partition. For sizing; alert on the time lag.",
                &["topic", "partition"],
            )?,
            index: make.gauges(
                "index_lag_records",
                "Changelog offsets committed and not yet in the index. Alert: growing for 5 minutes.",
                &["partition"],
            )?,
            timers_due_late: make.seconds_gauge(
                "timers_due_late_seconds",
                "How late the last sweep fired the timer that it found due, beyond timers.grace_seconds. Alert: over 3600 s.",
            )?,
        })
    }

    pub fn input(&self, topic: TopicKind, partition: i32) -> InputLag {
        let labels = [topic.default_name(), &partition.to_string()];
        InputLag {
            seconds: self.time.with_label_values(&labels),
            records: self.offset.with_label_values(&labels),
        }
    }

    pub fn task(&self, partition: i32) -> TaskLag {
        TaskLag {
            index_records: self.index.with_label_values(&[partition.to_string()]),
        }
    }

    /// What is not ours any more is another process's to show. That it was never looked up is no fault.
    pub fn forget_input(&self, topic: TopicKind, partition: i32) {
        let labels = [topic.default_name(), &partition.to_string()];
        let _ = self.time.remove_label_values(&labels);
        let _ = self.offset.remove_label_values(&labels);
    }

    pub fn forget_task(&self, partition: i32) {
        let _ = self.index.remove_label_values(&[partition.to_string()]);
    }
}
