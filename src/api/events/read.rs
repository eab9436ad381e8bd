//! Reads the outputs into the ring, on a thread of its own: from eleven minutes back, so that a process that has just started
//! can serve who comes back from another; then as they are committed. In no group; commits nothing.

use super::frame;
use super::positions::{Logs, Place, Positions, TOPICS};
use super::ring::{Event, Ring};
use crate::config::{Config, Orgs};
use crate::contract::{TopicKind, uuid5};
use crate::domain::ids::OrgId;
use crate::failure::{Exit, Failure};
use crate::kafka::{Error, Lookup, Reading, Record, Replay, Settings, TopicPartition};
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::Metrics;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use uuid::Uuid;

/// What is told of, in the order of the ids' positions.
pub const KINDS: [(TopicKind, &str); TOPICS] = [
    (TopicKind::RoutedMessages, "routed"),
    (TopicKind::LifecycleEvents, "lifecycle"),
    (TopicKind::CommandResults, "result"),
    (TopicKind::OutboundMessages, "outbound"),
];

/// Ten minutes are promised; clocks differ.
pub const WINDOW: Duration = Duration::from_secs(11 * 60);

const CALL: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_millis(200);
const AGAIN: Duration = Duration::from_millis(500);
/// How often to look for new partitions.
const REFRESH: Duration = Duration::from_secs(10);
/// How often to let go of what is old.
const AGE: Duration = Duration::from_secs(1);

/// Which topics on which cluster the ring is of; None until it has caught up with them.
pub type Ready = watch::Receiver<Option<Logs>>;

pub struct Reader {
    pub config: Arc<Config>,
    pub kafka: Settings,
    pub ring: Arc<Ring>,
    pub metrics: Arc<Metrics>,
    pub until: Shutdown,
}

impl Reader {
    /// Starts the thread.
    pub fn start(self) -> Result<Ready, Failure> {
        let (says, ready) = watch::channel(None);
        let thread = std::thread::Builder::new().name("api-events".to_owned());
        thread
            .spawn(move || self.run(&says))
            .map_err(|error| Failure::new(Exit::Internal, format!("no thread can be started: {error}")))?;
        Ok(ready)
    }

    /// After a failure it goes on where it was; where that is gone, it begins anew.
    fn run(&self, says: &watch::Sender<Option<Logs>>) {
        let mut has_begun = false;
        while !self.until.is_wished() {
            if let Err(error) = self.once(&mut has_begun, says) {
                tracing::warn!(%error, "api_events_wait");
                has_begun &= !matches!(error, Error::OffsetOutOfRange { .. });
                std::thread::sleep(AGAIN);
            }
        }
    }

    fn once(&self, has_begun: &mut bool, says: &watch::Sender<Option<Logs>>) -> Result<(), Error> {
        let names = KINDS.map(|(kind, _)| self.config.topics.name(kind).clone());
        let logs = logs(&Lookup::open(&self.kafka)?.reach(CALL)?, &names);
        let since = millis() - i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX);
        let from = has_begun.then(|| self.ring.head());
        let known = |place: &TopicPartition| {
            let next = from.as_ref()?.at(self.place(place)?);
            i64::try_from(next).ok()
        };
        let mut replay = Replay::open(&self.kafka, &names, (since, &known), CALL)?;
        if !*has_begun {
            says.send_replace(None);
            self.ring.begin(&self.positions(replay.starts()));
            *has_begun = true;
        }
        let ends = self.positions(replay.ends());
        let (mut looked, mut aged) = (Instant::now(), Instant::now());
        while !self.until.is_wished() {
            match replay.next(WAIT)? {
                Reading::Record(record) => self.take(&record),
                Reading::UpTo(position) => {
                    let place = self.place(&position.topic_partition());
                    place.inspect(|place| self.ring.pass(*place, unsigned(position.offset)));
                }
                Reading::Nothing => {}
            }
            if says.borrow().is_none() && self.ring.head().reaches(&ends) {
                says.send_replace(Some(logs));
            }
            if looked.elapsed() >= REFRESH {
                looked = Instant::now();
                replay.refresh(CALL)?;
            }
            if aged.elapsed() >= AGE {
                aged = Instant::now();
                self.ring.age(millis());
                self.metrics.events.ring_bytes.set(self.ring.bytes() as i64);
            }
        }
        Ok(())
    }

    fn take(&self, record: &Record) {
        let Some(at) = self.place(&record.at.topic_partition()) else {
            return;
        };
        match self.event(at, record) {
            Some((org, event)) => self.ring.push(&org, event, millis()),
            None => self.ring.pass(at, unsigned(record.at.offset) + 1),
        }
    }

    /// None: of an org that no token may read, or nothing of ours.
    fn event(&self, at: Place, record: &Record) -> Option<(OrgId, Event)> {
        let text = std::str::from_utf8(record.value.as_deref()?).ok()?;
        let head: Head<'_> = serde_json::from_str(text).ok()?;
        let org = OrgId::parse(&head.org_id).ok()?;
        let is_read = |orgs: &Orgs| orgs.contain(&org);
        if !self.config.api.tokens.iter().any(|token| is_read(&token.orgs)) {
            return None;
        }
        let chatroom = head.chatroom_id.or(head.chatroom.map(|chatroom| chatroom.chatroom_id));
        let event = Event {
            at,
            offset: unsigned(record.at.offset),
            published: record.timestamp.unwrap_or_else(millis),
            chatroom: chatroom.map(|id| id.into()),
            agent: head.requested_by.map(|agent| agent.into()),
            frame: frame::event(KINDS[at.topic].1, text),
        };
        Some((org, event))
    }

    fn place(&self, at: &TopicPartition) -> Option<Place> {
        let kind = self.config.topics.kind(&at.topic)?;
        Some(Place {
            topic: KINDS.iter().position(|(known, _)| *known == kind)?,
            partition: usize::try_from(at.partition).ok()?,
        })
    }

    fn positions(&self, of: &[(TopicPartition, i64)]) -> Positions {
        let mut positions = Positions::default();
        for (at, next) in of {
            let place = self.place(at);
            place.inspect(|place| positions.advance(*place, unsigned(*next)));
        }
        positions
    }
}

/// What an event is told by; the same fields in all four.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    org_id: Cow<'a, str>,
    #[serde(borrow)]
    chatroom_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    requested_by: Option<Cow<'a, str>>,
    #[serde(borrow)]
    chatroom: Option<Chatroom<'a>>,
}

#[derive(Deserialize)]
struct Chatroom<'a> {
    #[serde(borrow)]
    chatroom_id: Cow<'a, str>,
}

fn logs(cluster: &str, names: &[Arc<str>]) -> Logs {
    let whole = format!("{cluster}\n{}", names.join("\n"));
    let bytes = uuid5(&Uuid::NAMESPACE_URL, &[whole.as_bytes()]).into_bytes();
    Logs::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn unsigned(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or_default()
}

fn millis() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
