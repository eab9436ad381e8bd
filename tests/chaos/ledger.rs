//! What must come and what came, matched as it comes, per key and in order; each output's id once. Keeps only what is not
//! matched yet, so that a run may last for hours.

use crate::harness::log::Record;
use crate::harness::topics::{DEAD, RESULTS, ROUTED, UNROUTED};
use crate::model::Out;
use crate::timeline::Timeline;
use crate::verify;
use serde_json::Value;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

/// What bears one key in one topic: its order is promised.
type Lane = (&'static str, String);

#[derive(Default)]
struct Queue {
    wanted: VecDeque<Value>,
    found: VecDeque<Value>,
}

#[derive(Default)]
pub struct Ledger {
    open: HashMap<Lane, Queue>,
    broken: HashSet<Lane>,
    ids: HashSet<u128>,
    faults: Vec<String>,
    /// Of inputs whose outcome has not been seen: the partition that judges them, if it is one alone, and when they were sent.
    awaited: HashMap<String, (Option<i32>, Instant)>,
    pub timeline: Timeline,
    pub matched: usize,
}

impl Ledger {
    /// An input was sent, named by its message or request, and leads to these.
    pub fn expect(&mut self, name: &str, home: Option<i32>, outs: Vec<Out>) {
        if !outs.is_empty() {
            self.awaited.insert(name.to_owned(), (home, Instant::now()));
        }
        for out in outs {
            let value = verify::comparable(out.topic, &out.value);
            let lane = (out.topic, out.key);
            self.open.entry(lane.clone()).or_default().wanted.push_back(value);
            self.settle(lane);
        }
    }

    /// The outcomes of inputs that were awaited already.
    pub fn settled(&mut self, outs: Vec<Out>) {
        self.expect("", None, outs);
        self.awaited.remove("");
    }

    /// These may have come, as the last under their keys.
    pub fn allow(&mut self, outs: Vec<Out>) {
        let came = |out: &Out| {
            let queue = self.open.get(&(out.topic, out.key.clone()));
            queue.is_some_and(|queue| !queue.found.is_empty())
        };
        let (came, _): (Vec<Out>, Vec<Out>) = outs.into_iter().partition(came);
        self.settled(came);
    }

    /// Whether anything came that says it is an answer to what was asked before.
    pub fn has_repeats(&self) -> bool {
        self.open
            .iter()
            .any(|(lane, queue)| lane.0 == RESULTS && queue.found.iter().any(is_repeat))
    }

    /// Who asked so many times is answered so many times, from the second time on in this way.
    pub fn allow_repeats(&mut self, asked: &HashMap<String, usize>) {
        for queue in self.open.values_mut() {
            let mut left = HashMap::<String, usize>::new();
            queue.found.retain(|value| {
                let request = value["request_id"].as_str().unwrap_or_default();
                let again = asked.get(request).map_or(0, |count| count - 1);
                let left = left.entry(request.to_owned()).or_insert(again);
                let is_allowed = is_repeat(value) && *left > 0;
                *left -= usize::from(is_allowed);
                !is_allowed
            });
        }
    }

    pub fn found(&mut self, record: &Record, at: Instant) {
        if record.topic == DEAD {
            return self
                .faults
                .push(format!("a dead letter of a sound record: {:?}", record.headers));
        }
        let id = uuid::Uuid::parse_str(record.header("ce_id")).map(|id| id.as_u128());
        match id {
            Ok(id) if !self.ids.insert(id) => self.faults.push(format!("twice: {} {}", record.topic, record.value)),
            Ok(_) => {}
            Err(_) => self
                .faults
                .push(format!("no ce_id on {} {}", record.topic, record.value)),
        }
        let name = match record.topic {
            RESULTS => record.text("request_id"),
            ROUTED | UNROUTED => record.text("message_id"),
            _ => "",
        };
        if let Some((Some(home), sent)) = self.awaited.remove(name) {
            self.timeline.arrived(home, sent, at);
        }
        let lane = (record.topic, record.key.clone().unwrap_or_default());
        let value = verify::comparable(record.topic, &record.value);
        self.open.entry(lane.clone()).or_default().found.push_back(value);
        self.settle(lane);
    }

    fn settle(&mut self, lane: Lane) {
        let Some(queue) = self.open.get_mut(&lane) else { return };
        while let (Some(wanted), Some(found)) = (queue.wanted.front(), queue.found.front()) {
            // After the first difference all that follows differs.
            if !verify::alike(wanted, found) && self.broken.insert(lane.clone()) {
                self.faults
                    .push(format!("{} {}:\n   is {found}\n  not {wanted}", lane.0, lane.1));
            }
            queue.wanted.pop_front();
            queue.found.pop_front();
            self.matched += 1;
        }
        if queue.wanted.is_empty() && queue.found.is_empty() {
            self.open.remove(&lane);
        }
    }

    /// Outputs that must come and have not.
    pub fn owed(&self) -> usize {
        self.open.values().map(|queue| queue.wanted.len()).sum()
    }

    pub fn awaits(&self, name: &str) -> bool {
        self.awaited.contains_key(name)
    }

    /// Inputs without an outcome so far.
    pub fn awaited(&self) -> usize {
        self.awaited.len()
    }

    /// Some of them, with how long they have waited.
    pub fn some_awaited(&self) -> String {
        let some = self.awaited.iter().take(5);
        let words = some.map(|(name, (home, sent))| format!("{name} of partition {home:?} for {:.1?}", sent.elapsed()));
        words.collect::<Vec<_>>().join(", ")
    }

    /// All faults, once nothing more can come.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.faults.clone();
        for ((topic, key), queue) in &self.open {
            let (wanted, found) = (queue.wanted.front(), queue.found.front());
            faults.extend(wanted.map(|value| format!("{topic} {key}: never came: {value}")));
            faults.extend(found.map(|value| format!("{topic} {key}: nobody asked for: {value}")));
        }
        faults
    }
}

fn is_repeat(result: &Value) -> bool {
    result["status"] == "DUPLICATE"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::topics::LIFECYCLE;
    use crate::verify::as_record;
    use serde_json::json;

    fn out(number: usize) -> Out {
        Out {
            topic: LIFECYCLE,
            key: "room".to_owned(),
            value: json!({"type": "CHATROOM_CREATED", "number": number}),
        }
    }

    /// What is wrong when these come, bearing these ids, where 0, 1, 2 should.
    fn judged(come: &[(usize, u128)]) -> usize {
        let mut ledger = Ledger::default();
        ledger.expect("message", None, (0..3).map(out).collect());
        for (number, id) in come {
            let mut record = as_record(out(*number), 0);
            record
                .headers
                .insert("ce_id".into(), uuid::Uuid::from_u128(*id).to_string());
            ledger.found(&record, Instant::now());
        }
        ledger.faults().len()
    }

    #[test]
    fn an_answer_to_each_time_that_a_request_was_written_is_no_fault() {
        for (written, faults) in [(3, 0), (2, 1), (1, 2)] {
            let mut ledger = Ledger::default();
            for number in 1..=2_u128 {
                let again = Out {
                    topic: RESULTS,
                    key: "r".to_owned(),
                    value: json!({"request_id": "r", "status": "DUPLICATE"}),
                };
                let mut record = as_record(again, 0);
                let id = uuid::Uuid::from_u128(number).to_string();
                record.headers.insert("ce_id".into(), id);
                ledger.found(&record, Instant::now());
            }
            assert!(ledger.has_repeats());
            ledger.allow_repeats(&HashMap::from([("r".to_owned(), written), ("other".to_owned(), 9)]));
            let left: usize = ledger.open.values().map(|queue| queue.found.len()).sum();
            assert_eq!(left, faults, "written {written} times");
        }
    }

    #[test]
    fn lost_doubled_and_swapped_outputs_are_faults() {
        assert_eq!(judged(&[(0, 1), (1, 2), (2, 3)]), 0);
        assert_eq!(judged(&[(0, 1), (1, 2)]), 1, "lost at the end");
        assert!(judged(&[(0, 1), (2, 3)]) > 0, "lost within");
        assert!(judged(&[(0, 1), (0, 4), (1, 2), (2, 3)]) > 0, "again under another id");
        assert!(judged(&[(0, 1), (0, 1), (1, 2), (2, 3)]) > 0, "again under its own id");
        assert_eq!(judged(&[(1, 2), (0, 1), (2, 3)]), 1, "out of order");
        assert_eq!(judged(&[(0, 1), (1, 2), (2, 2)]), 1, "one id on two");
    }
}
