//! The index in memory, with all that Redis may do to it: lost and rolled back, cut off, late, twice, half done. Every call
//! that changed something is kept, so that an earlier prefix can be made again: a failover to a replica that lagged.

use chatroom_router::index::{Applied, Batch, Begin, Begun, Due, Generation, Held, Index, Marker, Op, Read};
use chatroom_router::protocol::{DueEntries, DueQuestion};
use chatroom_router::state::keys::RecordKey;
use chatroom_router::state::progress::Progress;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

#[derive(Clone)]
enum Done {
    Begin(i32, Begin),
    Apply(i32, Generation, Batch),
}

#[derive(Default)]
struct Harm {
    keys: BTreeSet<Vec<u8>>,
    /// Whoever compares the index with the changelog finds out.
    is_found: bool,
}

pub struct Redis {
    index: Index,
    done: Vec<Done>,
    /// Values that were set again behind the marker.
    overwritten: HashMap<(i32, Generation, Vec<u8>), Option<Vec<u8>>>,
    /// Nobody reaches it before then.
    pub down_until: u64,
    /// Nor the part of it that holds these partitions.
    pub away_until: HashMap<i32, u64>,
    /// Builds among whose keys another program writes.
    unreadable: HashSet<(i32, Generation)>,
    /// Redis may throw entries away.
    pub is_unfit: bool,
    /// What is gone of each build, and nothing says so.
    harmed: HashMap<(i32, Generation), Harm>,
}

/// The memory twin never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the index in memory waited"),
    }
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            index: Index::memory(),
            done: Vec::new(),
            overwritten: HashMap::new(),
            down_until: 0,
            away_until: HashMap::new(),
            unreadable: HashSet::new(),
            is_unfit: false,
            harmed: HashMap::new(),
        }
    }
}

impl Redis {
    pub fn marker(&self, partition: i32) -> Option<Marker> {
        at_once(self.index.marker(partition)).expect("memory answers")
    }

    pub fn begin(&mut self, partition: i32, begin: &Begin) -> Begun {
        self.done.push(Done::Begin(partition, *begin));
        at_once(self.index.begin(partition, begin)).expect("memory answers")
    }

    pub fn apply(&mut self, partition: i32, of: &Generation, batch: &Batch) -> Applied {
        self.done.push(Done::Apply(partition, *of, batch.clone()));
        at_once(self.index.apply(partition, of, batch))
            .unwrap_or_else(|error| panic!("a batch that can't be applied: {error}"))
    }

    /// Only the first `changes` of a batch arrive: the marker then stands where the next would begin.
    pub fn apply_some(&mut self, partition: i32, of: &Generation, batch: &Batch, changes: usize) -> Applied {
        let Some(next) = batch.changes.get(changes) else {
            return self.apply(partition, of, batch);
        };
        let first = Batch {
            from: batch.from,
            to: next.offset,
            changes: batch.changes[..changes].to_vec(),
            applied_until: None,
        };
        self.apply(partition, of, &first)
    }

    pub fn read(&self, partition: i32, of: &Generation, keys: &[Vec<u8>]) -> Read<Vec<Option<Vec<u8>>>> {
        let mut read = at_once(self.index.read(partition, of, keys)).expect("memory answers");
        if let Read::Found { value, .. } = &mut read {
            let harmed = self.harmed.get(&(partition, *of));
            for (key, value) in keys.iter().zip(value) {
                if harmed.is_some_and(|harmed| harmed.keys.contains(key)) {
                    *value = None;
                }
                if let Some(older) = self.overwritten.get(&(partition, *of, key.clone())) {
                    value.clone_from(older);
                }
            }
        }
        read
    }

    /// The progress record that it holds.
    pub fn progress(&self, partition: i32, of: &Generation) -> Option<Progress> {
        let keys = [RecordKey::PROGRESS.as_bytes().to_vec()];
        match self.read(partition, of, &keys) {
            Read::Found { value, .. } => Some(Progress::decode(value[0].as_deref()?).expect("we wrote it")),
            Read::Foreign(_) => None,
        }
    }

    /// What no script may do: sets the values of a stretch that the marker is beyond.
    pub fn apply_again(&mut self, partition: i32, of: &Generation, batch: &Batch) {
        let is_behind = self
            .marker(partition)
            .is_some_and(|marker| marker.of == *of && batch.to <= marker.offset);
        for op in batch.changes.iter().flat_map(|change| change.ops.clone()) {
            let (key, value) = match op {
                Op::Put { key, value } => (key, Some(value)),
                Op::Delete { key } => (key, None),
                Op::Clock { .. } => continue,
            };
            if is_behind {
                self.overwritten.insert((partition, *of, key), value);
            } else {
                self.overwritten.remove(&(partition, *of, key));
            }
        }
    }

    /// These values are gone, and nothing says so.
    pub fn harm(&mut self, partition: i32, keys: impl Iterator<Item = Vec<u8>>, is_found: bool) {
        if let Some(Marker { of, .. }) = self.marker(partition) {
            let harm = self.harmed.entry((partition, of)).or_default();
            harm.keys.extend(keys);
            harm.is_found |= is_found;
        }
    }

    /// What no script may do: takes all that is not of that build, the one of now too.
    pub fn sweep(&mut self, partition: i32, of: &Generation) {
        let Some(marker) = self.marker(partition).filter(|marker| marker.of != *of) else {
            return;
        };
        let mut keys = Vec::new();
        let mut each = |held| match held {
            Held::Value { key, .. } => keys.push(key),
            Held::Clock { .. } => {}
        };
        at_once(self.index.walk(partition, &marker.of, &mut each)).expect("memory answers");
        self.harm(partition, keys.into_iter(), false);
    }

    /// Another program writes where this build does.
    pub fn spoil(&mut self, partition: i32) {
        let build = self.marker(partition).map(|marker| (partition, marker.of));
        self.unreadable.extend(build);
    }

    pub fn is_readable(&self, partition: i32, of: &Generation) -> bool {
        !self.unreadable.contains(&(partition, *of))
    }

    pub fn was_spoilt(&self, partition: i32) -> bool {
        self.unreadable.iter().any(|(of, _)| *of == partition)
    }

    fn harm_of(&self, partition: i32) -> Option<&Harm> {
        let of = self.marker(partition)?.of;
        self.harmed.get(&(partition, of))
    }

    /// Whether the build of now has lost something.
    pub fn is_harmed(&self, partition: i32) -> bool {
        self.harm_of(partition).is_some()
    }

    /// Whether somebody finds out by comparing it.
    pub fn is_found_to_differ(&self, partition: i32) -> bool {
        self.harm_of(partition).is_some_and(|harm| harm.is_found)
    }

    /// The values of the entries that the clocks name, each once: as the worker asks.
    pub fn due_entries(&self, question: &DueQuestion) -> Read<DueEntries> {
        let (partition, of) = (question.life.partition, &question.of);
        let skip = question.skip;
        let asked: Vec<Due<'_>> = question
            .cutoffs
            .iter()
            .map(|(clock, upto)| Due {
                clock,
                upto: *upto,
                skip,
            })
            .collect();
        let found = match at_once(self.index.due(partition, of, &asked, question.limit)).expect("memory answers") {
            Read::Found { value, .. } => value,
            Read::Foreign(marker) => return Read::Foreign(marker),
        };
        let whole = found.iter().all(|members| members.len() < question.limit);
        let mut members: Vec<Vec<u8>> = found.into_iter().flatten().map(|member| member.member).collect();
        members.sort();
        members.dedup();
        match self.read(partition, of, &members) {
            Read::Found { marker, value } => {
                let values = value.into_iter().flatten().collect();
                Read::Found {
                    marker,
                    value: DueEntries { values, whole },
                }
            }
            Read::Foreign(marker) => Read::Foreign(marker),
        }
    }

    /// The start of one member of a clock.
    pub fn start_of(&self, partition: i32, of: &Generation, clock: &[u8], member: &[u8]) -> Option<i64> {
        let question = Due {
            clock,
            upto: i64::MAX,
            skip: 0,
        };
        match at_once(self.index.due(partition, of, &[question], usize::MAX)).expect("memory answers") {
            Read::Found { value, .. } => value
                .into_iter()
                .flatten()
                .find(|held| held.member == member)
                .map(|held| held.start),
            Read::Foreign(_) => None,
        }
    }

    /// All is gone.
    pub fn flush(&mut self) {
        self.index = Index::memory();
        self.done.clear();
        self.harmed.clear();
    }

    /// The last `calls` never happened.
    pub fn roll_back(&mut self, calls: usize) {
        let keep = self.done.len().saturating_sub(calls);
        let done = std::mem::take(&mut self.done);
        self.index = Index::memory();
        // It comes back from where nothing was lost.
        self.harmed.clear();
        for call in done.into_iter().take(keep) {
            match call {
                Done::Begin(partition, begin) => {
                    self.begin(partition, &begin);
                }
                Done::Apply(partition, of, batch) => {
                    self.apply(partition, &of, &batch);
                }
            }
        }
    }

    /// Nothing of that partition is left.
    pub fn forget(&mut self, partition: i32) {
        let is_of = |call: &Done| match call {
            Done::Begin(of, _) | Done::Apply(of, ..) => *of == partition,
        };
        self.done.retain(|call| !is_of(call));
        self.roll_back(0);
    }

    /// How many calls there were from the one on that applied this offset.
    pub fn calls_since(&self, partition: i32, offset: i64) -> Option<usize> {
        let holds = |call: &Done| match call {
            Done::Apply(of, _, batch) => *of == partition && (batch.from..batch.to).contains(&offset),
            Done::Begin(..) => false,
        };
        let place = self.done.iter().rposition(holds)?;
        Some(self.done.len() - place)
    }

    pub fn calls(&self) -> usize {
        self.done.len()
    }
}
