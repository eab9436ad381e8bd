//! `dead-letters` and `unrouted`: which of what was put aside is meant, and what is to be done with it. Values are a customer's
//! data: `show` alone prints them, on the terminal of who asks, and nothing of them goes to a log.

mod go_on;
mod list;
mod replay;
mod show;

use super::now;
use super::output::Out;
use super::when::When;
use crate::config::Config;
use crate::contract::TopicKind;
use crate::domain::ids::OrgId;
use crate::failure::Failure;
use crate::kafka::Lookup;
use crate::letters::Shelf;
use crate::letters::filter::Filter;
use crate::letters::scan;
use clap::{Args, Subcommand};

/// How far back to look where nobody says.
const SINCE: &str = "7d";

pub(super) const DEAD_LETTERS: &str = "\
Examples:
  chatroom-router dead-letters list                            how many, why, and the latest
  chatroom-router dead-letters list --org acme --since 24h --output json
  chatroom-router dead-letters show 3:1042                     one of them whole, with its value
  chatroom-router dead-letters show inbound-messages:5:900213  the one that this record became
  chatroom-router dead-letters replay --reason BAD_PHONE --dry-run
  chatroom-router dead-letters replay --reason BAD_PHONE --rate 50
  chatroom-router dead-letters go-on --topic inbound-messages --partition 3 --for 1h

`show` prints a customer's data as it came.";

pub(super) const UNROUTED: &str = "\
Examples:
  chatroom-router unrouted list                  how many, why, and the latest
  chatroom-router unrouted list --reason NO_CONTACT --org acme
  chatroom-router unrouted replay --org acme --dry-run
  chatroom-router unrouted replay --org acme     once its leads exist

What is sent back is judged again, and published only if it can be routed now.";

const LIST_DEAD: &str = "\
Examples:
  chatroom-router dead-letters list
  chatroom-router dead-letters list --reason BAD_PHONE --topic inbound-messages --since 24h
  chatroom-router dead-letters list --org acme --output json";

const SHOW: &str = "\
Examples:
  chatroom-router dead-letters show 3:1042
  chatroom-router dead-letters show inbound-messages:5:900213 --output json";

const LIST_UNROUTED: &str = "\
Examples:
  chatroom-router unrouted list
  chatroom-router unrouted list --reason NO_CONTACT --org acme --output json";

const REPLAY_DEAD: &str = "\
Examples:
  chatroom-router dead-letters replay --reason BAD_PHONE --dry-run
  chatroom-router dead-letters replay --reason BAD_PHONE --rate 50";

const REPLAY_UNROUTED: &str = "\
Examples:
  chatroom-router unrouted replay --org acme --dry-run
  chatroom-router unrouted replay --org acme --max 1000";

const REPLAY: &str = "\
Sends records back to where they came from, to be judged again.

A replay keeps its place: what it sent and how far it came are one transaction, in a consumer group of its own. Stop it at any
moment (Ctrl-C) and run it again: it goes on from there. Other filters are another place: what one replay sent, a replay with
other filters sends again. The router knows a message or a command again for eight days and then does nothing, also a command
without a request_id (the header replay_of names the record that it first was).

Key, bytes and the record's own headers go back as they came; the time is that of the replay. A command takes effect now: see
first whether a newer one came since. Old org-settings go back only if --topic org-settings asks for them. Kafka forgets the place
of an idle group after offsets.retention.minutes (seven days), so --since reaches no further back unless it is told to.";

const GO_ON: &str = "\
Examples:
  chatroom-router dead-letters go-on --topic inbound-messages --partition 3
  chatroom-router dead-letters go-on --topic crm-changes --partition 0 --for 10m --admin router-2:9464";

const ABOUT_GO_ON: &str = "\
Lets an input go on that was halted because too many of its records were bad.

When more than limits.bad_share_percent of the last limits.bad_burst_records records of an input's partition are bad, that
partition is halted at the next bad one: /readyz and the event input_halted say which and why. Nothing is lost: what was read
before is judged, the rest stands where it is. See what is wrong (`dead-letters list`), stop who sends it, then say go on: what is
bad becomes dead letters. The process that halted it must be told; after a restart or a rebalance it is counted anew.";

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// Show why records became dead letters, how many, and the latest.
    #[command(after_help = LIST_DEAD)]
    List(ListDead),
    /// Show one whole: why, where it came from, key, headers and value.
    #[command(after_help = SHOW)]
    Show(show::ShowArgs),
    /// Send them back to the topics that they came from.
    #[command(long_about = REPLAY, after_help = REPLAY_DEAD)]
    Replay(ReplayDead),
    /// Let an input go on that was halted because too many of its records were bad.
    #[command(long_about = ABOUT_GO_ON, after_help = GO_ON)]
    GoOn(go_on::GoOnArgs),
}

#[derive(Debug, Subcommand)]
pub enum UnroutedCommand {
    /// Show why messages had nowhere to go, how many, and the latest.
    #[command(after_help = LIST_UNROUTED)]
    List(ListUnrouted),
    /// Send them back to the inbound messages, to be judged again.
    #[command(long_about = REPLAY, after_help = REPLAY_UNROUTED)]
    Replay(ReplayUnrouted),
}

/// Which are meant.
#[derive(Debug, Args)]
pub struct Which {
    /// Only those put aside for this reason; may be given more than once.
    #[arg(long = "reason", value_name = "REASON")]
    reasons: Vec<String>,
    /// Only this org's.
    #[arg(long, value_name = "ORG", value_parser = OrgId::parse)]
    org: Option<OrgId>,
    /// Only those put aside since then: an instant, or how long ago (24h, 7d). [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    since: Option<When>,
    /// Only those put aside before then.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    until: Option<When>,
}

/// Which input they came from.
#[derive(Debug, Args)]
pub struct From {
    /// Only those of this topic, by its name in the contracts.
    #[arg(long, value_name = "TOPIC", value_parser = input)]
    topic: Option<TopicKind>,
}

#[derive(Debug, Args)]
pub struct ListDead {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    how: list::ListArgs,
}

#[derive(Debug, Args)]
pub struct ListUnrouted {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: list::ListArgs,
}

#[derive(Debug, Args)]
pub struct ReplayDead {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    from: From,
    /// Also those that came back three times.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    how: replay::ReplayArgs,
}

#[derive(Debug, Args)]
pub struct ReplayUnrouted {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: replay::ReplayArgs,
}

pub fn dead_letters(config: &Config, command: &DeadLettersCommand, out: &mut Out<'_>) -> Result<(), Failure> {
    let shelf = Shelf::DeadLetters;
    match command {
        DeadLettersCommand::List(args) => {
            let filter = args.which.filter(args.from.topic);
            list::run(config, (shelf, filter), &args.how, out)
        }
        DeadLettersCommand::Show(args) => show::run(config, args, out),
        DeadLettersCommand::Replay(args) => {
            let asked = replay::Asked {
                shelf,
                filter: args.which.filter(args.from.topic),
                force: args.force,
                words: args.which.words(args.from.topic, args.force),
            };
            replay::run(config, asked, &args.how, out)
        }
        DeadLettersCommand::GoOn(args) => go_on::run(config, args, out),
    }
}

pub fn unrouted(config: &Config, command: &UnroutedCommand, out: &mut Out<'_>) -> Result<(), Failure> {
    let shelf = Shelf::Unrouted;
    match command {
        UnroutedCommand::List(args) => list::run(config, (shelf, args.which.filter(None)), &args.how, out),
        UnroutedCommand::Replay(args) => {
            let asked = replay::Asked {
                shelf,
                filter: args.which.filter(None),
                force: false,
                words: args.which.words(None, false),
            };
            replay::run(config, asked, &args.how, out)
        }
    }
}

impl Which {
    fn filter(&self, topic: Option<TopicKind>) -> Filter {
        let now = now();
        let since = self.since.clone().or_else(|| When::parse(SINCE).ok());
        Filter {
            reasons: self.reasons.clone(),
            topic,
            org: self.org.clone(),
            since: since.map(|since| since.instant(now)),
            until: self.until.as_ref().map(|until| until.instant(now)),
        }
    }

    /// The filters as they were written: the same words are the same replay, whenever it is run.
    fn words(&self, topic: Option<TopicKind>, force: bool) -> Vec<String> {
        let mut reasons: Vec<String> = self
            .reasons
            .iter()
            .map(|reason| format!("reason={}", reason.to_uppercase()))
            .collect();
        reasons.sort();
        reasons.dedup();
        let time = |name: &str, when: &Option<When>| when.as_ref().map(|when| format!("{name}={}", when.text));
        reasons.extend(topic.map(|topic| format!("topic={}", topic.default_name())));
        reasons.extend(self.org.as_ref().map(|org| format!("org={org}")));
        reasons.extend(time("since", &self.since));
        reasons.extend(time("until", &self.until));
        reasons.extend(force.then(|| "force".to_owned()));
        reasons
    }
}

fn input(text: &str) -> Result<TopicKind, String> {
    let found = TopicKind::INPUTS.into_iter().find(|kind| kind.default_name() == text);
    found.ok_or_else(|| {
        let names = TopicKind::INPUTS.map(TopicKind::default_name);
        format!("write one of {}", names.join(", "))
    })
}

/// A client for questions, once the brokers answer.
pub(super) fn lookup(config: &Config) -> Result<Lookup, Failure> {
    let mut lookup = Lookup::open(&config.kafka_settings(None))?;
    lookup
        .reach(scan::CALL)
        .map_err(|error| Failure::kafka_away(config, &error))?;
    Ok(lookup)
}

/// A text of others for a terminal, which must not take it for a command.
pub(super) fn plain(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(shown).collect()
}
