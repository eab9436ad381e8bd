//! How far each partition of the outputs has been handed out, and the id of an event that says so. It means the same to every
//! process on the same topics, and to no other: between partitions there is no order that all would see alike, so nothing
//! less than all positions says what a reader has.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

/// How many topics are told of.
pub const TOPICS: usize = 4;
/// What can be read of ids in other formats is nothing.
const FORMAT: u8 = 1;
/// No topic of ours has more.
const MOST_PARTITIONS: u64 = 10_000;

/// One partition, by the place of its topic in the list of those that are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub topic: usize,
    pub partition: usize,
}

/// Which cluster and topics the positions are of.
pub type Logs = u32;

/// The offset after the last that was handed out, of each partition; of one that is not named: 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions([Vec<u64>; TOPICS]);

impl Positions {
    #[must_use]
    pub fn at(&self, place: Place) -> u64 {
        let partitions = self.0.get(place.topic);
        let next = partitions.and_then(|partitions| partitions.get(place.partition));
        next.copied().unwrap_or_default()
    }

    /// Never goes back.
    pub fn advance(&mut self, place: Place, next: u64) {
        let Some(partitions) = self.0.get_mut(place.topic) else {
            return;
        };
        if partitions.len() <= place.partition {
            partitions.resize(place.partition + 1, 0);
        }
        partitions[place.partition] = partitions[place.partition].max(next);
    }

    /// The further of the two, of each partition.
    pub fn join(&mut self, other: &Self) {
        for (own, others) in self.0.iter_mut().zip(&other.0) {
            if own.len() < others.len() {
                own.resize(others.len(), 0);
            }
            own.iter_mut()
                .zip(others)
                .for_each(|(own, other)| *own = (*own).max(*other));
        }
    }

    /// Whether it is at least as far in all partitions.
    #[must_use]
    pub fn reaches(&self, other: &Self) -> bool {
        let mut topics = self.0.iter().zip(&other.0);
        topics.all(|(own, others)| {
            let own = |place: usize| own.get(place).copied().unwrap_or_default();
            others.iter().enumerate().all(|(place, other)| own(place) >= *other)
        })
    }

    /// The id: the format, the logs, and for each topic how many partitions and their offsets, as varints in base64.
    #[must_use]
    pub fn id(&self, logs: Logs) -> String {
        let count: usize = self.0.iter().map(Vec::len).sum();
        let mut bytes = Vec::with_capacity(9 + count * 4);
        bytes.push(FORMAT);
        bytes.extend(logs.to_be_bytes());
        for partitions in &self.0 {
            push(&mut bytes, partitions.len() as u64);
            partitions.iter().for_each(|next| push(&mut bytes, *next));
        }
        BASE64.encode(bytes)
    }

    /// None: no id of ours, or of other logs.
    #[must_use]
    pub fn parse(id: &str, logs: Logs) -> Option<Self> {
        let bytes = BASE64.decode(id.trim()).ok()?;
        let (format, rest) = bytes.split_first()?;
        let (of, rest) = rest.split_first_chunk::<4>()?;
        let is_ours = *format == FORMAT && u32::from_be_bytes(*of) == logs;
        let mut rest = is_ours.then_some(rest)?;
        let mut found = Self::default();
        for partitions in &mut found.0 {
            let count = pull(&mut rest).filter(|count| *count <= MOST_PARTITIONS)?;
            *partitions = (0..count).map(|_| pull(&mut rest)).collect::<Option<_>>()?;
        }
        rest.is_empty().then_some(found)
    }
}

/// Seven bits a byte, the lowest first.
fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn pull(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(topic: usize, partition: usize) -> Place {
        Place { topic, partition }
    }

    proptest! {
        #[test]
        fn an_id_says_all_positions(offsets in proptest::collection::vec((0..TOPICS, 0_usize..40, 0..i64::MAX as u64), 0..60), logs: u32) {
            let mut positions = Positions::default();
            offsets.iter().for_each(|(topic, partition, next)| positions.advance(place(*topic, *partition), *next));
            let id = positions.id(logs);
            prop_assert_eq!(Positions::parse(&id, logs), Some(positions.clone()));
            prop_assert_eq!(Positions::parse(&id, logs ^ 1), None);
            prop_assert_eq!(Positions::parse(&id[..id.len() - 1], logs), None);
        }

        #[test]
        fn what_is_no_id_is_none_and_no_panic(text in "\\PC{0,80}", bytes: Vec<u8>) {
            prop_assert_eq!(Positions::parse(&text, 7), None);
            let _ = Positions::parse(&BASE64.encode(bytes), 7);
        }
    }

    #[test]
    fn positions_only_go_on() {
        let mut one = Positions::default();
        one.advance(place(1, 3), 9);
        one.advance(place(1, 3), 4);
        assert_eq!(
            (one.at(place(1, 3)), one.at(place(1, 2)), one.at(place(3, 70))),
            (9, 0, 0)
        );
        let mut other = Positions::default();
        other.advance(place(0, 0), 2);
        assert!(!one.reaches(&other) && !other.reaches(&one));
        other.join(&one);
        assert!(other.reaches(&one) && other.at(place(0, 0)) == 2);
    }

    #[test]
    fn the_id_of_thirty_two_partitions_of_each_fits_a_header() {
        let mut positions = Positions::default();
        (0..TOPICS)
            .for_each(|topic| (0..32).for_each(|partition| positions.advance(place(topic, partition), 9_000_000_000)));
        assert!(positions.id(0).len() < 1_000);
    }
}
