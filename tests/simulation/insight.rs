//! What the simulator saw a process being fed, so that the checks can judge the same again: they look, and change nothing.

use chatroom_router::domain::time::Instant;
use chatroom_router::kafka::Position;
use chatroom_router::protocol::Partition;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Debug)]
pub enum Fed {
    /// Where a record stands, the reader's clock when it came, and how far the accepted settings could be read by then.
    Record {
        at: Position,
        wall: Instant,
        settings_stable: i64,
    },
    /// An entry whose timers may be due by the horizon.
    Sweep { value: Vec<u8>, horizon: Instant },
}

/// Per task, in the order in which it came, what may not be committed yet.
pub type Insight = BTreeMap<Partition, Vec<Rc<Fed>>>;
