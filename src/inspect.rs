//! Looks into the index for people, and judges what is only supposed by what it finds there. It writes nothing, and nothing
//! that it reads feeds a task: what it says is as of the instant up to which the index is applied.

use crate::domain::chatroom::Chatroom;
use crate::domain::contact::Contact;
use crate::domain::directory::{ChatroomRecord, Directory, Underway};
use crate::domain::entry::Entry;
use crate::domain::event::{Body, Cause, Event, Inbound, Surroundings};
use crate::domain::ids::{ChatroomName, CrmId, OrgId};
use crate::domain::judge::judge;
use crate::domain::phone::Phone;
use crate::domain::record::{Judgement, Key, Known, Needs, Record, View};
use crate::domain::settings::OrgSettings;
use crate::domain::time::Instant;
use crate::failure::{Exit, Failure};
use crate::index::Index;
use crate::kafka::murmur2_slot;
use crate::shutdown::Deadline;
use crate::state::codec;
use crate::state::homes::Homes;
use crate::state::keys::RecordKey;
use crate::state::progress::{Expected, Progress};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

pub use fresh::Fresh;
pub use standing::{Here, Standing};

mod fresh;
mod standing;

/// A judgement that asks for more records more often is a fault of ours.
const ROUNDS: usize = 32;
/// Between two looks at how far a part is applied.
const APPLYING: Duration = Duration::from_millis(5);

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// None: nothing is known under it.
    pub phone: Option<Phone>,
    /// What else there is to say, such as that a contact was erased or is moving.
    pub note: Option<String>,
    pub contacts: Vec<Contact>,
    pub chatrooms: Vec<Chatroom>,
    /// The index holds all that was decided up to here; None: it is being rebuilt, and may lack much.
    pub applied_until: Option<Instant>,
}

/// Reads records from the index by their keys, each at its home.
pub struct Inspector {
    index: Index,
    expected: Expected,
    homes: Homes,
    /// Up to when each part that was read is applied.
    applied: Vec<Option<Instant>>,
    /// What each part must have reached before it is read, and until when it may.
    floor: Option<(Fresh, Deadline)>,
    reached: HashSet<i32>,
    late: bool,
}

impl Inspector {
    #[must_use]
    pub fn new(index: Index, expected: Expected) -> Self {
        Self {
            index,
            expected,
            homes: Homes::new(murmur2_slot, expected.partitions),
            applied: Vec::new(),
            floor: None,
            reached: HashSet::new(),
            late: false,
        }
    }

    /// Waits before it reads a part until that holds all that had been committed when it was asked for, or else fails.
    #[must_use]
    pub fn waiting_for(mut self, fresh: Fresh, patience: Duration) -> Self {
        self.floor = Some((fresh, Deadline::after(patience)));
        self
    }

    /// How long it may wait yet, beside what its reads take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.floor
            .as_ref()
            .map_or(Duration::ZERO, |(_, deadline)| deadline.left())
    }

    /// Whether it failed because the index was not applied far enough in time.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.late
    }

    /// The earliest of what was read so far. None: a part of it is being rebuilt.
    #[must_use]
    pub fn applied_until(&self) -> Option<Instant> {
        self.applied.iter().copied().min().flatten()
    }

    /// Whether a part that was read may lack much.
    #[must_use]
    pub fn is_rebuilding(&self) -> bool {
        self.applied.contains(&None)
    }

    pub async fn phone(&mut self, org: &OrgId, phone: Phone) -> Result<Found, Failure> {
        let mut found = Found::default();
        if let Some(entry) = self.entry(org, phone).await? {
            found.phone = Some(phone);
            found.chatrooms = self.all_chatrooms(org, phone, &entry).await?;
            found.contacts = Arc::unwrap_or_clone(entry.contacts);
            if found.contacts.is_empty() && found.chatrooms.is_empty() {
                found.note = Some("Neither a contact nor a chatroom stands under it.".to_owned());
            }
        }
        found.applied_until = self.applied_until();
        Ok(found)
    }

    pub async fn chatroom(&mut self, org: &OrgId, name: ChatroomName) -> Result<Found, Failure> {
        let phone = self.phone_of(org, &name).await?;
        self.under(org, phone, None).await
    }

    /// The phone that a chatroom stands under.
    pub async fn phone_of(&mut self, org: &OrgId, name: &ChatroomName) -> Result<Option<Phone>, Failure> {
        let key = Key::Chatroom(org.clone(), name.clone());
        Ok(match self.record(&key).await?.as_deref() {
            Some(Record::Chatroom(ChatroomRecord { phone, .. })) => *phone,
            _ => None,
        })
    }

    pub async fn contact(&mut self, org: &OrgId, crm_id: CrmId) -> Result<Found, Failure> {
        let key = Key::Contact(org.clone(), crm_id);
        let (phone, note) = match self.record(&key).await?.as_deref() {
            Some(Record::Directory(directory)) => (
                directory.held.as_ref().map(|held| held.phone.canonical),
                note(directory),
            ),
            _ => (None, None),
        };
        self.under(org, phone, note).await
    }

    /// What would follow from a message, judged as any other. Nothing is changed by it.
    pub async fn judge(
        &mut self,
        message: Inbound,
        at: Instant,
        settings: Option<&OrgSettings>,
    ) -> Result<Judgement, Failure> {
        let around = Surroundings {
            settings,
            slot: self.homes.slot_of(&message.key()),
        };
        let cause = Cause {
            seed: Uuid::nil(),
            origin: Arc::from([]),
        };
        let body = Body::Inbound(message);
        let event = Event { at, cause, body };
        let mut view = Seen::default();
        for _ in 0..ROUNDS {
            match judge(&view, &event, around) {
                Ok(judgement) => return Ok(judgement),
                Err(Needs(keys)) => {
                    for key in keys {
                        let record = self.record(&key).await?;
                        view.0.insert(key, record);
                    }
                }
            }
        }
        Err(Failure::new(
            Exit::Internal,
            "the rules ask for records without end: report it, the fault is ours",
        ))
    }

    async fn under(&mut self, org: &OrgId, phone: Option<Phone>, note: Option<String>) -> Result<Found, Failure> {
        let mut found = match phone {
            Some(phone) => self.phone(org, phone).await?,
            None => Found {
                applied_until: self.applied_until(),
                ..Found::default()
            },
        };
        found.note = note.or(found.note);
        Ok(found)
    }

    async fn entry(&mut self, org: &OrgId, phone: Phone) -> Result<Option<Entry>, Failure> {
        let key = Key::Phone(org.clone(), phone);
        Ok(match self.record(&key).await?.as_deref() {
            Some(Record::Entry(entry)) => Some(entry.clone()),
            _ => None,
        })
    }

    /// The record under that key, in whatever build the partition's marker names.
    async fn record(&mut self, key: &Key) -> Result<Option<Arc<Record>>, Failure> {
        let partition = self.homes.partition_of(key);
        let Some(marker) = self.index.marker(partition).await? else {
            return Err(Failure::new(Exit::BadData, never_begun(partition)));
        };
        self.reach(partition, marker.offset).await?;
        let incarnation = marker.of.incarnation;
        let record_key = self.expected.state_key(incarnation).record_key(key);
        let (now, mut values) = self
            .index
            .read_any(partition, &[RecordKey::PROGRESS, record_key])
            .await?;
        let Some(now) = now.filter(|now| now.of.incarnation == incarnation) else {
            let sentence = format!("the index of partition {partition} was begun anew meanwhile: try again");
            return Err(Failure::new(Exit::Unreachable, sentence));
        };
        self.applied.push(now.applied_until.map(Instant));
        let value = values.pop().flatten();
        if let Some(progress) = values.pop().flatten() {
            self.check(partition, &progress)?;
        }
        let Some(value) = value else { return Ok(None) };
        let value = codec::decode(&record_key, &value).map_err(|error| unreadable(partition, &error))?;
        Ok(value.into_record())
    }

    /// Waits until the part is applied as far as is asked for.
    async fn reach(&mut self, partition: i32, mut applied: i64) -> Result<(), Failure> {
        let Some((fresh, deadline)) = self.floor.clone() else {
            return Ok(());
        };
        if self.reached.contains(&partition) {
            return Ok(());
        }
        let target = fresh.target(partition, applied).await?;
        while applied < target {
            if deadline.has_passed() {
                self.late = true;
                let sentence = format!("the index of partition {partition} is not applied far enough yet: try again");
                return Err(Failure::new(Exit::Unreachable, sentence));
            }
            tokio::time::sleep(APPLYING).await;
            applied = self.index.marker(partition).await?.map_or(0, |marker| marker.offset);
        }
        self.reached.insert(partition);
        Ok(())
    }

    /// Whether this is the state that the configuration speaks of.
    fn check(&self, partition: i32, progress: &[u8]) -> Result<(), Failure> {
        let progress = Progress::decode(progress).map_err(|error| unreadable(partition, &error))?;
        let checked = self.expected.check(&progress);
        checked.map_err(|mismatch| Failure::new(Exit::BadConfig, mismatch.to_string()))
    }
}

fn note(directory: &Directory) -> Option<String> {
    match (&directory.underway, &directory.held) {
        _ if directory.erased => Some("The contact was erased.".to_owned()),
        (Some(Underway::Move { to, .. }), _) => Some(format!("The contact is on its way to {}.", to.canonical)),
        (Some(Underway::Erasure { .. }), _) => Some("The contact is being erased.".to_owned()),
        (None, Some(held)) if !held.attached => Some("The contact is being created.".to_owned()),
        _ => None,
    }
}

fn never_begun(partition: i32) -> String {
    format!(
        "the index holds nothing of partition {partition}: see whether the router runs, and whether index.prefix and \
         topics.partitions are those of the router"
    )
}

fn unreadable(partition: i32, error: &dyn std::fmt::Display) -> Failure {
    let next = "see whether this version of the program is the router's";
    let sentence = format!("the index of partition {partition} can't be read ({error}): {next}");
    Failure::new(Exit::BadData, sentence)
}

/// What was read so far.
#[derive(Default)]
struct Seen(HashMap<Key, Option<Arc<Record>>>);

impl View for Seen {
    fn get(&self, key: &Key) -> Known {
        match self.0.get(key) {
            None => Known::Unread,
            Some(None) => Known::Absent,
            Some(Some(record)) => Known::Here(Arc::clone(record)),
        }
    }
}

#[cfg(test)]
mod tests;
