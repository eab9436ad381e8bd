//! How far timers may be fired by the clock: up to a moment, once the group has passed where all its inputs ended then, and
//! after that where all that was passed on by then ended. It asks nobody and reads no clock: whoever feeds it does both.

use crate::domain::time::Instant;
use crate::kafka::TopicPartition;

/// What to find out next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Where each partition of each input ends.
    InputEnds,
    /// Where each partition of `router-commands` ends.
    PassedOnEnds,
    /// How far the group has come in these.
    Standing(Vec<TopicPartition>),
}

/// How far the group has come in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub committed: Option<i64>,
    /// The first offset that is still there.
    pub low: i64,
}

impl Standing {
    /// The next offset of the group: without one of its own it begins where the partition does.
    #[must_use]
    pub fn next(&self) -> i64 {
        self.committed.unwrap_or(self.low)
    }
}

/// What the standing of the group leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    NotYet,
    /// The inputs of that moment: what was passed on by now is next.
    Inputs,
    /// All: what was due by then may be fired.
    Horizon(Instant),
}

/// The group's way to one moment after another.
#[derive(Debug)]
pub struct Horizon {
    grace_ms: i64,
    way: Option<Way>,
}

#[derive(Debug)]
struct Way {
    since: Instant,
    is_passed_on: bool,
    /// None: asked for.
    until: Option<Vec<(TopicPartition, i64)>>,
}

impl Horizon {
    #[must_use]
    pub fn new(grace_ms: i64) -> Self {
        Self { grace_ms, way: None }
    }

    /// A way begins at the moment of its first question: what ends the inputs by the answer was there by then, or came later.
    pub fn ask(&mut self, now: Instant) -> Ask {
        let way = self.way.get_or_insert(Way {
            since: now,
            is_passed_on: false,
            until: None,
        });
        match &way.until {
            Some(until) => Ask::Standing(until.iter().map(|(at, _)| at.clone()).collect()),
            None if way.is_passed_on => Ask::PassedOnEnds,
            None => Ask::InputEnds,
        }
    }

    /// The offset after the last record of each partition that was asked for.
    pub fn ends(&mut self, ends: Vec<(TopicPartition, i64)>) {
        if let Some(way) = &mut self.way {
            way.until = Some(ends);
        }
    }

    /// Of the partitions asked for, in their order.
    pub fn standing(&mut self, found: &[Standing]) -> Reached {
        let Some(way) = &mut self.way else {
            return Reached::NotYet;
        };
        let Some(until) = &way.until else {
            return Reached::NotYet;
        };
        let mut both = until.iter().zip(found);
        if found.len() != until.len() || !both.all(|((_, end), found)| found.next() >= *end) {
            return Reached::NotYet;
        }
        if !way.is_passed_on {
            (way.is_passed_on, way.until) = (true, None);
            return Reached::Inputs;
        }
        let horizon = way.since.plus(-self.grace_ms);
        self.way = None;
        Reached::Horizon(horizon)
    }

    /// Nobody answered: the next way begins at a moment of its own.
    pub fn give_up(&mut self) {
        self.way = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE_MS: i64 = 600;

    fn at(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition::new(topic, partition)
    }

    fn inputs() -> Vec<(TopicPartition, i64)> {
        vec![(at("inbound-messages", 0), 5), (at("crm-changes", 0), 8)]
    }

    fn committed(offsets: &[i64]) -> Vec<Standing> {
        let standing = |offset: &i64| Standing {
            committed: Some(*offset),
            low: 0,
        };
        offsets.iter().map(standing).collect()
    }

    /// On its way to the moment 10,000, with the ends of the inputs noted.
    fn begun() -> Horizon {
        let mut horizon = Horizon::new(GRACE_MS);
        assert_eq!(horizon.ask(Instant(10_000)), Ask::InputEnds);
        horizon.ends(inputs());
        horizon
    }

    #[test]
    fn the_horizon_is_the_moment_before_the_inputs_ends_were_asked_for_less_the_grace() {
        let mut horizon = begun();
        let names = inputs().into_iter().map(|(at, _)| at).collect();
        assert_eq!(horizon.ask(Instant(20_000)), Ask::Standing(names));
        assert_eq!(horizon.standing(&committed(&[5, 8])), Reached::Inputs);
        assert_eq!(horizon.ask(Instant(30_000)), Ask::PassedOnEnds);
        horizon.ends(vec![(at("router-commands", 0), 3)]);
        let reached = horizon.standing(&committed(&[3]));
        assert_eq!(reached, Reached::Horizon(Instant(10_000 - GRACE_MS)));
        assert_eq!(
            horizon.ask(Instant(40_000)),
            Ask::InputEnds,
            "and on to the next moment"
        );
    }

    #[test]
    fn one_input_that_the_group_has_not_passed_holds_the_horizon_back() {
        for behind in [[4, 8], [5, 7], [0, 100]] {
            let mut horizon = begun();
            assert_eq!(horizon.standing(&committed(&behind)), Reached::NotYet, "{behind:?}");
            assert_eq!(horizon.standing(&committed(&[9, 9])), Reached::Inputs);
        }
        assert_eq!(begun().standing(&committed(&[5])), Reached::NotYet, "one is not known");
    }

    #[test]
    fn what_was_passed_on_and_not_judged_holds_the_horizon_back() {
        let mut horizon = begun();
        assert_eq!(horizon.standing(&committed(&[5, 8])), Reached::Inputs);
        assert_eq!(
            horizon.standing(&committed(&[5, 8])),
            Reached::NotYet,
            "its ends come first"
        );
        horizon.ends(vec![(at("router-commands", 0), 3), (at("router-commands", 1), 4)]);
        assert_eq!(horizon.standing(&committed(&[3, 3])), Reached::NotYet);
        assert!(matches!(
            horizon.standing(&committed(&[3, 4])),
            Reached::Horizon(Instant(9_400))
        ));
    }

    #[test]
    fn a_partition_of_which_the_group_has_committed_nothing_holds_the_horizon_back_unless_it_is_empty() {
        let reached = |low| {
            let nothing = Standing { committed: None, low };
            begun().standing(&[nothing, committed(&[8])[0]])
        };
        assert_eq!(reached(4), Reached::NotYet);
        assert_eq!(reached(5), Reached::Inputs, "all that it held is gone");
    }

    #[test]
    fn a_way_that_was_given_up_begins_at_another_moment() {
        let mut horizon = begun();
        horizon.give_up();
        assert_eq!(horizon.ask(Instant(50_000)), Ask::InputEnds);
        horizon.ends(Vec::new());
        assert_eq!(horizon.standing(&[]), Reached::Inputs);
        horizon.ends(Vec::new());
        assert_eq!(horizon.standing(&[]), Reached::Horizon(Instant(50_000 - GRACE_MS)));
    }
}
