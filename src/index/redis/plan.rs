//! Puts a piece of the changelog, or a question, into steps for the scripts: as few commands as say it, grouped by their key.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use super::super::batch::Chunk;
use super::super::{Due, Op};
use super::keys::{BUCKETS, Keys, bucket};
use super::script::Step;

/// What the operations of a piece do to the fields of a bucket, or to the members of a clock. None: removed.
type Changes<'a, T> = Vec<(&'a [u8], Option<T>)>;

/// The steps that a piece takes. Commands on one key stand together, whatever the order of the operations was.
pub fn apply<'a>(keys: &Keys, generation: Uuid, chunk: &Chunk<'a>) -> Vec<Step<'a>> {
    let mut values: Vec<Changes<'a, &'a [u8]>> = vec![Vec::new(); BUCKETS];
    let mut clocks = BTreeMap::<&[u8], Changes<'a, i64>>::new();
    for op in chunk.ops() {
        match op {
            Op::Put { key, value } => values[usize::from(bucket(key))].push((key, Some(value))),
            Op::Delete { key } => values[usize::from(bucket(key))].push((key, None)),
            Op::Clock { clock, member, start } => clocks.entry(clock).or_default().push((member, *start)),
        }
    }
    let mut steps = Vec::new();
    for (number, changes) in values.into_iter().enumerate() {
        let key = || keys.values(generation, number as u8);
        steps.extend(of_bucket(key, last_of_each(changes)));
    }
    let clocks: Vec<_> = clocks
        .into_iter()
        .map(|(name, changes)| (name, last_of_each(changes)))
        .collect();
    let is_filled = |changes: &Changes<'_, i64>| changes.iter().any(|(_, start)| start.is_some());
    let filled = clocks.iter().filter(|(_, changes)| is_filled(changes));
    let names = filled.map(|(name, _)| Cow::Borrowed(*name)).collect();
    steps.extend(step("SADD", || keys.clocks(generation), names));
    for (name, changes) in clocks {
        steps.extend(of_clock(keys, generation, name, changes));
    }
    steps
}

/// Of several operations on one thing the last counts. Redis itself sees to that within one command, so it is only where some
/// set and some remove, by two commands, that the earlier ones must go.
fn last_of_each<T>(mut changes: Changes<'_, T>) -> Changes<'_, T> {
    let sets = changes.iter().filter(|(_, change)| change.is_some()).count();
    if sets == 0 || sets == changes.len() {
        return changes;
    }
    let mut seen = HashSet::new();
    changes.reverse();
    changes.retain(|(name, _)| seen.insert(*name));
    changes.reverse();
    changes
}

fn of_bucket<'a>(key: impl Fn() -> Vec<u8>, changes: Changes<'a, &'a [u8]>) -> impl Iterator<Item = Step<'a>> {
    let (mut puts, mut deletes) = (Vec::with_capacity(2 * changes.len()), Vec::new());
    for (name, value) in changes {
        match value {
            Some(value) => puts.extend([Cow::Borrowed(name), Cow::Borrowed(value)]),
            None => deletes.push(Cow::Borrowed(name)),
        }
    }
    let steps = [step("HSET", &key, puts), step("HDEL", &key, deletes)];
    steps.into_iter().flatten()
}

fn of_clock<'a>(keys: &Keys, generation: Uuid, name: &'a [u8], changes: Changes<'a, i64>) -> Vec<Step<'a>> {
    let (mut sets, mut removals) = (Vec::with_capacity(2 * changes.len()), Vec::new());
    for (member, start) in changes {
        match start {
            Some(start) => sets.extend([Cow::Owned(start.to_string().into_bytes()), Cow::Borrowed(member)]),
            None => removals.push(Cow::Borrowed(member)),
        }
    }
    let unlist = Vec::from_iter(sets.is_empty().then_some(Cow::Borrowed(name)));
    let key = || keys.clock(generation, name);
    let steps = [
        step("ZADD", key, sets),
        step("ZREM", key, removals),
        step("PRUNE", key, unlist),
    ];
    steps.into_iter().flatten().collect()
}

/// A step that has something to do.
fn step<'a>(command: &'static str, key: impl Fn() -> Vec<u8>, args: Vec<Cow<'a, [u8]>>) -> Option<Step<'a>> {
    (!args.is_empty()).then(|| Step {
        command,
        key: key(),
        args,
    })
}

/// The steps that fetch values, and for each value fetched, in that order, its place in `wanted`.
pub fn read<'a, K: AsRef<[u8]>>(keys: &Keys, generation: Uuid, wanted: &'a [K]) -> (Vec<Step<'a>>, Vec<usize>) {
    let mut places: Vec<(u8, usize)> = wanted.iter().map(|key| bucket(key.as_ref())).zip(0..).collect();
    places.sort_unstable();
    let groups = places.chunk_by(|(one, _), (other, _)| one == other);
    let steps = groups.filter_map(|group| {
        let (bucket, _) = group.first()?;
        let fields = group.iter().map(|(_, place)| Cow::Borrowed(wanted[*place].as_ref()));
        step("HMGET", || keys.values(generation, *bucket), fields.collect())
    });
    (steps.collect(), places.iter().map(|(_, place)| *place).collect())
}

/// The step that asks one clock.
pub fn due<'a>(keys: &Keys, generation: Uuid, question: &Due<'_>, limit: usize) -> Step<'a> {
    // Larger numbers than the server takes mean no more than all.
    let count = |number: usize| number.min(i32::MAX as usize).to_string();
    let words = [
        "-inf".to_owned(),
        question.upto.to_string(),
        "WITHSCORES".to_owned(),
        "LIMIT".to_owned(),
        count(question.skip),
        count(limit),
    ];
    Step {
        command: "ZRANGEBYSCORE",
        key: keys.clock(generation, question.clock),
        args: words.map(|word| Cow::Owned(word.into_bytes())).into(),
    }
}

/// The step that asks for the names of the clocks.
pub fn clocks<'a>(keys: &Keys, generation: Uuid) -> Step<'a> {
    Step {
        command: "SMEMBERS",
        key: keys.clocks(generation),
        args: Vec::new(),
    }
}
