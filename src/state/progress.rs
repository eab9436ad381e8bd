//! The progress record of a partition: how far its task has come, and what its state may be read with. Written in the same
//! transaction as all else, it is the truth about positions, whatever the group's committed offsets say.

use super::homes::Partitions;
use super::keys::StateKey;
use super::wire::{DecodeError, Format, Reader, Wire, Writer, fields};
use crate::domain::time::Instant;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// One partition of a topic that the task reads, `router-commands` among them. The topic's name is without the prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    pub topic: Arc<str>,
    pub partition: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The next offset to read.
    pub next: i64,
    /// The greatest decision time consumed; None before the first record.
    pub decided_to: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What this record and those of its transaction are written in.
    pub format: Format,
    /// Made by the first owner of an empty changelog, repeated ever after.
    pub incarnation: Uuid,
    pub partitions: u16,
    /// The version of the canonical form of phones (P2).
    pub phone_form: u32,
    /// Tells whether hashes were made with the state key that we have.
    pub key_check: u64,
    /// Counts the partition's transactions.
    pub sequence: u64,
    pub inputs: BTreeMap<Input, Position>,
    /// The next offset of `router-settings` when this was judged: an older table is never used after it.
    pub settings_next: i64,
    /// What was due by then has been fired by a sweep.
    pub swept_to: Option<Instant>,
    /// Where the changelog may begin: somebody deleted what stood before, and somebody has accepted that. Written only then.
    pub begins: i64,
}

/// What this process can go on from.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    pub format: Format,
    pub partitions: Partitions,
    pub phone_form: u32,
    /// From `state.key_file`; None: made of the incarnation.
    pub configured_key: Option<StateKey>,
}

/// Why the state can't be gone on from. Each stops the program, before anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error(
        "the state is split over {state} partitions and {configured} are configured: set topics.partitions to {state}"
    )]
    Partitions { state: u16, configured: i32 },
    #[error(
        "the state holds phones in canonical form {state} and this version of the program makes form {ours}: run a version with form {state}"
    )]
    PhoneForm { state: u32, ours: u32 },
    #[error(
        "the state was written under another state key: give state.key_file the key it was written with, or none if there was none"
    )]
    StateKey,
}

fields!(Input { topic, partition });
fields!(Position { next, decided_to });

impl Expected {
    /// The state key of a changelog of that incarnation.
    #[must_use]
    pub fn state_key(&self, incarnation: Uuid) -> StateKey {
        self.configured_key
            .unwrap_or_else(|| StateKey::of_incarnation(incarnation))
    }

    /// The format of the index's values: that of the changelog, whose values they are.
    #[must_use]
    pub fn index_format(&self) -> u32 {
        u32::from(self.format.number())
    }

    /// The formats of an index that can be gone on with: each of its values says by itself in which of them it is.
    #[must_use]
    pub fn index_formats() -> (u32, u32) {
        (Format::OLDEST.number().into(), Format::NEWEST.number().into())
    }

    pub fn check(&self, progress: &Progress) -> Result<(), Mismatch> {
        if i32::from(progress.partitions) != self.partitions.count() {
            return Err(Mismatch::Partitions {
                state: progress.partitions,
                configured: self.partitions.count(),
            });
        }
        if progress.phone_form != self.phone_form {
            return Err(Mismatch::PhoneForm {
                state: progress.phone_form,
                ours: self.phone_form,
            });
        }
        if progress.key_check != self.state_key(progress.incarnation).check_value() {
            return Err(Mismatch::StateKey);
        }
        Ok(())
    }
}

impl Progress {
    /// Of an empty changelog, before anything was read.
    #[must_use]
    pub fn first(expected: &Expected, incarnation: Uuid) -> Self {
        Self {
            format: expected.format,
            incarnation,
            partitions: expected.partitions.count() as u16,
            phone_form: expected.phone_form,
            key_check: expected.state_key(incarnation).check_value(),
            sequence: 0,
            inputs: BTreeMap::new(),
            settings_next: 0,
            swept_to: None,
            begins: 0,
        }
    }

    /// A record was consumed. Neither position nor decision time ever goes back.
    pub fn consumed(&mut self, input: &Input, next: i64, decided_at: Instant) {
        let held = self.inputs.get(input).copied();
        let position = Position {
            next: held.map_or(next, |held| held.next.max(next)),
            decided_to: held.and_then(|held| held.decided_to).max(Some(decided_at)),
        };
        self.inputs.insert(input.clone(), position);
    }

    /// All before `next` is consumed, or never was there. The position does not go back.
    pub fn reached(&mut self, input: &Input, next: i64) {
        let held = self.inputs.get(input).copied();
        let position = Position {
            next: held.map_or(next, |held| held.next.max(next)),
            decided_to: held.and_then(|held| held.decided_to),
        };
        self.inputs.insert(input.clone(), position);
    }

    /// The next offset of an input. None: it was not known when this was written.
    #[must_use]
    pub fn next_of(&self, input: &Input) -> Option<i64> {
        self.inputs.get(input).map(|position| position.next)
    }

    /// The least of the greatest decision times consumed; None while there is an input of which nothing was.
    #[must_use]
    pub fn stream_time(&self) -> Option<Instant> {
        self.inputs.values().map(|position| position.decided_to).min().flatten()
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(self.format);
        let w = &mut writer;
        self.incarnation.put(w);
        self.partitions.put(w);
        self.phone_form.put(w);
        self.key_check.put(w);
        self.sequence.put(w);
        w.number(self.inputs.len() as u64);
        for (input, position) in &self.inputs {
            input.put(w);
            position.put(w);
        }
        self.settings_next.put(w);
        self.swept_to.put(w);
        if self.begins > 0 {
            self.begins.put(w);
        }
        writer.bytes
    }

    /// An unknown format is an error here already.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes)?;
        let r = &mut reader;
        let progress = Self {
            format: r.format,
            incarnation: Wire::take(r)?,
            partitions: Wire::take(r)?,
            phone_form: Wire::take(r)?,
            key_check: Wire::take(r)?,
            sequence: Wire::take(r)?,
            inputs: take_inputs(r)?,
            settings_next: Wire::take(r)?,
            swept_to: Wire::take(r)?,
            begins: if r.is_at_end() { 0 } else { Wire::take(r)? },
        };
        reader.end()?;
        Ok(progress)
    }
}

fn take_inputs(reader: &mut Reader<'_>) -> Result<BTreeMap<Input, Position>, DecodeError> {
    let count = reader.number()?;
    (0..count)
        .map(|_| Ok((Wire::take(reader)?, Wire::take(reader)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Expected {
        Expected {
            format: Format::DEFAULT,
            partitions: Partitions::new(32).unwrap(),
            phone_form: 1,
            configured_key: None,
        }
    }

    fn input(topic: &str, partition: i32) -> Input {
        let topic = Arc::from(topic);
        Input { topic, partition }
    }

    fn progress() -> Progress {
        let mut progress = Progress::first(&expected(), Uuid::from_u128(9));
        progress.sequence = 77;
        progress.consumed(&input("inbound-messages", 3), 1_000, Instant(1_700_000_000_000));
        progress.consumed(&input("router-commands", 3), 5, Instant(1_600_000_000_000));
        progress.settings_next = 12;
        progress.swept_to = Some(Instant(1_500_000_000_000));
        progress
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let bytes = progress().encode();
        assert_eq!(Progress::decode(&bytes), Ok(progress()));
        for end in 0..bytes.len() {
            assert!(Progress::decode(&bytes[..end]).is_err());
        }
        let cut = Progress {
            begins: 5,
            ..progress()
        };
        assert_eq!(Progress::decode(&cut.encode()), Ok(cut));
    }

    #[test]
    fn neither_position_nor_time_goes_back() {
        let mut progress = progress();
        progress.consumed(&input("router-commands", 3), 4, Instant(1));
        assert_eq!(progress.stream_time(), Some(Instant(1_600_000_000_000)));
        assert_eq!(progress.inputs[&input("router-commands", 3)].next, 5);
        let unread = Position {
            next: 0,
            decided_to: None,
        };
        progress.inputs.insert(input("crm-changes", 3), unread);
        assert_eq!(progress.stream_time(), None);
    }

    #[test]
    fn a_state_that_is_not_ours_stops_the_program() {
        assert_eq!(expected().check(&progress()), Ok(()));
        let more = Expected {
            partitions: Partitions::new(64).unwrap(),
            ..expected()
        };
        let said = more.check(&progress()).unwrap_err().to_string();
        assert!(said.ends_with("set topics.partitions to 32"), "{said}");
        let form = Expected {
            phone_form: 2,
            ..expected()
        };
        assert_eq!(form.check(&progress()), Err(Mismatch::PhoneForm { state: 1, ours: 2 }));
        let keyed = Expected {
            configured_key: Some(StateKey::new([1; 16])),
            ..expected()
        };
        assert_eq!(keyed.check(&progress()), Err(Mismatch::StateKey));
        let theirs = Progress::first(&keyed, Uuid::from_u128(9));
        assert_eq!(expected().check(&theirs), Err(Mismatch::StateKey));
        assert_eq!(keyed.check(&theirs), Ok(()));
    }

    #[test]
    fn a_later_format_is_named_in_a_sentence() {
        let mut bytes = progress().encode();
        bytes[0] = Format::NEWEST.number() + 1;
        let said = Progress::decode(&bytes).unwrap_err().to_string();
        assert!(
            said.contains("written in format 3") && said.contains("run the version"),
            "{said}"
        );
    }
}
