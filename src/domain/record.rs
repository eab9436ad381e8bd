//! The records that judging reads and writes, by key, and how a judgement says which it lacks.

use super::chatroom::Chatroom;
use super::directory::{ChatroomRecord, Directory, OrgRecord};
use super::effect::Effect;
use super::entry::Entry;
use super::ids::{ChatroomName, CrmId, OrgId, UserId};
use super::memory::Remembered;
use super::phone::Phone;
use std::sync::Arc;

/// Names a record. The first five have a home; the last two live at their owner's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Phone(OrgId, Phone),
    /// A sender without a phone (P3).
    User(OrgId, UserId),
    Contact(OrgId, CrmId),
    Chatroom(OrgId, ChatroomName),
    Org(OrgId),
    /// A bucket of remembered ids of the owner; which of its two memories, by kind.
    Ids(Box<Key>, MemoryKind, u32),
    /// A block of older expired chatrooms of a phone.
    Archive(OrgId, Phone, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemoryKind {
    Messages,
    Requests,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Under `Key::Phone` and `Key::User`.
    Entry(Entry),
    Directory(Directory),
    Chatroom(ChatroomRecord),
    Org(OrgRecord),
    Ids(Vec<Remembered>),
    Archive(Vec<Chatroom>),
}

/// What is known of a key at this point of the fold.
#[derive(Debug, Clone)]
pub enum Known {
    Here(Arc<Record>),
    /// Read, and there is none.
    Absent,
    /// Not read yet: the judgement has to say that it needs it.
    Unread,
}

/// The records as they are before this event: what was read, over it what the batch has changed so far.
pub trait View {
    fn get(&self, key: &Key) -> Known;
}

/// The judgement can't be made yet: read these, and judge again. Judging twice is harmless, since it is pure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs(pub Vec<Key>);

/// The outcome of one event: whole records to write (None deletes), and what follows, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    pub writes: Vec<(Key, Option<Record>)>,
    pub effects: Vec<Effect>,
}
