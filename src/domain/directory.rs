//! The directory of contacts, at the home of each: crm_id -> phone, and the order of the commands of one contact (K3).

use super::event::{Cause, Command};
use super::ids::IdHash;
use super::memory::Memory;
use super::phone::{Phone, SpelledPhone};
use super::time::Instant;
use std::sync::Arc;

/// At most so many commands wait while a contact moves; `BUSY` beyond.
pub const MAX_WAITING: usize = 64;

/// The phone under which a contact stands, or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub phone: SpelledPhone,
    /// What the CRM wrote: the same text is no change of phone, whatever the region has become (P1).
    pub text: Arc<str>,
    /// The phone's home has said that the contact stands there.
    pub attached: bool,
    /// Steps passed on to the phone's home and not answered yet: an upsert among them may still make it stand there.
    pub in_flight: u32,
}

/// What makes the commands of a contact wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Underway {
    Move {
        to: SpelledPhone,
        text: Arc<str>,
        request: IdHash,
    },
    Erasure {
        command: Box<Command>,
        left: Vec<Phone>,
    },
}

/// A command that waits, with all that its judgement needs later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub command: Command,
    pub at: Instant,
    pub cause: Cause,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    pub decided_at: Instant,
    pub held: Option<Held>,
    /// Every phone that it ever had, for erasure; the one held is among them.
    pub phones: Vec<Phone>,
    /// Erased: what names the crm_id again gets `CONTACT_DELETED`. Nothing personal is left beside it.
    pub erased: bool,
    pub underway: Option<Underway>,
    pub waiting: Vec<Waiting>,
    pub requests: Memory,
}

/// At the home of a chatroom id: under which phone it stands, and the requests that named it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChatroomRecord {
    pub decided_at: Instant,
    pub phone: Option<Phone>,
    /// The archive block that holds it, once it is too old for the entry.
    pub block: Option<u32>,
    pub requests: Memory,
}

/// At the home of an org: its settings as last accepted, and the requests that put them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrgRecord {
    pub decided_at: Instant,
    pub requests: Memory,
}
