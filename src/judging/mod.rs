//! One record from bytes to what follows from it: decoded, at home or passed on, judged by the rules, published as bytes.
//! Pure: the same record, records and settings give the same bytes. No client, no clock.

mod judge;
mod prepare;
mod table;
mod tally;

use crate::config::Topics;
use crate::contract::Decoder;
use crate::domain::ids::OrgId;
use crate::domain::time::Instant;
use crate::domain::timers;
use crate::kafka::NewRecord;
use crate::state::clocks::ClockKind;
use crate::state::homes::Homes;
use crate::state::keys::StateKey;
use crate::state::wire::Format;
use crate::state::working_set::Write;
use std::sync::Arc;

pub use judge::{give_up, judge};
pub use prepare::{Prepared, prepare, prepare_sweep};
pub use table::SettingsTable;
pub use tally::{Count, Tally};

/// What judging knows of the partition that it judges for.
#[derive(Clone)]
pub struct Facts {
    pub partition: i32,
    pub homes: Homes,
    pub state_key: StateKey,
    pub format: Format,
    pub topics: Arc<Topics>,
    pub decoder: Decoder,
    /// The most that key, value and headers of a record may take for the output topics to take it.
    pub largest_record: usize,
}

/// What one record came to.
pub struct Judged {
    /// The records of the state to write.
    pub writes: Vec<Write>,
    pub records: Vec<NewRecord>,
    pub tally: Tally,
}

/// Which clocks to ask for members that may be due by `horizon`: their names, and the latest start of interest.
#[must_use]
pub fn sweep_cutoffs(table: &SettingsTable, horizon: Instant, swept_to: Option<Instant>) -> Vec<(Vec<u8>, i64)> {
    let of_org = |(org, settings): (&OrgId, _)| {
        let cutoffs = timers::sweep_cutoffs(settings, horizon, swept_to);
        ClockKind::ALL.map(|kind| Some((kind.name(org), kind.of(&cutoffs)?.0)))
    };
    table.orgs().flat_map(of_org).flatten().collect()
}
