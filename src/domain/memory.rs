//! Ids remembered for 8 days: 64 within the record that remembers them, more in buckets of their own (I11, K2).
//!
//! Linear hashing: with n = 2^L + s buckets an id lies in bucket `id mod 2^(L+1)`, or where there is no such bucket yet
//! in `id mod 2^L`. One bucket more splits exactly one, so no growth ever rewrites all of a hot phone's ids at once.

use super::draft::Draft;
use super::effect::{Code, Status};
use super::ids::{ChatroomId, IdHash};
use super::record::{Key, MemoryKind, Needs, Record};
use super::time::{DAY_MS, Instant, MINUTE_MS};
use std::collections::BTreeMap;

/// Ids within the record itself, and on average in a bucket.
pub const RECENT: usize = 64;
/// How many stay when it is full: spilling half at once rewrites a bucket for several ids instead of one.
const KEPT: usize = RECENT / 2;
const REMEMBERED_MINUTES: u32 = (8 * DAY_MS / MINUTE_MS) as u32;

/// An id of a message or a request, when it was judged first, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    pub id: IdHash,
    pub minute: u32,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A message that went to a chatroom: its repeat is counted and not published.
    Routed,
    /// A message without a chatroom: its repeat is judged again.
    Unrouted,
    /// A command passed on and not answered yet: its repeat waits.
    InProgress,
    /// A command that was answered, and the chatroom that the answer was about.
    Answered {
        status: Status,
        code: Option<Code>,
        chatroom: Option<ChatroomId>,
    },
}

/// What one record remembers. `buckets` and `spilled` are zero until more than 64 are held; then linear hashing: bucket n
/// is the record `Key::Ids(owner, n)`.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Memory {
    pub recent: Vec<Remembered>,
    pub buckets: u32,
    pub spilled: u32,
}

/// A copy is made to be changed, nearly always by one id more. No room for more than that: a batch holds thousands of these.
impl Clone for Memory {
    fn clone(&self) -> Self {
        let mut recent = match self.recent.len() {
            0 => Vec::new(),
            held => Vec::with_capacity(held + 1),
        };
        recent.extend_from_slice(&self.recent);
        Self { recent, ..*self }
    }
}

impl Remembered {
    /// Minutes are rounded down, so that exactly 8 days later is still remembered; a minute more never is.
    fn is_fresh(&self, at: Instant) -> bool {
        at.minute().saturating_sub(self.minute) <= REMEMBERED_MINUTES
    }
}

/// Whose memory it is, and which of its two: where the buckets lie. All is judged at the draft's decision time.
#[derive(Debug, Clone, Copy)]
pub struct Shelf<'k> {
    pub owner: &'k Key,
    pub kind: MemoryKind,
}

impl<'k> Shelf<'k> {
    #[must_use]
    pub fn messages(owner: &'k Key) -> Self {
        let kind = MemoryKind::Messages;
        Self { owner, kind }
    }

    #[must_use]
    pub fn requests(owner: &'k Key) -> Self {
        let kind = MemoryKind::Requests;
        Self { owner, kind }
    }

    /// What is known of the id, if it came within the last 8 days.
    pub fn recall(self, draft: &Draft, memory: &Memory, id: IdHash) -> Result<Option<Remembered>, Needs> {
        let known = memory.recent.iter().find(|known| known.id == id).copied();
        let known = match known {
            None if memory.buckets > 0 => {
                let bucket = self.bucket(draft, bucket_of(id, memory.buckets))?;
                bucket.into_iter().find(|known| known.id == id)
            }
            recent => recent,
        };
        Ok(known.filter(|known| known.is_fresh(draft.at)))
    }

    /// Remembers the id from now on; of one that is known already only the outcome changes, and its 8 days run on.
    pub fn remember(self, draft: &mut Draft, memory: &mut Memory, id: IdHash, outcome: Outcome) -> Result<(), Needs> {
        let first = self.recall(draft, memory, id)?;
        let minute = first.map_or(draft.at.minute(), |first| first.minute);
        self.forget(draft, memory, id)?;
        memory.recent.retain(|known| known.is_fresh(draft.at));
        if memory.recent.len() >= RECENT {
            self.spill(draft, memory)?;
        }
        // No room for more, as above.
        memory.recent.reserve_exact(1);
        memory.recent.push(Remembered { id, minute, outcome });
        Ok(())
    }

    /// As if it had never come.
    pub fn forget(self, draft: &mut Draft, memory: &mut Memory, id: IdHash) -> Result<(), Needs> {
        memory.recent.retain(|known| known.id != id);
        if memory.buckets == 0 {
            return Ok(());
        }
        let number = bucket_of(id, memory.buckets);
        let bucket = self.bucket(draft, number)?;
        if bucket.iter().any(|known| known.id == id) {
            let rest = bucket.into_iter().filter(|known| known.id != id).collect();
            memory.spilled = memory.spilled.saturating_sub(1);
            self.put(draft, number, rest);
        }
        Ok(())
    }

    /// Moves the older half into the buckets, and makes room for them.
    fn spill(self, draft: &mut Draft, memory: &mut Memory) -> Result<(), Needs> {
        memory.buckets = memory.buckets.max(1);
        let mut by_bucket: BTreeMap<u32, Vec<Remembered>> = BTreeMap::new();
        let older = memory.recent.len().saturating_sub(KEPT);
        for known in memory.recent.drain(..older) {
            by_bucket
                .entry(bucket_of(known.id, memory.buckets))
                .or_default()
                .push(known);
        }
        let keys: Vec<Key> = by_bucket.keys().map(|number| self.key(*number)).collect();
        draft.load_all(&keys)?;
        for (number, arrived) in by_bucket {
            let held = self.bucket(draft, number)?;
            let fresh = held.iter().filter(|known| known.is_fresh(draft.at)).copied();
            let bucket: Vec<Remembered> = fresh.chain(arrived).collect();
            memory.spilled = (memory.spilled + bucket.len() as u32).saturating_sub(held.len() as u32);
            self.put(draft, number, bucket);
        }
        while memory.spilled > memory.buckets.saturating_mul(RECENT as u32) {
            self.split(draft, memory)?;
        }
        Ok(())
    }

    /// One bucket more, filled from the one that held its ids so far.
    fn split(self, draft: &mut Draft, memory: &mut Memory) -> Result<(), Needs> {
        let added = memory.buckets;
        let source = added - half(added);
        let held = self.bucket(draft, source)?;
        memory.buckets += 1;
        let goes = |known: &Remembered| bucket_of(known.id, memory.buckets) == added;
        let (moved, stays) = held.into_iter().partition(goes);
        self.put(draft, source, stays);
        self.put(draft, added, moved);
        Ok(())
    }

    fn key(self, number: u32) -> Key {
        Key::Ids(Box::new(self.owner.clone()), self.kind, number)
    }

    fn bucket(self, draft: &Draft, number: u32) -> Result<Vec<Remembered>, Needs> {
        Ok(match draft.load(&self.key(number))?.as_deref() {
            Some(Record::Ids(ids)) => ids.clone(),
            _ => Vec::new(),
        })
    }

    fn put(self, draft: &mut Draft, number: u32, ids: Vec<Remembered>) {
        if ids.is_empty() {
            draft.delete(self.key(number));
        } else {
            draft.put(self.key(number), Record::Ids(ids));
        }
    }
}

/// The greatest power of two that is not above `buckets`, which is not zero.
fn half(buckets: u32) -> u32 {
    1 << buckets.ilog2()
}

fn bucket_of(id: IdHash, buckets: u32) -> u32 {
    let low = half(buckets);
    // The low 32 bits of a keyed hash are as good as any.
    let bits = id.0 as u32;
    let wide = bits & (low.saturating_mul(2) - 1);
    if wide < buckets { wide } else { bits & (low - 1) }
}
