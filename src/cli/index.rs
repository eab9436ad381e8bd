//! `index status|verify|rebuild`: the index of each partition beside its changelog, a full comparison of the two, and a new build.

use super::output::Out;
use super::progress::Bar;
use crate::config::Config;
use crate::contract::instant;
use crate::domain::time::Instant;
use crate::failure::{Exit, Failure};
use crate::upkeep::rebuild::Rebuilt;
use crate::upkeep::verify::Verified;
use crate::upkeep::{Stand, Upkeep};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

pub(super) const EXAMPLES: &str = "\
Examples:
  chatroom-router index status
  chatroom-router index verify --partition 0 --partition 3
  chatroom-router index rebuild --partition 3
  chatroom-router index rebuild --partition 3 --discard-index

All of it is safe while the router runs. A partition that is rebuilt pauses until its index is whole again; the others go on.
Exit code 65: `verify` found a difference, or a partition without an index.";

const STATUS_EXAMPLES: &str = "\
Examples:
  chatroom-router index status
  chatroom-router index status --partition 3 --output json";

const VERIFY_EXAMPLES: &str = "\
Examples:
  chatroom-router index verify
  chatroom-router index verify --partition 0 --partition 3 --output json

Exit code 65: a partition differs, or has no index. Its keys are named by hashes, of which nobody reads a phone.";

const REBUILD_EXAMPLES: &str = "\
Examples:
  chatroom-router index rebuild --partition 3
  chatroom-router index rebuild --partition 3 --discard-index
  chatroom-router index rebuild --output json

Safe while the router runs: the partition pauses until its index is whole again.";

#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Say how far each partition's index is behind its changelog.
    #[command(after_help = STATUS_EXAMPLES)]
    Status(Which),
    /// Compare every value and clock with what the changelog makes of it.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Which),
    /// Build the index anew from the changelog.
    #[command(after_help = REBUILD_EXAMPLES)]
    Rebuild(RebuildArgs),
}

#[derive(Debug, Args)]
pub struct Which {
    /// Only this partition; may be given again. Without it, all.
    #[arg(long = "partition", value_name = "N")]
    pub partitions: Vec<i32>,
}

#[derive(Debug, Args)]
pub struct RebuildArgs {
    #[command(flatten)]
    pub which: Which,
    /// Give up what the index holds beyond the changelog's end, though it may be the last to hold it, and what can't be read.
    #[arg(long)]
    pub discard_index: bool,
}

pub fn run(config: &Config, command: &IndexCommand, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut upkeep = Upkeep::open(config)?;
    match command {
        IndexCommand::Status(which) => {
            let chosen = upkeep.chosen(&which.partitions)?;
            let stands: Result<Vec<Stand>, Failure> = chosen.into_iter().map(|number| upkeep.stand(number)).collect();
            status(&stands?, out)
        }
        IndexCommand::Verify(which) => verify(&mut upkeep, which, out),
        IndexCommand::Rebuild(args) => rebuild(&mut upkeep, args, out),
    }
}

fn status(stands: &[Stand], out: &mut Out<'_>) -> Result<(), Failure> {
    if out.is_json() {
        let partitions: Vec<Value> = stands.iter().map(|stand| Value::Object(as_json(stand))).collect();
        return out.json(&json!({"partitions": partitions}));
    }
    let row = |stand: &Stand| {
        let marker = stand.marker;
        let or_none = |text: Option<String>| text.unwrap_or_default();
        [
            stand.partition.to_string(),
            stand.state().word().to_owned(),
            or_none(marker.map(|marker| marker.offset.to_string())),
            stand.high.to_string(),
            stand.behind.to_string(),
            or_none(marker.and_then(|marker| marker.applied_until).map(when)),
            or_none(marker.map(|marker| marker.of.format.to_string())),
            or_none(marker.map(|marker| short(&marker.of.generation))),
            or_none(marker.map(|marker| short(&marker.of.incarnation))),
        ]
    };
    let head = [
        "partition",
        "index",
        "applied to",
        "changelog ends",
        "behind",
        "applied until",
        "format",
        "generation",
        "incarnation",
    ];
    out.table(head, stands.iter().map(row).collect())
}

fn when(instant: i64) -> String {
    instant::format(Instant(instant))
}

/// Enough to tell two apart on a screen.
fn short(id: &uuid::Uuid) -> String {
    id.simple().to_string()[..8].to_owned()
}

fn as_json(stand: &Stand) -> Map<String, Value> {
    let marker = stand.marker;
    let value = json!({
        "partition": stand.partition, "state": stand.state().word(), "behind": stand.behind,
        "changelog_begins": stand.low, "changelog_ends": stand.high,
        "changelog_incarnation": stand.progress.as_ref().map(|progress| progress.incarnation),
        "offset": marker.map(|marker| marker.offset), "begun_at": marker.map(|marker| when(marker.begun_at)),
        "applied_until": marker.and_then(|marker| marker.applied_until).map(when),
        "format": marker.map(|marker| marker.of.format), "generation": marker.map(|marker| marker.of.generation),
        "incarnation": marker.map(|marker| marker.of.incarnation),
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn verify(upkeep: &mut Upkeep, which: &Which, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut found = Vec::new();
    for partition in upkeep.chosen(&which.partitions)? {
        let stand = upkeep.stand(partition)?;
        let verified = match upkeep.verify(&stand, &mut bar(&stand)) {
            Err(failure) if failure.exit == Exit::BadData => Err(failure.sentence),
            verified => Ok(verified?),
        };
        found.push((stand, verified));
    }
    if out.is_json() {
        let partitions: Vec<Value> = found.iter().map(verified_json).collect();
        out.json(&json!({"equal": found.iter().all(is_equal), "partitions": partitions}))?;
    } else {
        let head = ["partition", "applied to", "values", "clocks", "result"];
        out.table(head, found.iter().map(verified_row).collect())?;
        for named in found
            .iter()
            .filter_map(|(_, verified)| verified.as_ref().ok())
            .flat_map(|one| &one.named)
        {
            out.line(named)?;
        }
    }
    let faulty: Vec<String> = found
        .iter()
        .filter(|one| !is_equal(one))
        .map(|(stand, _)| stand.partition.to_string())
        .collect();
    if faulty.is_empty() {
        return Ok(());
    }
    let faulty = faulty.join(", ");
    let sentence = if found.iter().all(|(_, verified)| verified.is_ok()) {
        let next = "build them anew with `chatroom-router index rebuild`, and see what else writes to that Redis";
        format!("the index is not what the changelog makes of it in partition {faulty}: {next}")
    } else {
        format!("the index could not be compared, or differs, in partition {faulty}: see for each what its result says")
    };
    Err(Failure::new(Exit::BadData, sentence))
}

type Compared = (Stand, Result<Verified, String>);

fn is_equal((_, verified): &Compared) -> bool {
    verified.as_ref().is_ok_and(Verified::is_equal)
}

fn verified_row((stand, verified): &Compared) -> [String; 5] {
    let offset = stand.marker.map(|marker| marker.offset.to_string()).unwrap_or_default();
    let (values, clocks, result) = match verified {
        Err(why) => (String::new(), String::new(), why.clone()),
        Ok(verified) => {
            let counts = verified.differing.iter();
            let counts: Vec<String> = counts
                .map(|((kind, fault), count)| format!("{count} {kind} {}", fault.word()))
                .collect();
            let result = if counts.is_empty() {
                "equal".to_owned()
            } else {
                counts.join(", ")
            };
            (verified.values.to_string(), verified.clocks.to_string(), result)
        }
    };
    [stand.partition.to_string(), offset, values, clocks, result]
}

fn verified_json((stand, verified): &Compared) -> Value {
    let offset = stand.marker.map(|marker| marker.offset);
    match verified {
        Err(why) => json!({"partition": stand.partition, "offset": offset, "equal": false, "fault": why}),
        Ok(verified) => {
            let row = |((kind, fault), count): (&(&'static str, crate::upkeep::verify::Fault), &u64)| json!({"kind": kind, "fault": fault.word(), "count": count});
            json!({
                "partition": stand.partition, "offset": offset, "equal": verified.is_equal(), "values": verified.values,
                "clocks": verified.clocks, "differing": verified.differing.iter().map(row).collect::<Vec<_>>(),
                "some": verified.named,
            })
        }
    }
}

/// Takes the changelog's offsets as they are reached.
fn bar(stand: &Stand) -> impl FnMut(i64) + use<> {
    let bar = Bar::new(
        format!("partition {}", stand.partition),
        (stand.high - stand.low).unsigned_abs(),
    );
    let mut at = stand.low;
    move |offset| {
        bar.pass((offset - at).max(0).unsigned_abs());
        at = offset;
    }
}

fn rebuild(upkeep: &mut Upkeep, args: &RebuildArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut rebuilt = Vec::new();
    for partition in upkeep.chosen(&args.which.partitions)? {
        let stand = upkeep.stand(partition)?;
        let done = upkeep.rebuild(&stand, args.discard_index, &mut bar(&stand))?;
        rebuilt.push((partition, done));
    }
    if out.is_json() {
        let partitions: Vec<Value> = rebuilt.iter().map(rebuilt_json).collect();
        return out.json(&json!({"partitions": partitions}));
    }
    let row = |(partition, done): &(i32, Option<Rebuilt>)| {
        let told = done.map_or(["0", "", "", ""].map(str::to_owned), |done| {
            let seconds = format!("{:.1}", done.took.as_secs_f64());
            [
                done.records.to_string(),
                seconds,
                done.rate().to_string(),
                done.offset.to_string(),
            ]
        });
        let [records, seconds, rate, offset] = told;
        [partition.to_string(), records, seconds, rate, offset]
    };
    let head = ["partition", "records", "seconds", "records/s", "applied to"];
    out.table(head, rebuilt.iter().map(row).collect())
}

fn rebuilt_json((partition, done): &(i32, Option<Rebuilt>)) -> Value {
    json!({
        "partition": partition, "records": done.map_or(0, |done| done.records),
        "seconds": done.map(|done| done.took.as_secs_f64()), "records_per_second": done.map(|done| done.rate()),
        "offset": done.map(|done| done.offset),
    })
}
