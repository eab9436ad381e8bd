//! What a load is to be: the arguments, held against each other and against what one machine can mean by them. Nothing is
//! sent before a plan is whole.

use super::dice::Mix;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use clap::Args;
use std::net::IpAddr;
use std::time::Duration;

/// Beyond these a typing error is likelier than a wish.
const MOST_RECORDS: u64 = 100_000_000;
const MOST_RATE: i64 = 200_000;

#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Records a second, over all kinds.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=MOST_RATE))]
    pub rate: u32,
    /// How long to send.
    #[arg(long, value_name = "NUMBER", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// How many records to send, in place of --seconds.
    #[arg(long, value_name = "NUMBER", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..=MOST_RECORDS))]
    pub records: Option<u64>,
    /// Organisations, each with its settings and a WABA phone of its own.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub orgs: u32,
    /// Customers over all orgs, each with a phone, a contact and a chatroom.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub phones: u32,
    /// How uneven the customers are: 0 all alike; with 1 the second writes half as often as the first, the third a third as
    /// often, and so on (Zipf's law); more is more uneven. At most 4.
    #[arg(long, value_name = "EXPONENT", default_value_t = 1.0)]
    pub skew: f64,
    /// Percent of the records that are customers' messages.
    #[arg(long, value_name = "PERCENT", default_value_t = 80, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub inbound: u8,
    /// Percent that are what agents want to send.
    #[arg(long, value_name = "PERCENT", default_value_t = 15, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub outbound: u8,
    /// Percent that are commands of the CRM: half of them change a contact, the others activate or deactivate a chatroom.
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub crm: u8,
    /// Percent of the customers' messages that come from phones nobody knows.
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub strangers: u8,
    /// The same seed sends the same records, to the same orgs and phones.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u32,
    /// How long to wait for what does not come: the results of the set-up, and outputs after the last record.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub patience: u32,
    /// Write test data to brokers that are not on this host.
    #[arg(long)]
    pub yes: bool,
}

/// A load that can be sent.
#[derive(Debug, Clone)]
pub struct Plan {
    pub rate: u32,
    pub records: u64,
    pub orgs: u32,
    pub phones: u32,
    pub mix: Mix,
    pub seed: u32,
    pub patience: Duration,
}

impl Plan {
    pub fn of(args: &LoadArgs) -> Result<Self, Failure> {
        let records = args.records.unwrap_or(u64::from(args.rate) * u64::from(args.seconds));
        let shares = [args.inbound, args.outbound, args.crm];
        let total: u32 = shares.iter().map(|share| u32::from(*share)).sum();
        let fault = match () {
            () if records > MOST_RECORDS => {
                format!("{records} records are more than {MOST_RECORDS}: ask for a lower --rate or fewer --seconds")
            }
            () if args.phones < args.orgs => format!(
                "{} phones are too few for {} orgs: ask for at least one each, with --phones",
                args.phones, args.orgs
            ),
            () if !(0.0..=4.0).contains(&args.skew) => {
                format!("a skew of {} can't be: ask for one from 0 to 4, such as 1.1", args.skew)
            }
            () if total != 100 => format!(
                "--inbound {}, --outbound {} and --crm {} are {total} percent: make them 100",
                args.inbound, args.outbound, args.crm
            ),
            () => {
                return Ok(Self {
                    rate: args.rate,
                    records,
                    orgs: args.orgs,
                    phones: args.phones,
                    mix: Mix {
                        shares,
                        strangers: args.strangers,
                        skew: args.skew,
                    },
                    seed: args.seed,
                    patience: Duration::from_secs(args.patience.into()),
                });
            }
        };
        Err(Failure::new(Exit::Usage, fault))
    }
}

/// Test data does not get into somebody's cluster by mistake.
pub fn guard(args: &LoadArgs, brokers: &str) -> Result<(), Failure> {
    if args.yes || brokers.split(',').all(is_of_this_host) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        format!(
            "load would write test data to {brokers}, which is not on this host: say --yes if that is what you want, or set kafka.brokers"
        ),
    ))
}

fn is_of_this_host(broker: &str) -> bool {
    let address = broker.trim().rsplit("://").next().unwrap_or_default();
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What is about to happen to the topics.
pub fn warning(plan: &Plan, config: &Config) -> String {
    let (seed, prefix, brokers) = (plan.seed, &config.topics.prefix, &config.kafka.brokers);
    let topics = match prefix.as_str() {
        "" => "the topics".to_owned(),
        prefix => format!("the topics {prefix}*"),
    };
    format!(
        "This writes test data into {topics} of {brokers}: orgs load-{seed}-1 to load-{seed}-{}, {} phones, {} records.",
        plan.orgs, plan.phones, plan.records
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: LoadArgs,
    }

    fn args(line: &str) -> LoadArgs {
        Line::try_parse_from(std::iter::once("load").chain(line.split_whitespace()))
            .unwrap()
            .args
    }

    pub fn plan(line: &str) -> Plan {
        Plan::of(&args(line)).unwrap()
    }

    #[test]
    fn a_plan_has_as_many_records_as_its_time_holds_or_as_are_asked_for() {
        assert_eq!(plan("").records, 30_000);
        assert_eq!(plan("--rate 7 --seconds 3").records, 21);
        assert_eq!(plan("--rate 7 --records 5").records, 5);
    }

    #[test]
    fn absurd_numbers_are_refused_with_what_to_ask_for() {
        for (line, said) in [
            ("--rate 200000 --seconds 86400", "lower --rate"),
            ("--phones 3 --orgs 4", "--phones"),
            ("--skew 5", "from 0 to 4"),
            ("--skew NaN", "from 0 to 4"),
            ("--inbound 80 --outbound 80", "make them 100"),
        ] {
            let failure = Plan::of(&args(line)).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.sentence.contains(said), "{line}: {failure}");
        }
        for line in ["--rate 0", "--rate 200001", "--orgs 0", "--records 0", "--patience 0"] {
            let words = std::iter::once("load").chain(line.split_whitespace());
            assert!(Line::try_parse_from(words).is_err(), "{line}");
        }
    }

    #[test]
    fn brokers_on_another_host_need_a_yes() {
        let brokers = ["localhost:9092", "127.0.0.1:1,127.3.2.1:2", "[::1]:9092, localhost:1"];
        for ours in brokers {
            assert!(guard(&args(""), ours).is_ok(), "{ours}");
        }
        for other in [
            "kafka-1:9092",
            "localhost:9092,10.0.0.7:9092",
            "localhost.example.org:9092",
        ] {
            let refused = guard(&args(""), other).unwrap_err();
            assert!(refused.sentence.contains("--yes"), "{refused}");
            assert!(guard(&args("--yes"), other).is_ok(), "{other}");
        }
    }
}
