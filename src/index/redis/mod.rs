//! The index in Redis (7 or later) or Valkey: four scripts, each guarded by the marker, each on one partition's slot.
//!
//! A user of the server needs the commands EVALSHA, SCRIPT LOAD, INFO, HGET, HMGET, HSET, HDEL, DEL, UNLINK, EXISTS, SADD, SREM,
//! SMEMBERS, SRANDMEMBER, ZADD, ZREM, ZRANGEBYSCORE, HSCAN and ZSCAN on keys that begin with `{<prefix>:`; one that only looks needs the same
//! first two, for a read is a script that only a master runs.

mod evicted;
mod faults;
mod keys;
mod link;
mod plan;
mod reply;
mod script;
mod target;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, RedisError, ServerErrorKind, Value};
use secrecy::SecretString;
use uuid::Uuid;

use super::batch::Chunk;
use super::{Applied, Batch, Begin, Begun, Due, Error, ErrorKind, Fault, Generation, Marker, Member, Read, Swept};
use evicted::Evicted;
use keys::{BUCKETS, Keys};
use link::{Link, Patience};
use script::{APPLY, ASK, BEGIN, Code, SWEEP, Step};
use target::Target;

/// A script call takes about so many operations: beyond 200 nothing is gained, and others wait for the script's end.
const CHUNK_OPS: usize = 150;
/// Unless there is more than so much to apply, as in a restore or with a backlog: then larger calls cost the server a third
/// less for each operation, and what others wait for is still but some milliseconds.
const BULK: usize = 500;
const BULK_OPS: usize = 1_500;
const BULK_CALLS: usize = 3;
/// And about so many bytes, however large the values are.
const CHUNK_BYTES: usize = 1 << 20;
/// A script call reads so many keys.
const CHUNK_KEYS: usize = 500;
/// A script call asks so many clocks.
const CHUNK_CLOCKS: usize = 100;
/// So many script calls travel together.
const ROUND_TRIP_CALLS: usize = 16;

/// Where the index is and how to get in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// One server, a cluster or sentinels: see the configuration's `index.url`. May hold a user and a password.
    pub url: SecretString,
    /// Wins over the user in the address.
    pub user: Option<String>,
    /// Wins over the password in the address.
    pub password: Option<SecretString>,
    /// What all keys begin with: two routers on one Redis need two prefixes.
    pub prefix: String,
    /// How long an attempt to connect may take.
    pub connect_timeout: Duration,
    /// How long a reply may take. The largest is some megabytes; a longer silence means that nobody is there.
    pub reply_timeout: Duration,
}

impl Settings {
    pub fn new(url: &str) -> Self {
        Settings {
            url: url.into(),
            user: None,
            password: None,
            prefix: "chatroom-router".to_owned(),
            connect_timeout: Duration::from_secs(2),
            reply_timeout: Duration::from_secs(5),
        }
    }
}

/// The index in Redis, over one connection.
#[derive(Debug)]
pub struct Redis {
    prefix: Arc<str>,
    target: Arc<Target>,
    link: Link,
}

impl Redis {
    /// Reads the address; the first call connects.
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        if settings.prefix.is_empty() || settings.prefix.contains(['{', '}']) {
            let what = "the prefix of the index's keys must not be empty or hold braces";
            return Err(Error::new(ErrorKind::Misuse, what));
        }
        let target = Arc::new(Target::parse(settings)?);
        let patience = Patience {
            connect: settings.connect_timeout,
            reply: settings.reply_timeout,
        };
        Ok(Redis {
            prefix: settings.prefix.as_str().into(),
            target: Arc::clone(&target),
            link: Link::new(target, patience),
        })
    }

    /// The same over another connection.
    pub(super) fn another(&self) -> Self {
        Redis {
            prefix: Arc::clone(&self.prefix),
            target: Arc::clone(&self.target),
            link: self.link.another(),
        }
    }

    fn keys(&self, partition: i32) -> Keys {
        Keys::new(&self.prefix, partition)
    }

    pub(super) async fn marker(&self, partition: i32) -> Result<Option<Marker>, Error> {
        // Asked as if for a build that can't be, the script answers with the marker alone.
        let asked = script::call(&ASK, &[self.keys(partition).marker()], &["", "", ""]);
        let mut answers = reply::array(self.run_one(&ASK, asked).await?)?;
        reply::marker(answers.swap_remove(0))
    }

    pub(super) async fn begin(&self, partition: i32, begin: &Begin) -> Result<Begun, Error> {
        let keys = self.keys(partition);
        let [incarnation, generation, format] = script::build(&begin.of);
        let expected = begin.expected.map(|expected| expected.to_string());
        let args = [
            expected.unwrap_or_default(),
            incarnation,
            generation,
            format,
            begin.offset.to_string(),
            begin.at.to_string(),
            self.evicted_by_now().await?.text(),
        ];
        let call = script::call(&BEGIN, &[keys.marker(), keys.generations()], &args);
        let (word, marker) = outcome(self.run_one(&BEGIN, call).await?)?;
        match (word.as_slice(), marker) {
            (b"BEGUN", Some(marker)) => Ok(Begun::Begun(marker)),
            (b"OTHER", marker) => Ok(Begun::Other(marker)),
            _ => Err(reply::corrupt("an unknown outcome of a begin")),
        }
    }

    pub(super) async fn discard(&self, partition: i32) -> Result<(), Error> {
        let mut gone = redis::cmd("DEL");
        gone.arg(self.keys(partition).marker());
        self.link.send(&gone).await.map(drop)
    }

    pub(super) async fn apply(&self, partition: i32, of: &Generation, batch: &Batch) -> Result<Applied, Error> {
        let keys = self.keys(partition);
        let (ops, calls) = if batch.weighs_more_than(BULK) {
            (BULK_OPS, BULK_CALLS)
        } else {
            (CHUNK_OPS, ROUND_TRIP_CALLS)
        };
        let chunks = batch.chunks(ops, CHUNK_BYTES);
        let mut trips = chunks.chunks(calls);
        let mut next_trip = || -> Vec<Cmd> {
            let chunks = trips.next().unwrap_or_default();
            chunks.iter().map(|chunk| apply_call(&keys, of, chunk)).collect()
        };
        let (mut any, mut trip) = (false, next_trip());
        while !trip.is_empty() {
            // The next calls are put together while the server is at these. One that fails leaves a gap before those behind
            // it, so they do nothing.
            let (answers, following) = tokio::join!(self.run(&APPLY, trip), async { next_trip() });
            trip = following;
            for answer in answers? {
                match outcome(answer)? {
                    (word, None) if word == b"APPLIED" => any = true,
                    (word, None) if word == b"ALREADY" => {}
                    (word, Some(marker)) if word == b"GAP" => return Ok(Applied::Gap(marker)),
                    (word, marker) if word == b"FOREIGN" => return Ok(Applied::Foreign(marker)),
                    _ => return Err(reply::corrupt("an unknown outcome of an apply")),
                }
            }
        }
        Ok(if any { Applied::Applied } else { Applied::Already })
    }

    pub(super) async fn read<K: AsRef<[u8]>>(
        &self,
        partition: i32,
        of: &Generation,
        wanted: &[K],
    ) -> Result<Read<Vec<Option<Vec<u8>>>>, Error> {
        let keys = self.keys(partition);
        let (mut steps, mut places) = (Vec::new(), Vec::new());
        for (chunk, base) in wanted.chunks(CHUNK_KEYS).zip((0..).step_by(CHUNK_KEYS)) {
            let (chunk_steps, chunk_places) = plan::read(&keys, of.generation, chunk);
            steps.push(chunk_steps);
            places.extend(chunk_places.into_iter().map(|place| base + place));
        }
        let (marker, answers) = match self.ask(&keys, of, &steps).await? {
            Read::Found { marker, value } => (marker, value),
            Read::Foreign(marker) => return Ok(Read::Foreign(marker)),
        };
        let mut value = vec![None; wanted.len()];
        let mut places = places.into_iter();
        for answer in answers {
            for found in reply::array(answer)? {
                let place = places.next().and_then(|place| value.get_mut(place));
                *place.ok_or_else(|| reply::corrupt("more values than were asked for"))? = reply::bytes(found)?;
            }
        }
        if places.next().is_some() {
            return Err(reply::corrupt("fewer values than were asked for"));
        }
        Ok(Read::Found { marker, value })
    }

    pub(super) async fn due(
        &self,
        partition: i32,
        of: &Generation,
        questions: &[Due<'_>],
        limit: usize,
    ) -> Result<Read<Vec<Vec<Member>>>, Error> {
        let keys = self.keys(partition);
        let step = |question| plan::due(&keys, of.generation, question, limit);
        let steps: Vec<Vec<Step>> = questions
            .chunks(CHUNK_CLOCKS)
            .map(|chunk| chunk.iter().map(step).collect())
            .collect();
        let read = self.ask(&keys, of, &steps).await?;
        read.try_map(|answers| answers.into_iter().map(reply::members).collect())
    }

    pub(super) async fn clocks(&self, partition: i32, of: &Generation) -> Result<Read<Vec<Vec<u8>>>, Error> {
        let keys = self.keys(partition);
        let read = self.ask(&keys, of, &[vec![plan::clocks(&keys, of.generation)]]).await?;
        read.try_map(|answers| {
            let names = answers.into_iter().map(reply::array).collect::<Result<Vec<_>, _>>()?;
            names.into_iter().flatten().map(reply::some_bytes).collect()
        })
    }

    pub(super) async fn sweep_foreign(&self, partition: i32, limit: usize) -> Result<Swept, Error> {
        let keys = self.keys(partition);
        let named = self
            .marker(partition)
            .await?
            .map(|marker| marker.of.generation.to_string().into_bytes());
        let begun = self.members(redis::cmd("SMEMBERS").arg(keys.generations())).await?;
        let mut foreign = begun
            .into_iter()
            .filter(|generation| named.as_ref() != Some(generation));
        let (Some(_), Some(generation)) = (&named, foreign.next()) else {
            return Ok(Swept {
                removed: 0,
                more: false,
            });
        };
        let text = String::from_utf8_lossy(&generation);
        let id: Uuid = text.parse().map_err(|_| reply::corrupt("a generation that is none"))?;

        let clocks = keys.clocks(id);
        let names = self
            .members(redis::cmd("SRANDMEMBER").arg(&clocks).arg(limit.max(1)))
            .await?;
        let call = if names.is_empty() {
            let buckets = (0..BUCKETS).map(|bucket| keys.values(id, bucket as u8));
            let gone: Vec<_> = [keys.marker(), keys.generations()].into_iter().chain(buckets).collect();
            script::call(&SWEEP, &gone, &[&generation, &generation])
        } else {
            let held = names.iter().map(|name| keys.clock(id, name));
            let gone: Vec<_> = [keys.marker(), clocks].into_iter().chain(held).collect();
            let args: Vec<_> = std::iter::once(&generation).chain(&names).collect();
            script::call(&SWEEP, &gone, &args)
        };
        let more = !names.is_empty() || foreign.next().is_some();
        let removed = reply::int(self.run_one(&SWEEP, call).await?)?;
        let removed = usize::try_from(removed).unwrap_or(0);
        Ok(Swept { removed, more })
    }

    pub(super) async fn check(&self) -> Result<(), Fault> {
        let info = self.link.send(&redis::cmd("INFO")).await?;
        faults::judge_all(&self.target.to_string(), info)
    }

    /// The partitions since whose build was begun a server has thrown something away.
    pub(super) async fn evicted(&self, partitions: impl IntoIterator<Item = i32>) -> Result<Vec<i32>, Error> {
        let now = self.evicted_by_now().await?;
        let mut found = Vec::new();
        for partition in partitions {
            let mut kept = redis::cmd("HGET");
            kept.arg(self.keys(partition).marker()).arg("evicted");
            let kept = reply::bytes(self.link.send(&kept).await?)?.unwrap_or_default();
            if now.is_more_than(&Evicted::kept(&String::from_utf8_lossy(&kept))) {
                found.push(partition);
            }
        }
        Ok(found)
    }

    async fn evicted_by_now(&self) -> Result<Evicted, Error> {
        Ok(Evicted::told(&self.link.send(&redis::cmd("INFO")).await?))
    }

    async fn members(&self, cmd: &Cmd) -> Result<Vec<Vec<u8>>, Error> {
        let members = reply::array(self.link.send(cmd).await?)?;
        members.into_iter().map(reply::some_bytes).collect()
    }
}

/// Running scripts.
impl Redis {
    /// Puts the questions of each call to one build. The marker is that of the lowest offset, and the answers stand in the
    /// order of the questions.
    async fn ask(&self, keys: &Keys, of: &Generation, calls: &[Vec<Step<'_>>]) -> Result<Read<Vec<Value>>, Error> {
        let none = [Vec::new()];
        let calls = if calls.is_empty() { &none } else { calls };
        let (marker_key, build) = (keys.marker(), script::build(of));
        let call = |steps: &Vec<Step>| script::call_with_steps(&ASK, &[&marker_key], &build, steps);
        let (mut lowest, mut value): (Option<Marker>, _) = (None, Vec::new());
        for group in calls.chunks(ROUND_TRIP_CALLS) {
            let answers = self.run(&ASK, group.iter().map(call).collect()).await?;
            for (answer, steps) in answers.into_iter().zip(group) {
                let mut parts = reply::array(answer)?.into_iter();
                let marker = reply::marker(parts.next().unwrap_or_default())?;
                let Some(marker) = marker.filter(|marker| marker.of == *of) else {
                    return Ok(Read::Foreign(marker));
                };
                if parts.len() != steps.len() {
                    return Err(reply::corrupt("not as many answers as questions"));
                }
                value.extend(parts);
                lowest = Some(reply::lower(lowest, marker));
            }
        }
        let marker = lowest.ok_or_else(|| reply::corrupt("no answer to any question"))?;
        Ok(Read::Found { marker, value })
    }

    async fn run_one(&self, code: &Code, call: Cmd) -> Result<Value, Error> {
        let answer = self.run(code, vec![call]).await?.pop();
        answer.ok_or_else(|| reply::corrupt("no answer"))
    }

    /// Runs calls of one script in one round trip, in their order. A server that doesn't know the script (it is new, or was
    /// emptied) is taught it, and all calls are sent again: each is made so that running it twice does no harm.
    async fn run(&self, code: &Code, calls: Vec<Cmd>) -> Result<Vec<Value>, Error> {
        let mut pipeline = Pipeline::with_capacity(calls.len());
        for call in calls {
            pipeline.add_command(call);
        }
        let mut taught = false;
        loop {
            let answers = self.link.send_all(&pipeline).await?;
            let Some(error) = answers.iter().find_map(server_error) else {
                return Ok(answers);
            };
            if taught || error.kind() != redis::ErrorKind::Server(ServerErrorKind::NoScript) {
                return Err(faults::error(error));
            }
            self.link.send(&code.teach()).await?;
            taught = true;
        }
    }
}

fn server_error(answer: &Value) -> Option<RedisError> {
    match answer {
        Value::ServerError(error) => Some(error.clone().into()),
        _ => None,
    }
}

fn apply_call(keys: &Keys, of: &Generation, chunk: &Chunk<'_>) -> Cmd {
    let mut args = Vec::from(script::build(of));
    let until = chunk.applied_until.map(|until| until.to_string());
    args.extend([chunk.from.to_string(), chunk.to.to_string(), until.unwrap_or_default()]);
    let steps = plan::apply(keys, of.generation, chunk);
    script::call_with_steps(&APPLY, &[&keys.marker(), &keys.clocks(of.generation)], &args, &steps)
}

/// The word that a script ends with, and the marker if it came along.
fn outcome(answer: Value) -> Result<(Vec<u8>, Option<Marker>), Error> {
    let mut parts = reply::array(answer)?.into_iter();
    let word = reply::some_bytes(parts.next().unwrap_or_default())?;
    let marker = parts.next().map(reply::marker).transpose()?.flatten();
    Ok((word, marker))
}
