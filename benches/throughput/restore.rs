//! How fast an index is restored from its changelog, beside a program that only reads the same topic and one that writes the
//! same into Redis by plain commands, in the same run. One partition, and the router's own code path: reading and decoding
//! ahead, applying behind.

use crate::brokers::{Brokers, client};
use crate::{Outcome, variable};
use chatroom_router::changelog::{Piece, Replay};
use chatroom_router::domain::chatroom::{Chatroom, ChatroomStatus, Owner};
use chatroom_router::domain::contact::{Contact, ContactStatus, Profile};
use chatroom_router::domain::directory::{ChatroomRecord, Directory, Held};
use chatroom_router::domain::entry::Entry;
use chatroom_router::domain::ids::{ChatroomId, ChatroomName, CrmId, OrgId, Slot};
use chatroom_router::domain::phone::{Phone, SpelledPhone};
use chatroom_router::domain::record::{Key, Record};
use chatroom_router::domain::time::Instant as Moment;
use chatroom_router::index::{Applied, Batch, Begin, Generation, Index, Op, Settings as Place};
use chatroom_router::kafka::{Settings, TopicPartition};
use chatroom_router::state::codec::encode;
use chatroom_router::state::keys::StateKey;
use chatroom_router::state::wire::Format;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

pub const WORD: &str = "restore";
pub const HELP: &str = "\
make bench ARGS='restore name=value ...'
  records=500000     of the changelog, on one partition
  of=entries         entries: phones with a contact and a chatroom; leads: of each also the contact's and the chatroom's record
  bytes=300          of an entry, about
  format=2           that the entries are written in: from 2 on an entry's clocks can be read without the rest";

const WAIT: Duration = Duration::from_secs(60);
const KEY: StateKey = StateKey::new([7; 16]);
const DAY: Moment = Moment(1_795_000_000_000);

struct Options {
    records: u64,
    /// Not entries alone.
    leads: bool,
    bytes: usize,
    format: u8,
}

/// What a way through the topic took.
struct Took {
    wall: Duration,
    ours: f64,
    redis: f64,
}

pub fn run(words: &[String]) -> Outcome<()> {
    let options = parse(words)?;
    let (addresses, redis_url) = (variable("KAFKA_BROKERS")?, variable("REDIS_URL")?);
    let brokers = Brokers::open(&addresses)?;
    let prefix = format!("bench-restore-{}-", std::process::id());
    let topic = format!("{prefix}changelog");
    let measured = measure(&options, &brokers, &redis_url, &prefix);
    // What can't be removed is left: the figures are worth more.
    if let Err(error) = brokers.remove(&prefix) {
        eprintln!("throughput: {topic} is left behind: {error}");
    }
    let [bare, restored, plain] = measured?;
    println!("{}", told("bare read", &options, &bare));
    println!("{}", told("restore", &options, &restored));
    println!("{}", told("plain SETs", &options, &plain));
    println!(
        "of a bare read: {:.2} of its rate, {:.1} times its CPU",
        bare.wall.as_secs_f64() / restored.wall.as_secs_f64(),
        (restored.ours + restored.redis) / bare.ours.max(0.01)
    );
    Ok(())
}

fn parse(words: &[String]) -> Outcome<Options> {
    let mut options = Options {
        records: 500_000,
        leads: false,
        bytes: 300,
        format: Format::NEWEST.number(),
    };
    for word in words {
        match word.split_once('=') {
            Some(("records", value)) => options.records = value.parse()?,
            Some(("of", "entries")) => options.leads = false,
            Some(("of", "leads")) => options.leads = true,
            Some(("bytes", value)) => options.bytes = value.parse()?,
            Some(("format", value)) => options.format = value.parse()?,
            _ => return Err(format!("{word}: no such option\n{HELP}").into()),
        }
    }
    Ok(options)
}

fn measure(options: &Options, brokers: &Brokers, redis_url: &str, prefix: &str) -> Outcome<[Took; 3]> {
    let topic = format!("{prefix}changelog");
    brokers.create_topics(std::slice::from_ref(&topic), 1)?;
    let first = record(options, 0)?;
    println!(
        "writing {} records, entries of {} bytes",
        options.records,
        first.1.len()
    );
    let records = (0..options.records).map_while(|number| record(options, number).ok());
    brokers.produce(&topic, records)?;
    let bare = bare(options, brokers, &topic)?;
    let run = Run {
        options,
        brokers,
        redis_url,
        prefix,
    };
    Ok([bare, run.restored()?, run.plain()?])
}

/// As a task would have written it.
fn record(options: &Options, number: u64) -> Outcome<(Vec<u8>, Vec<u8>)> {
    let (lead, kind) = if options.leads {
        (number / 3, number % 3)
    } else {
        (number, 0)
    };
    let phone = Phone(919_800_000_000 + lead);
    let org = OrgId::parse(&format!("org-{:02}", lead % 20)).map_err(|fault| fault.to_string())?;
    let crm_id = CrmId::parse(&format!("L-{lead}")).map_err(|fault| fault.to_string())?;
    let at = DAY.plus(i64::try_from(lead)?);
    let room = ChatroomId {
        slot: Slot((lead % 4096) as u16),
        uuid: Uuid::from_u128(u128::from(lead) << 64),
    };
    let (key, record) = match kind {
        0 => {
            let entry = entry(options, crm_id, room, at);
            (Key::Phone(org, phone), Record::Entry(entry))
        }
        1 => {
            let spelled = SpelledPhone {
                canonical: phone,
                spelled: phone,
            };
            let held = Held {
                phone: spelled,
                text: phone.to_string().into(),
                attached: true,
                in_flight: 0,
            };
            let directory = Directory {
                decided_at: at,
                held: Some(held),
                phones: vec![phone],
                ..Directory::default()
            };
            (Key::Contact(org, crm_id), Record::Directory(directory))
        }
        _ => {
            let name = ChatroomName::parse(&room.to_string()).map_err(|fault| fault.to_string())?;
            let room = ChatroomRecord {
                decided_at: at,
                phone: Some(phone),
                ..ChatroomRecord::default()
            };
            (Key::Chatroom(org, name), Record::Chatroom(room))
        }
    };
    let value = encode(Format::new(options.format)?, &key, Some(&record)).ok_or("a record without a value")?;
    Ok((KEY.record_key(&key).as_bytes().to_vec(), value))
}

fn entry(options: &Options, crm_id: CrmId, id: ChatroomId, at: Moment) -> Entry {
    let room = Chatroom {
        id,
        owner: Owner::Contact(crm_id.clone()),
        waba_phone: Phone(12_025_550_100),
        status: ChatroomStatus::Active,
        since: at,
        created_at: at,
        activated_at: at,
        last_message_at: Some(at),
        phone_changed: false,
        display_name: Arc::from("Asha Rao"),
        external_ref_id: None,
    };
    let contact = Contact {
        crm_id,
        profile: Profile {
            first_name: Some(Arc::from("Asha")),
            last_name: Some(Arc::from("Rao")),
            attributes: Some("x".repeat(options.bytes.saturating_sub(150)).into()),
        },
        status: ContactStatus::Active,
        created_at: at,
        registered_at: at,
        leaving: false,
    };
    Entry {
        decided_at: at,
        contacts: vec![contact].into(),
        chatrooms: vec![room],
        ..Entry::default()
    }
}

fn bare(options: &Options, brokers: &Brokers, topic: &str) -> Outcome<Took> {
    let mut config = client(&brokers.addresses);
    config
        .set("group.id", topic)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning)?;
    let (began, cpu) = (Instant::now(), cpu()?);
    consumer.assign(&from)?;
    let mut read = 0;
    while read < options.records {
        let message = consumer.poll(WAIT).ok_or("the topic ends early")?;
        message?;
        read += 1;
    }
    Ok(Took {
        wall: began.elapsed(),
        ours: self::cpu()? - cpu,
        redis: 0.0,
    })
}

/// What ways through the topic into Redis share.
struct Run<'a> {
    options: &'a Options,
    brokers: &'a Brokers,
    redis_url: &'a str,
    prefix: &'a str,
}

impl Run<'_> {
    /// Hands over the changelog piece by piece, read ahead, and measures it with what `take` does.
    fn through(&self, take: &mut dyn FnMut(i64, Piece) -> Outcome<()>) -> Outcome<Took> {
        let settings = Settings {
            brokers: self.brokers.addresses.clone(),
            group_id: self.prefix.to_owned(),
            ..Settings::default()
        };
        let mut replay = Replay::open(&settings)?;
        let at = TopicPartition::new(format!("{}changelog", self.prefix), 0);
        let (began, cpu, redis) = (Instant::now(), cpu()?, redis_cpu(self.redis_url)?);
        let (mut from, to) = (0, i64::try_from(self.options.records)?);
        while from < to {
            let piece = replay.next(&at, from, to, WAIT)?;
            let next = piece.next;
            take(from, piece)?;
            from = next;
        }
        Ok(Took {
            wall: began.elapsed(),
            ours: self::cpu()? - cpu,
            redis: redis_cpu(self.redis_url)? - redis,
        })
    }

    fn restored(&self) -> Outcome<Took> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let mut place = Place::new(self.redis_url);
        place.prefix = self.prefix.to_owned();
        let index = Index::redis(&place)?;
        let of = Generation {
            incarnation: Uuid::new_v4(),
            generation: Uuid::new_v4(),
            format: self.options.format.into(),
        };
        let begin = Begin {
            expected: None,
            of,
            offset: 0,
            at: DAY.0,
        };
        runtime.block_on(index.begin(0, &begin))?;
        let took = self.through(&mut |from, piece| {
            let batch = Batch {
                from,
                to: piece.next,
                changes: piece.changes,
                applied_until: None,
            };
            match runtime.block_on(index.apply(0, &of, &batch))? {
                Applied::Applied => Ok(()),
                other => Err(format!("the index was disturbed: {other:?}").into()),
            }
        })?;
        forget(&runtime, &index, of, &begin)?;
        Ok(took)
    }

    /// The same keys and values without scripts, without a marker, and so without a promise: what Redis itself takes.
    fn plain(&self) -> Outcome<Took> {
        let mut redis = redis::Client::open(self.redis_url)?.get_connection()?;
        let (mut made, mut number) = (BTreeSet::new(), 0_usize);
        let took = self.through(&mut |_, piece| {
            for some in piece.changes.chunks(1_000) {
                let mut commands = BTreeMap::<Vec<u8>, redis::Cmd>::new();
                for op in some.iter().flat_map(|change| &change.ops) {
                    number += 1;
                    match op {
                        Op::Put { key, value } => {
                            let name = format!("{}plain:{:02x}", self.prefix, number % 256).into_bytes();
                            let command = commands.entry(name.clone());
                            command.or_insert_with(|| named("HSET", &name)).arg(key).arg(value);
                        }
                        Op::Clock { clock, member, start } => {
                            let name = [self.prefix.as_bytes(), clock].concat();
                            let command = commands.entry(name.clone());
                            let command = command.or_insert_with(|| named("ZADD", &name));
                            command.arg(start.unwrap_or_default()).arg(member);
                        }
                        Op::Delete { .. } => {}
                    }
                }
                let mut pipeline = redis::Pipeline::new();
                for (name, command) in commands {
                    made.insert(name);
                    pipeline.add_command(command).ignore();
                }
                pipeline.exec(&mut redis)?;
            }
            Ok(())
        })?;
        let made: Vec<Vec<u8>> = made.into_iter().collect();
        redis::cmd("UNLINK").arg(made).exec(&mut redis)?;
        Ok(took)
    }
}

fn named(command: &str, key: &[u8]) -> redis::Cmd {
    let mut named = redis::cmd(command);
    named.arg(key);
    named
}

/// Gives back what the index holds: another build makes it an older one.
fn forget(runtime: &tokio::runtime::Runtime, index: &Index, of: Generation, begin: &Begin) -> Outcome<()> {
    let again = Begin {
        expected: Some(of.generation),
        of: Generation {
            generation: Uuid::new_v4(),
            ..of
        },
        ..*begin
    };
    runtime.block_on(index.begin(0, &again))?;
    while runtime.block_on(index.sweep_foreign(0, 10_000))?.more {}
    Ok(())
}

/// Seconds that this process has taken of the processors so far.
fn cpu() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| -> Outcome<f64> { Ok(fields.get(at).ok_or("no times in /proc/self/stat")?.parse()?) };
    // The 14th and 15th field of all, in hundredths of a second wherever Linux runs.
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

fn redis_cpu(url: &str) -> Outcome<f64> {
    let mut redis = redis::Client::open(url)?.get_connection()?;
    let info: String = redis::cmd("INFO").arg("cpu").query(&mut redis)?;
    let field = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(0.0)
    };
    Ok(field("used_cpu_user") + field("used_cpu_sys"))
}

fn told(name: &str, options: &Options, took: &Took) -> String {
    let records = options.records as f64;
    format!(
        "{name:<10} {:>9.0} records/s, {:.2} s of our CPU ({:.0} records per s of it), {:.2} s of Redis's",
        records / took.wall.as_secs_f64(),
        took.ours,
        records / took.ours.max(0.01),
        took.redis
    )
}
