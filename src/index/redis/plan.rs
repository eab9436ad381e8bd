//! Puts a piece of the changelog, or a question, into steps for the scripts: as few commands as say it, grouped by their key.

use std::borrow::Cow;
use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::batch::Chunk;
use super::super::{Due, Op};
use super::keys::{Keys, bucket};
use super::script::Step;

/// What is left of a piece when of several operations on one thing only the last counts.
#[derive(Default)]
struct Last<'a> {
    values: BTreeMap<(u8, &'a [u8]), Option<&'a [u8]>>,
    clocks: BTreeMap<&'a [u8], BTreeMap<&'a [u8], Option<i64>>>,
}

/// A value's bucket and key, and what it becomes.
type Value<'a> = ((u8, &'a [u8]), Option<&'a [u8]>);

/// The steps that a piece takes. Commands on one key stand together, whatever the order of the operations was.
pub fn apply<'a>(keys: &Keys, generation: Uuid, chunk: &Chunk<'a>) -> Vec<Step<'a>> {
    let mut last = Last::default();
    for op in chunk.ops() {
        match op {
            Op::Put { key, value } => last.values.insert((bucket(key), key), Some(value)).map(drop),
            Op::Delete { key } => last.values.insert((bucket(key), key), None).map(drop),
            Op::Clock { clock, member, start } => {
                last.clocks.entry(clock).or_default().insert(member, *start).map(drop)
            }
        };
    }
    let mut steps = Vec::new();
    let values: Vec<_> = last.values.into_iter().collect();
    for group in values.chunk_by(|((one, _), _), ((other, _), _)| one == other) {
        steps.extend(of_bucket(keys, generation, group));
    }
    let filled = last
        .clocks
        .iter()
        .filter(|(_, members)| members.values().any(Option::is_some));
    let names = filled.map(|(name, _)| Cow::Borrowed(*name)).collect();
    steps.extend(step("SADD", keys.clocks(generation), names));
    for (name, members) in &last.clocks {
        steps.extend(of_clock(keys, generation, name, members));
    }
    steps
}

fn of_bucket<'a>(keys: &Keys, generation: Uuid, group: &[Value<'a>]) -> Vec<Step<'a>> {
    let Some(((bucket, _), _)) = group.first() else {
        return Vec::new();
    };
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for ((_, key), value) in group {
        match value {
            Some(value) => puts.extend([Cow::Borrowed(*key), Cow::Borrowed(*value)]),
            None => deletes.push(Cow::Borrowed(*key)),
        }
    }
    let key = keys.values(generation, *bucket);
    let steps = [step("HSET", key.clone(), puts), step("HDEL", key, deletes)];
    steps.into_iter().flatten().collect()
}

fn of_clock<'a>(
    keys: &Keys,
    generation: Uuid,
    name: &'a [u8],
    members: &BTreeMap<&'a [u8], Option<i64>>,
) -> Vec<Step<'a>> {
    let (mut sets, mut removals) = (Vec::new(), Vec::new());
    for (member, start) in members {
        match start {
            Some(start) => sets.extend([Cow::Owned(start.to_string().into_bytes()), Cow::Borrowed(*member)]),
            None => removals.push(Cow::Borrowed(*member)),
        }
    }
    let unlist = Vec::from_iter(sets.is_empty().then_some(Cow::Borrowed(name)));
    let key = keys.clock(generation, name);
    let steps = [
        step("ZADD", key.clone(), sets),
        step("ZREM", key.clone(), removals),
        step("PRUNE", key, unlist),
    ];
    steps.into_iter().flatten().collect()
}

/// A step that has something to do.
fn step<'a>(command: &'static str, key: Vec<u8>, args: Vec<Cow<'a, [u8]>>) -> Option<Step<'a>> {
    (!args.is_empty()).then_some(Step { command, key, args })
}

/// The steps that fetch values, and for each value fetched, in that order, its place in `wanted`.
pub fn read<'a, K: AsRef<[u8]>>(keys: &Keys, generation: Uuid, wanted: &'a [K]) -> (Vec<Step<'a>>, Vec<usize>) {
    let mut places: Vec<(u8, usize)> = wanted.iter().map(|key| bucket(key.as_ref())).zip(0..).collect();
    places.sort_unstable();
    let groups = places.chunk_by(|(one, _), (other, _)| one == other);
    let steps = groups.filter_map(|group| {
        let (bucket, _) = group.first()?;
        let fields = group.iter().map(|(_, place)| Cow::Borrowed(wanted[*place].as_ref()));
        step("HMGET", keys.values(generation, *bucket), fields.collect())
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
