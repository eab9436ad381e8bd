//! A stretch of the changelog as the index sees it, checked before it is sent and cut where a crash may cut it.

use super::{Error, ErrorKind};

/// Instants beyond this are not kept exactly by a clock (2^53, the year 287396).
const LARGEST_INSTANT: i64 = 1 << 53;

/// What a changelog record does to the index. Each sets or removes a whole thing, so doing it again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Put {
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Delete {
        key: Vec<u8>,
    },
    /// Sets the instant that `member` of a clock starts from; `None` takes it off the clock.
    Clock {
        clock: Vec<u8>,
        member: Vec<u8>,
        start: Option<i64>,
    },
}

impl Op {
    /// The bytes that the operation sends, roughly.
    fn weight(&self) -> usize {
        match self {
            Op::Put { key, value } => key.len() + value.len(),
            Op::Delete { key } => key.len(),
            Op::Clock { clock, member, .. } => clock.len() + member.len(),
        }
    }
}

/// What one changelog record does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub offset: i64,
    pub ops: Vec<Op>,
}

/// The changelog from `from` up to, not including, `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The first offset that the batch covers; the marker must have reached it.
    pub from: i64,
    /// Where the marker stands afterwards. Offsets without a change (aborted, compacted away, control records) are covered too.
    pub to: i64,
    /// In the order of their offsets, all in `from..to`.
    pub changes: Vec<Change>,
    /// The instant up to which an index applied up to `to` holds everything, if the caller knows; `None` while catching up.
    /// A batch that covers nothing (`from == to`) only moves this instant on, if the marker stands at `to`.
    pub applied_until: Option<i64>,
}

/// A piece of a batch that is applied as one. A piece ends where a changelog record ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    pub from: i64,
    pub to: i64,
    pub changes: &'a [Change],
    /// Only of the last piece.
    pub applied_until: Option<i64>,
}

impl<'a> Chunk<'a> {
    /// The operations, in their order.
    pub fn ops(&self) -> impl Iterator<Item = &'a Op> + use<'a> {
        self.changes.iter().flat_map(|change| &change.ops)
    }
}

impl Batch {
    /// Refuses a batch that would leave a marker which lies.
    pub(super) fn check(&self) -> Result<(), Error> {
        let misuse = |what: String| Err(Error::new(ErrorKind::Misuse, what));
        let mut least = self.from;
        for change in &self.changes {
            if change.offset < least || change.offset >= self.to {
                return misuse(format!(
                    "changelog offset {} is out of order in {}..{}",
                    change.offset, self.from, self.to
                ));
            }
            least = change.offset;
            for op in &change.ops {
                if let Op::Clock { start: Some(start), .. } = op
                    && start.unsigned_abs() > LARGEST_INSTANT.unsigned_abs()
                {
                    return misuse(format!("a clock can't start from {start}"));
                }
            }
        }
        if self.from > self.to {
            return misuse(format!("a batch can't go from {} back to {}", self.from, self.to));
        }
        Ok(())
    }

    /// Whether it has more operations than so many.
    pub(super) fn weighs_more_than(&self, ops: usize) -> bool {
        self.changes.iter().map(|change| change.ops.len()).sum::<usize>() > ops
    }

    /// Cuts the batch into pieces of about `ops` operations and `bytes` bytes, never within a record: the end of each is the
    /// offset of the next one's first record, so wherever the work stops, the marker says the truth.
    pub(super) fn chunks(&self, ops: usize, bytes: usize) -> Vec<Chunk<'_>> {
        let mut cuts = Vec::new();
        let (mut held_ops, mut held_bytes) = (0, 0);
        for (at, change) in self.changes.iter().enumerate() {
            let weight: usize = change.ops.iter().map(Op::weight).sum();
            let full = held_ops + change.ops.len() > ops || held_bytes + weight > bytes;
            let continues = at > 0 && self.changes[at - 1].offset == change.offset;
            if held_ops > 0 && full && !continues {
                cuts.push(at);
                (held_ops, held_bytes) = (0, 0);
            }
            held_ops += change.ops.len();
            held_bytes += weight;
        }
        cuts.push(self.changes.len());

        let mut chunks = Vec::with_capacity(cuts.len());
        let (mut start, mut from) = (0, self.from);
        for cut in cuts {
            let to = self.changes.get(cut).map_or(self.to, |next| next.offset);
            chunks.push(Chunk {
                from,
                to,
                changes: &self.changes[start..cut],
                applied_until: None,
            });
            (start, from) = (cut, to);
        }
        if let Some(last) = chunks.last_mut() {
            last.applied_until = self.applied_until;
        }
        chunks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(offset: i64, ops: usize) -> Change {
        let put = |n: usize| Op::Put {
            key: vec![n as u8],
            value: vec![0; 9],
        };
        Change {
            offset,
            ops: (0..ops).map(put).collect(),
        }
    }

    /// The pieces of a batch 10..100 as `(from, to, operations)`.
    fn cut(changes: &[(i64, usize)], ops: usize, bytes: usize) -> Vec<(i64, i64, usize)> {
        let changes = changes.iter().map(|&(offset, ops)| change(offset, ops)).collect();
        let batch = Batch {
            from: 10,
            to: 100,
            changes,
            applied_until: Some(7),
        };
        batch.check().unwrap();
        let chunks = batch.chunks(ops, bytes);
        let (last, rest) = chunks.split_last().unwrap();
        assert_eq!(last.applied_until, Some(7));
        assert!(rest.iter().all(|chunk| chunk.applied_until.is_none()));
        chunks
            .iter()
            .map(|chunk| (chunk.from, chunk.to, chunk.ops().count()))
            .collect()
    }

    #[test]
    fn a_batch_is_cut_at_records_only() {
        assert_eq!(cut(&[], 3, 999), [(10, 100, 0)]);
        assert_eq!(cut(&[(10, 2)], 3, 999), [(10, 100, 2)]);
        assert_eq!(cut(&[(10, 2), (20, 1), (30, 1)], 3, 999), [(10, 30, 3), (30, 100, 1)]);
        assert_eq!(cut(&[(12, 9), (20, 9)], 3, 999), [(10, 20, 9), (20, 100, 9)]);
        assert_eq!(cut(&[(12, 2), (12, 2), (13, 1)], 3, 999), [(10, 13, 4), (13, 100, 1)]);
        assert_eq!(cut(&[(12, 0), (13, 1), (14, 0)], 1, 999), [(10, 100, 1)]);
        assert_eq!(cut(&[(12, 1), (13, 1), (14, 1)], 99, 20), [(10, 14, 2), (14, 100, 1)]);
    }

    #[test]
    fn a_batch_that_would_lie_is_refused() {
        let refused = |from, to, offsets: &[i64]| {
            let changes = offsets.iter().map(|&offset| change(offset, 1)).collect();
            let batch = Batch {
                from,
                to,
                changes,
                applied_until: None,
            };
            batch.check().map_err(|error| error.kind()) == Err(ErrorKind::Misuse)
        };
        assert!(refused(5, 4, &[]));
        assert!(refused(5, 9, &[4]));
        assert!(refused(5, 9, &[9]));
        assert!(refused(5, 9, &[7, 6]));
        assert!(!refused(5, 9, &[6, 6, 8]));
        assert!(!refused(5, 5, &[]));
        let far = Op::Clock {
            clock: vec![],
            member: vec![],
            start: Some(i64::MIN),
        };
        let batch = Batch {
            from: 0,
            to: 1,
            changes: vec![Change {
                offset: 0,
                ops: vec![far],
            }],
            applied_until: None,
        };
        assert_eq!(batch.check().unwrap_err().kind(), ErrorKind::Misuse);
    }
}
