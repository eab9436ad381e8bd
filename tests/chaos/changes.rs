//! Settings of one org that change all the time, whatever goes on. Nothing of it is under way when they do, and nothing follows
//! before they are in force: so it is known by which of them each record must be judged.

use crate::ledger::Ledger;
use std::time::{Duration, Instant};

/// From one change to the next, and for as long as it takes.
const PAUSE: Duration = Duration::from_secs(3);

pub struct Changes {
    due: Instant,
    /// Of the org's inputs, those that may not have been judged yet.
    underway: Vec<String>,
    is_written: bool,
    /// How many are in force by now.
    pub made: usize,
}

/// What the org does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    Sends,
    Waits,
    Changes,
}

impl Changes {
    pub fn new() -> Changes {
        Changes {
            due: Instant::now() + PAUSE,
            underway: Vec::new(),
            is_written: false,
            made: 0,
        }
    }

    pub fn turn(&mut self, ledger: &Ledger) -> Turn {
        if Instant::now() < self.due {
            return Turn::Sends;
        }
        self.underway.retain(|name| ledger.awaits(name));
        match (self.underway.is_empty(), self.is_written) {
            (false, _) => Turn::Waits,
            (true, false) => {
                self.is_written = true;
                Turn::Changes
            }
            (true, true) => {
                self.is_written = false;
                self.due = Instant::now() + PAUSE;
                self.made += 1;
                Turn::Sends
            }
        }
    }

    /// The org sent an input of this name, be it its settings.
    pub fn sent(&mut self, name: &str) {
        self.underway.push(name.to_owned());
    }
}

#[test]
fn settings_change_between_what_is_judged_by_the_old_ones_and_by_the_new() {
    use crate::harness::topics::RESULTS;
    use crate::model::Out;
    let mut ledger = Ledger::default();
    let answer = |name: &str| Out {
        topic: RESULTS,
        key: name.to_owned(),
        value: serde_json::json!({"request_id": name}),
    };
    let mut changes = Changes::new();
    assert_eq!(changes.turn(&ledger), Turn::Sends);
    for (name, turn) in [("before", Turn::Changes), ("settings", Turn::Sends)] {
        ledger.expect(name, None, vec![answer(name)]);
        changes.sent(name);
        changes.due = Instant::now();
        assert_eq!(changes.turn(&ledger), Turn::Waits, "{name} is under way");
        ledger.found(&crate::verify::as_record(answer(name), 0), Instant::now());
        assert_eq!(changes.turn(&ledger), turn);
    }
    assert_eq!(changes.made, 1);
}
