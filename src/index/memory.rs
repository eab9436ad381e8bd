//! The working twin of the index in this process's memory: the same answers to every call, and nothing kept at exit.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Applied, Batch, Begin, Begun, Due, Error, Fault, Generation, Held, Marker, Member, Op, Read, Swept};

/// All partitions, each as it would be stored.
#[derive(Debug, Default)]
pub struct Memory {
    partitions: Mutex<HashMap<i32, Partition>>,
}

/// One partition: the marker, and what belongs to the build that it names.
#[derive(Debug)]
struct Partition {
    marker: Marker,
    values: HashMap<Vec<u8>, Vec<u8>>,
    clocks: HashMap<Vec<u8>, Clock>,
}

#[derive(Debug, Default)]
struct Clock {
    starts: HashMap<Vec<u8>, i64>,
    order: BTreeSet<(i64, Vec<u8>)>,
}

impl Clock {
    fn set(&mut self, member: &[u8], start: Option<i64>) {
        let before = match start {
            Some(start) => self.starts.insert(member.to_vec(), start),
            None => self.starts.remove(member),
        };
        if let Some(before) = before {
            self.order.remove(&(before, member.to_vec()));
        }
        if let Some(start) = start {
            self.order.insert((start, member.to_vec()));
        }
    }

    fn due(&self, question: &Due<'_>, limit: usize) -> Vec<Member> {
        let members = self.order.iter().take_while(|(start, _)| *start <= question.upto);
        let wanted = members.skip(question.skip).take(limit);
        wanted
            .map(|(start, member)| Member {
                member: member.clone(),
                start: *start,
            })
            .collect()
    }
}

impl Partition {
    fn run(&mut self, op: &Op) {
        match op {
            Op::Put { key, value } => {
                self.values.insert(key.clone(), value.clone());
            }
            Op::Delete { key } => {
                self.values.remove(key);
            }
            Op::Clock { clock, member, start } => {
                let held = self.clocks.entry(clock.clone()).or_default();
                held.set(member, *start);
                if held.starts.is_empty() {
                    self.clocks.remove(clock);
                }
            }
        }
    }
}

impl Partition {
    fn walk(&self, each: &mut dyn FnMut(Held)) {
        for (key, value) in &self.values {
            let (key, value) = (key.clone(), value.clone());
            each(Held::Value { key, value });
        }
        for (clock, held) in &self.clocks {
            for (member, start) in &held.starts {
                let (clock, member, start) = (clock.clone(), member.clone(), *start);
                each(Held::Clock { clock, member, start });
            }
        }
    }
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Partition>> {
        // Nothing in here panics half way through a change.
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers from the partition if it is the build that the caller means.
    fn answer<T>(&self, partition: i32, of: &Generation, find: impl FnOnce(&Partition) -> T) -> Read<T> {
        match self.lock().get(&partition) {
            Some(held) if held.marker.of == *of => Read::Found {
                marker: held.marker,
                value: find(held),
            },
            other => Read::Foreign(other.map(|held| held.marker)),
        }
    }

    pub(super) async fn marker(&self, partition: i32) -> Result<Option<Marker>, Error> {
        Ok(self.lock().get(&partition).map(|held| held.marker))
    }

    pub(super) async fn begin(&self, partition: i32, begin: &Begin) -> Result<Begun, Error> {
        let mut partitions = self.lock();
        let now = partitions.get(&partition).map(|held| held.marker);
        if let Some(marker) = now.filter(|marker| marker.of == begin.of) {
            return Ok(Begun::Begun(marker));
        }
        if now.map(|marker| marker.of.generation) != begin.expected {
            return Ok(Begun::Other(now));
        }
        let marker = Marker {
            of: begin.of,
            offset: begin.offset,
            begun_at: begin.at,
            applied_until: None,
        };
        partitions.insert(
            partition,
            Partition {
                marker,
                values: HashMap::new(),
                clocks: HashMap::new(),
            },
        );
        Ok(Begun::Begun(marker))
    }

    pub(super) async fn discard(&self, partition: i32) -> Result<(), Error> {
        self.lock().remove(&partition);
        Ok(())
    }

    pub(super) async fn apply(&self, partition: i32, of: &Generation, batch: &Batch) -> Result<Applied, Error> {
        let mut partitions = self.lock();
        let held = match partitions.get_mut(&partition) {
            Some(held) if held.marker.of == *of => held,
            other => return Ok(Applied::Foreign(other.map(|held| held.marker))),
        };
        let before = held.marker.offset;
        if before < batch.from {
            return Ok(Applied::Gap(held.marker));
        }
        if before < batch.to {
            batch
                .changes
                .iter()
                .flat_map(|change| &change.ops)
                .for_each(|op| held.run(op));
            held.marker.offset = batch.to;
        }
        if before <= batch.to {
            held.marker.applied_until = held.marker.applied_until.max(batch.applied_until);
        }
        Ok(if before < batch.to {
            Applied::Applied
        } else {
            Applied::Already
        })
    }

    pub(super) async fn read<K: AsRef<[u8]>>(
        &self,
        partition: i32,
        of: &Generation,
        keys: &[K],
    ) -> Result<Read<Vec<Option<Vec<u8>>>>, Error> {
        let find = |held: &Partition| keys.iter().map(|key| held.values.get(key.as_ref()).cloned()).collect();
        Ok(self.answer(partition, of, find))
    }

    pub(super) async fn due(
        &self,
        partition: i32,
        of: &Generation,
        questions: &[Due<'_>],
        limit: usize,
    ) -> Result<Read<Vec<Vec<Member>>>, Error> {
        let one = |held: &Partition, question: &Due<'_>| {
            held.clocks
                .get(question.clock)
                .map(|clock| clock.due(question, limit))
                .unwrap_or_default()
        };
        Ok(self.answer(partition, of, |held| {
            questions.iter().map(|question| one(held, question)).collect()
        }))
    }

    pub(super) async fn clocks(&self, partition: i32, of: &Generation) -> Result<Read<Vec<Vec<u8>>>, Error> {
        Ok(self.answer(partition, of, |held| held.clocks.keys().cloned().collect()))
    }

    pub(super) async fn walk(
        &self,
        partition: i32,
        of: &Generation,
        each: &mut (dyn FnMut(Held) + Send),
    ) -> Result<Read<()>, Error> {
        Ok(self.answer(partition, of, |held| held.walk(each)))
    }

    /// A build that begins drops the one before it here and now, so there is never anything to sweep.
    pub(super) async fn sweep_foreign(&self, _partition: i32, _limit: usize) -> Result<Swept, Error> {
        Ok(Swept {
            removed: 0,
            more: false,
        })
    }

    pub(super) async fn evicted(&self, _: impl IntoIterator<Item = i32>) -> Result<Vec<i32>, Error> {
        Ok(Vec::new())
    }

    pub(super) async fn check(&self) -> Result<(), Fault> {
        Ok(())
    }
}
