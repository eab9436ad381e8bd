//! What a changelog record does to the index, clocks included. Both come from its key and value alone, so that a rebuild
//! gives what was applied at the time. A clock's name holds its org in clear and nothing else; its members are record keys.

use super::codec::{self, Value, decode};
use super::keys::{Kind, RecordKey};
use super::wire::{DecodeError, Reader};
use crate::domain::ids::OrgId;
use crate::domain::record::Record;
use crate::domain::time::Instant;
use crate::domain::timers::{Clocks, clocks};
use crate::index::{Change, Op};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockKind {
    Inactivity,
    Age,
}

impl ClockKind {
    pub const ALL: [Self; 2] = [Self::Inactivity, Self::Age];

    const fn byte(self) -> u8 {
        match self {
            Self::Inactivity => b'i',
            Self::Age => b'a',
        }
    }

    /// Where it starts, among the clocks of an entry, or its cut-off among those of a sweep.
    #[must_use]
    pub fn of(self, clocks: &Clocks) -> Option<Instant> {
        match self {
            Self::Inactivity => clocks.inactivity,
            Self::Age => clocks.age,
        }
    }

    /// `<i or a>:<org>`
    #[must_use]
    pub fn name(self, org: &OrgId) -> Vec<u8> {
        [&[self.byte(), b':'], org.as_str().as_bytes()].concat()
    }

    fn op(self, org: &OrgId, member: &RecordKey, start: Option<Instant>) -> Op {
        Op::Clock {
            clock: self.name(org),
            member: member.as_bytes().to_vec(),
            start: start.map(|start| start.0),
        }
    }
}

/// Where the clocks of a record start; those of most kinds have none.
#[must_use]
pub fn clocks_of(record: Option<&Record>) -> Clocks {
    match record {
        Some(Record::Entry(entry)) => clocks(entry),
        _ => Clocks::default(),
    }
}

/// Sets those clocks that were not known to stand there already.
#[must_use]
pub fn clock_ops(org: &OrgId, member: &RecordKey, before: Option<&Clocks>, after: &Clocks) -> Vec<Op> {
    let moved = |kind: &ClockKind| before.is_none_or(|before| kind.of(before) != kind.of(after));
    let moved = ClockKind::ALL.into_iter().filter(moved);
    moved.map(|kind| kind.op(org, member, kind.of(after))).collect()
}

/// The operations of one changelog record, as it is read on a replay or a rebuild. An error: a value that can't be read.
pub fn replay(key: &RecordKey, value: Option<&[u8]>) -> Result<Vec<Op>, DecodeError> {
    ops(key, key.as_bytes().to_vec(), value.map(<[u8]>::to_vec))
}

/// What a changelog record does to the index, from its bytes. An error: the sentence why this version can't read it.
pub fn change(offset: i64, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<Change, String> {
    let known = RecordKey::parse(&key);
    let known = known.ok_or("the changelog holds a record under a key that this version doesn't know")?;
    let ops = ops(&known, key, value).map_err(|error| format!("at offset {offset}, {error}"))?;
    Ok(Change { offset, ops })
}

fn ops(key: &RecordKey, bytes: Vec<u8>, value: Option<Vec<u8>>) -> Result<Vec<Op>, DecodeError> {
    let Some(value) = value else {
        return Ok(vec![Op::Delete { key: bytes }]);
    };
    if key.kind() != Kind::Phone {
        // Nothing in it ticks: only its format is looked at, and that of the last progress record by whoever goes on from it.
        if key.kind() != Kind::Progress {
            Reader::new(&value)?;
        }
        return Ok(vec![Op::Put { key: bytes, value }]);
    }
    if let Some((subject, after)) = codec::head(&value)? {
        let mut ops = vec![Op::Put { key: bytes, value }];
        ops.extend(clock_ops(&subject.org, key, None, &after));
        return Ok(ops);
    }
    let (org, after) = match decode(key, &value)? {
        Value::Gone(org) => {
            let mut ops = vec![Op::Delete { key: bytes }];
            ops.extend(clock_ops(&org, key, None, &Clocks::default()));
            return Ok(ops);
        }
        Value::Live { subject, record } => (subject.map(|subject| subject.org), clocks_of(Some(&record))),
    };
    let mut ops = vec![Op::Put { key: bytes, value }];
    ops.extend(org.iter().flat_map(|org| clock_ops(org, key, None, &after)));
    Ok(ops)
}

pub(super) fn put(key: &RecordKey, value: &[u8]) -> Op {
    Op::Put {
        key: key.as_bytes().to_vec(),
        value: value.to_vec(),
    }
}

pub(super) fn delete(key: &RecordKey) -> Op {
    Op::Delete {
        key: key.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_record_that_cant_be_read_and_is_not_the_last_keeps_no_index_from_being_built() {
        let later_format = Some(vec![99, 0]);
        let progress = change(5, RecordKey::PROGRESS.as_bytes().to_vec(), later_format.clone());
        assert!(progress.is_ok());
        let entry = [&b"p"[..], &[7; 16]].concat();
        let said = change(5, entry, later_format).unwrap_err();
        assert!(said.contains("offset 5"), "{said}");
    }

    #[test]
    fn a_clock_is_named_by_its_kind_and_org() {
        let org = OrgId::parse("acme").unwrap();
        assert_eq!(ClockKind::Age.name(&org), b"a:acme");
        assert_eq!(ClockKind::Inactivity.name(&org), b"i:acme");
    }
}
