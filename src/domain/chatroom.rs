//! A chatroom, its status, and the total order that "latest" means.

use super::ids::{ChatroomId, CrmId, ExternalRefId};
use super::phone::Phone;
use super::time::Instant;
use std::cmp::Ordering;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Contact(CrmId),
    /// Back office or partner, shared by many agents.
    Affiliate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatroomStatus {
    Active,
    Deactivated,
    Expired,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chatroom {
    pub id: ChatroomId,
    pub owner: Owner,
    pub waba_phone: Phone,
    pub status: ChatroomStatus,
    /// The instant of the last status change.
    pub since: Instant,
    pub created_at: Instant,
    pub activated_at: Instant,
    /// The last message from the contact; only moves forward (I8).
    pub last_message_at: Option<Instant>,
    /// Expired because its contact moved away: no candidate of I3.
    pub phone_changed: bool,
    pub display_name: Arc<str>,
    pub external_ref_id: Option<ExternalRefId>,
}

impl Chatroom {
    /// The order of "latest": last status change, last message from the contact, creation, id.
    #[must_use]
    pub fn cmp_latest(&self, other: &Self) -> Ordering {
        (self.since, self.last_message_at, self.created_at, self.id).cmp(&(
            other.since,
            other.last_message_at,
            other.created_at,
            other.id,
        ))
    }

    #[must_use]
    pub fn crm_id(&self) -> Option<&CrmId> {
        match &self.owner {
            Owner::Contact(crm_id) => Some(crm_id),
            Owner::Affiliate => None,
        }
    }

    /// The start of the inactivity clock (A2).
    #[must_use]
    pub fn active_since(&self) -> Instant {
        self.created_at
            .max(self.activated_at)
            .max(self.last_message_at.unwrap_or(self.created_at))
    }
}
