//! How fast an index is restored from its changelog, beside a program that only reads the same topic, in the same run. One
//! partition, one thread of the router's own code path: reading and decoding ahead, applying behind.

use crate::brokers::{Brokers, client};
use crate::{Outcome, variable};
use chatroom_router::changelog::Replay;
use chatroom_router::domain::chatroom::{Chatroom, ChatroomStatus, Owner};
use chatroom_router::domain::contact::{Contact, ContactStatus, Profile};
use chatroom_router::domain::entry::Entry;
use chatroom_router::domain::ids::{ChatroomId, CrmId, OrgId, Slot};
use chatroom_router::domain::phone::Phone;
use chatroom_router::domain::record::{Key, Record};
use chatroom_router::domain::time::Instant as Moment;
use chatroom_router::index::{Applied, Batch, Begin, Generation, Index, Settings as Place};
use chatroom_router::kafka::{Settings, TopicPartition};
use chatroom_router::state::codec::encode;
use chatroom_router::state::keys::StateKey;
use chatroom_router::state::wire::Format;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

pub const WORD: &str = "restore";
pub const HELP: &str = "\
make bench ARGS='restore name=value ...'
  entries=500000     phones in the changelog, each with a contact and a chatroom, on one partition
  bytes=300          of an entry, about
  format=2           that the entries are written in: from 2 on an entry's clocks can be read without the rest";

const WAIT: Duration = Duration::from_secs(60);
const KEY: StateKey = StateKey::new([7; 16]);
const DAY: Moment = Moment(1_795_000_000_000);

struct Options {
    entries: u64,
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
    let (bare, restored) = measured?;
    println!("{}", told("bare read", &options, &bare));
    println!("{}", told("restore", &options, &restored));
    println!(
        "of a bare read: {:.2} of its rate, {:.1} times its CPU",
        bare.wall.as_secs_f64() / restored.wall.as_secs_f64(),
        (restored.ours + restored.redis) / bare.ours.max(0.01)
    );
    Ok(())
}

fn parse(words: &[String]) -> Outcome<Options> {
    let mut options = Options {
        entries: 500_000,
        bytes: 300,
        format: Format::NEWEST.number(),
    };
    for word in words {
        match word.split_once('=') {
            Some(("entries", value)) => options.entries = value.parse()?,
            Some(("bytes", value)) => options.bytes = value.parse()?,
            Some(("format", value)) => options.format = value.parse()?,
            _ => return Err(format!("{word}: no such option\n{HELP}").into()),
        }
    }
    Ok(options)
}

fn measure(options: &Options, brokers: &Brokers, redis_url: &str, prefix: &str) -> Outcome<(Took, Took)> {
    let topic = format!("{prefix}changelog");
    brokers.create_topics(std::slice::from_ref(&topic), 1)?;
    println!(
        "writing {} entries of {} bytes",
        options.entries,
        entry(options, 0)?.1.len()
    );
    let records = (0..options.entries).map_while(|number| entry(options, number).ok());
    brokers.produce(&topic, records)?;
    let bare = bare(options, brokers, &topic)?;
    let restored = restored(options, brokers, redis_url, prefix)?;
    Ok((bare, restored))
}

/// As a task would have written it.
fn entry(options: &Options, number: u64) -> Outcome<(Vec<u8>, Vec<u8>)> {
    let phone = Phone(919_800_000_000 + number);
    let crm_id = CrmId::parse(&format!("L-{number}")).map_err(|fault| fault.to_string())?;
    let at = DAY.plus(i64::try_from(number)?);
    let room = Chatroom {
        id: ChatroomId {
            slot: Slot((number % 4096) as u16),
            uuid: Uuid::from_u128(u128::from(number) << 64),
        },
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
    let entry = Entry {
        decided_at: at,
        contacts: vec![contact],
        chatrooms: vec![room],
        ..Entry::default()
    };
    let org = OrgId::parse(&format!("org-{:02}", number % 20)).map_err(|fault| fault.to_string())?;
    let key = Key::Phone(org, phone);
    let format = Format::new(options.format)?;
    let value = encode(format, &key, Some(&Record::Entry(entry))).ok_or("an entry without a value")?;
    Ok((KEY.record_key(&key).as_bytes().to_vec(), value))
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
    while read < options.entries {
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

fn restored(options: &Options, brokers: &Brokers, redis_url: &str, prefix: &str) -> Outcome<Took> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut place = Place::new(redis_url);
    place.prefix = prefix.to_owned();
    let index = Index::redis(&place)?;
    let settings = Settings {
        brokers: brokers.addresses.clone(),
        group_id: prefix.to_owned(),
        ..Settings::default()
    };
    let mut replay = Replay::open(&settings)?;
    let (at, to) = (
        TopicPartition::new(format!("{prefix}changelog"), 0),
        i64::try_from(options.entries)?,
    );
    let of = Generation {
        incarnation: Uuid::new_v4(),
        generation: Uuid::new_v4(),
        format: options.format.into(),
    };
    let begin = Begin {
        expected: None,
        of,
        offset: 0,
        at: DAY.0,
    };
    let (began, cpu, redis) = (Instant::now(), cpu()?, redis_cpu(redis_url)?);
    runtime.block_on(index.begin(0, &begin))?;
    let mut from = 0;
    while from < to {
        let piece = replay.next(&at, from, to, WAIT)?;
        let batch = Batch {
            from,
            to: piece.next,
            changes: piece.changes,
            applied_until: (piece.next == to).then_some(DAY.0),
        };
        match runtime.block_on(index.apply(0, &of, &batch))? {
            Applied::Applied => from = piece.next,
            other => return Err(format!("the index was disturbed: {other:?}").into()),
        }
    }
    let took = Took {
        wall: began.elapsed(),
        ours: self::cpu()? - cpu,
        redis: redis_cpu(redis_url)? - redis,
    };
    forget(&runtime, &index, of, &begin)?;
    Ok(took)
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
    let entries = options.entries as f64;
    format!(
        "{name:<10} {:>9.0} records/s, {:.2} s of our CPU ({:.0} records per s of it), {:.2} s of Redis's",
        entries / took.wall.as_secs_f64(),
        took.ours,
        entries / took.ours.max(0.01),
        took.redis
    )
}
