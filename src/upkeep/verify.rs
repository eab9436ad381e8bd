//! Compares a partition's index with what its changelog makes of it: every value and every clock. Both may go on meanwhile:
//! what differs counts only if no record applied since accounts for it. Of values it keeps hashes, one partition's at a time.

use super::{Stand, State, Upkeep};
use crate::failure::{Exit, Failure};
use crate::index::{Change, Generation, Held, Marker, Op, Read};
use crate::state::keys::RecordKey;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;

/// Keys that are named; the others are only counted.
const NAMED: usize = 20;

/// Something that an index holds under a name: a value, or where a member of a clock stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Cell {
    Value(Vec<u8>),
    Clock { clock: Vec<u8>, member: Vec<u8> },
}

/// A hash of a value, or the instant that a clock's member starts from. None: there is nothing.
type Content = Option<u128>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The changelog has it, the index has not.
    Missing,
    /// The index has it, the changelog has not.
    Extra,
    /// Both have it, not the same.
    Other,
}

impl Fault {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Other => "different",
        }
    }
}

/// What was compared, and what differs.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    pub values: u64,
    pub clocks: u64,
    /// How many differ, by what they are and how.
    pub differing: BTreeMap<(&'static str, Fault), u64>,
    /// Some of their keys, as logs may hold them.
    pub named: Vec<String>,
}

impl Verified {
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differing.is_empty()
    }

    fn count(&mut self, cell: &Cell, fault: Fault) {
        let (kind, key) = match cell {
            Cell::Value(key) => named(key),
            Cell::Clock { member, .. } => ("clock", named(member).1),
        };
        *self.differing.entry((kind, fault)).or_default() += 1;
        if self.named.len() < NAMED {
            self.named.push(format!("{kind} {key} {}", fault.word()));
        }
    }
}

/// The kind of what stands under that key, and the key.
fn named(key: &[u8]) -> (&'static str, String) {
    match RecordKey::parse(key) {
        Some(key) => (key.kind().word(), key.to_string()),
        None => ("unknown", key.escape_ascii().to_string()),
    }
}

/// What the changelog makes, up to one offset.
#[derive(Default)]
struct Fold {
    cells: HashMap<Cell, u128>,
}

impl Fold {
    fn take(&mut self, changes: Vec<Change>) {
        for (cell, content) in changes.into_iter().flat_map(|change| change.ops).map(effect) {
            match content {
                Some(content) => _ = self.cells.insert(cell, content),
                None => _ = self.cells.remove(&cell),
            }
        }
    }
}

/// A difference that what came later may account for.
struct Suspect {
    found: Content,
    expected: Content,
    cleared: bool,
}

impl Suspect {
    /// The changelog sets it later. `applied`: before the index was last looked at.
    fn met(&mut self, content: Content, applied: bool) {
        // The record that it stood in before may be compacted away by now; and what comes and goes may be passed over.
        let may_be_gone = self.expected.is_none() || (applied && self.found.is_none());
        self.cleared |= may_be_gone || (applied && content == self.found);
    }

    fn fault(&self) -> Fault {
        match (self.expected, self.found) {
            (Some(_), None) => Fault::Missing,
            (None, _) => Fault::Extra,
            (Some(_), Some(_)) => Fault::Other,
        }
    }
}

impl Upkeep {
    /// Compares the whole, up to the marker found. `each` is told the changelog's offset reached.
    pub fn verify(&mut self, found: &Stand, each: &mut dyn FnMut(i64)) -> Result<Verified, Failure> {
        let marker = match (found.state(), found.marker) {
            (State::Complete | State::Rebuilding | State::Empty, Some(marker)) => marker,
            (State::Empty, None) => return Ok(Verified::default()),
            (state, _) => return Err(Failure::new(Exit::BadData, unfit(found.partition, state))),
        };
        found.uncut()?;
        let mut fold = Fold::default();
        self.replayed(found.partition, (found.low, marker.offset), &mut |changes, next| {
            fold.take(changes);
            each(next);
        })?;
        let mut verified = Verified::default();
        let mut suspects = self.walk(found.partition, &marker.of, fold, &mut verified)?;
        if suspects.is_empty() {
            return Ok(verified);
        }
        let now = self.stand(found.partition)?;
        let applied = same_build(found.partition, &marker, &now)?.offset;
        self.replayed(found.partition, (marker.offset, now.high), &mut |changes, _| {
            for change in changes {
                let is_applied = change.offset < applied;
                for (cell, content) in change.ops.into_iter().map(effect) {
                    if let Some(suspect) = suspects.get_mut(&cell) {
                        suspect.met(content, is_applied);
                    }
                }
            }
        })?;
        let differing = suspects.iter().filter(|(_, suspect)| !suspect.cleared);
        differing.for_each(|(cell, suspect)| verified.count(cell, suspect.fault()));
        verified.named.sort();
        Ok(verified)
    }

    fn replayed(
        &mut self,
        partition: i32,
        (mut from, to): (i64, i64),
        each: &mut dyn FnMut(Vec<Change>, i64),
    ) -> Result<(), Failure> {
        let at = self.changelog(partition);
        while from < to {
            let piece = self.piece(&at, (from, to))?;
            from = piece.next;
            each(piece.changes, from);
        }
        Ok(())
    }

    /// Looks at all that the index holds; gives back what isn't as the fold has it.
    fn walk(
        &self,
        partition: i32,
        of: &Generation,
        fold: Fold,
        verified: &mut Verified,
    ) -> Result<HashMap<Cell, Suspect>, Failure> {
        let mut suspects = HashMap::new();
        let mut unseen = fold.cells.clone();
        let mut look = |held: Held| {
            let (cell, found) = content(held);
            match cell {
                Cell::Value(_) => verified.values += 1,
                Cell::Clock { .. } => verified.clocks += 1,
            }
            unseen.remove(&cell);
            let expected = fold.cells.get(&cell).copied();
            if expected != Some(found) {
                let found = Some(found);
                suspects.insert(
                    cell,
                    Suspect {
                        found,
                        expected,
                        cleared: false,
                    },
                );
            }
        };
        match self.wait(self.index.walk(partition, of, &mut look))? {
            Read::Found { .. } => {}
            Read::Foreign(_) => return Err(meanwhile(partition)),
        }
        for (cell, expected) in unseen {
            let expected = Some(expected);
            suspects.insert(
                cell,
                Suspect {
                    found: None,
                    expected,
                    cleared: false,
                },
            );
        }
        Ok(suspects)
    }
}

fn effect(op: Op) -> (Cell, Content) {
    match op {
        Op::Put { key, value } => (Cell::Value(key), Some(hash(&value))),
        Op::Delete { key } => (Cell::Value(key), None),
        Op::Clock { clock, member, start } => (Cell::Clock { clock, member }, start.map(instant)),
    }
}

fn content(held: Held) -> (Cell, u128) {
    match held {
        Held::Value { key, value } => (Cell::Value(key), hash(&value)),
        Held::Clock { clock, member, start } => (Cell::Clock { clock, member }, instant(start)),
    }
}

fn instant(start: i64) -> u128 {
    u128::from(start as u64)
}

fn hash(value: &[u8]) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(value);
    hasher.finish128().into()
}

fn same_build(partition: i32, before: &Marker, now: &Stand) -> Result<Marker, Failure> {
    let same = now.marker.filter(|marker| marker.of == before.of);
    same.ok_or_else(|| meanwhile(partition))
}

fn meanwhile(partition: i32) -> Failure {
    let sentence = format!("the index of partition {partition} was begun anew meanwhile: try again");
    Failure::new(Exit::Unreachable, sentence)
}

fn unfit(partition: i32, state: State) -> String {
    let next = match state {
        State::Ahead | State::Unreadable => "see the router's log for what to do",
        _ => "start the router, or build it with `chatroom-router index rebuild`",
    };
    format!("the index of partition {partition} is {}: {next}", state.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspect(expected: Content, found: Content) -> Suspect {
        Suspect {
            found,
            expected,
            cleared: false,
        }
    }

    #[test]
    fn only_what_was_applied_since_accounts_for_a_difference() {
        for (expected, found, later, applied, cleared) in [
            (Some(1), Some(2), Some(2), true, true),
            (Some(1), Some(2), Some(2), false, false),
            (Some(1), Some(2), Some(3), true, false),
            // The older value was compacted away because there is a newer one.
            (None, Some(2), Some(3), false, true),
            (Some(1), None, None, true, true),
            (Some(1), None, Some(3), true, true),
            (Some(1), None, Some(3), false, false),
        ] {
            let mut suspect = suspect(expected, found);
            suspect.met(later, applied);
            assert_eq!(suspect.cleared, cleared, "{expected:?} {found:?} {later:?} {applied}");
        }
    }

    #[test]
    fn a_difference_is_counted_by_its_kind_and_named_without_a_phone() {
        let mut verified = Verified::default();
        verified.count(&Cell::Value(b"!".to_vec()), suspect(Some(1), None).fault());
        let member = [b"p".as_slice(), &[7; 16]].concat();
        let clock = Cell::Clock {
            clock: b"i:acme".to_vec(),
            member,
        };
        verified.count(&clock, suspect(None, Some(1)).fault());
        assert_eq!(verified.differing[&("progress", Fault::Missing)], 1);
        assert_eq!(verified.differing[&("clock", Fault::Extra)], 1);
        assert_eq!(verified.named[0], "progress ! missing");
        assert_eq!(verified.named[1], format!("clock p{} extra", "07".repeat(16)));
    }
}
