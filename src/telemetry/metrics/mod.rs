//! Every figure, once: its name, kind, unit, labels and when to alert. Labels are bounded, and never an org, a phone,
//! a contact or a chatroom. The registry is a value that is passed in: there are no statics.
//!
//! Each struct is what one part of the program writes. Series of labels known beforehand are resolved once, so that
//! counting a record looks nothing up.

mod api;
mod events;
mod family;
mod judged;
mod labels;
mod lag;
mod process;
mod work;

#[cfg(test)]
mod tests;

pub use api::{ApiWork, HttpStatus, Route};
pub use events::{EventsWork, StreamEnd};
pub use family::{Counters, Counters2, Counters3, Histograms, Histograms2, Label};
pub use judged::Judged;
pub use labels::{
    Duplicate, IndexCall, IndexOutcome, RecordOutcome, RestoreCause, TransactionOutcome, TransactionPhase,
};
pub use lag::{InputLag, Lag, TaskLag};
pub use work::{Group, IndexWork, Restores, Transactions};

use family::Maker;
use prometheus::{Encoder, Registry, TextEncoder};

/// All figures of this process.
pub struct Metrics {
    pub judged: Judged,
    pub transactions: Transactions,
    pub lag: Lag,
    pub index: IndexWork,
    pub restores: Restores,
    pub group: Group,
    pub api: ApiWork,
    pub events: EventsWork,
    registry: Registry,
}

impl Metrics {
    /// Fails only if two figures have one name, or one has a name that Prometheus forbids.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let make = Maker::new(&registry);
        process::register(&registry)?;
        Ok(Self {
            judged: Judged::new(&make)?,
            transactions: Transactions::new(&make)?,
            lag: Lag::new(&make)?,
            index: IndexWork::new(&make)?,
            restores: Restores::new(&make)?,
            group: Group::new(&make)?,
            api: ApiWork::new(&make)?,
            events: EventsWork::new(&make)?,
            registry,
        })
    }

    /// What `/metrics` answers: Prometheus's text format.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;
