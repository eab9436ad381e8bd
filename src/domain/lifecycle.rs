//! The changes of status that a contact and a chatroom can go through, and the events that tell of them. Decides nothing.

use super::chatroom::{Chatroom, ChatroomStatus};
use super::effect::{ChatroomView, Consequence, Happening, Lifecycle, Reason, Subject};
use super::ids::{CrmId, OrgId};
use super::time::Instant;

impl Chatroom {
    #[must_use]
    pub fn view(&self) -> ChatroomView {
        ChatroomView {
            id: self.id,
            crm_id: self.crm_id().cloned(),
            waba_phone: self.waba_phone,
            status: self.status,
            since: self.since,
        }
    }

    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == ChatroomStatus::Active
    }

    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.status == ChatroomStatus::Expired
    }

    /// Changes the status; an activation restarts the inactivity clock (A2).
    pub fn turn(&mut self, status: ChatroomStatus, at: Instant) {
        self.status = status;
        self.since = at;
        if status == ChatroomStatus::Active {
            self.activated_at = at;
        }
    }

    /// What happened to this chatroom when it took the status that it has now; no request led to it.
    #[must_use]
    pub fn told(&self, org: &OrgId, reason: Reason) -> Consequence {
        let happening = match self.status {
            ChatroomStatus::Active => Happening::ChatroomActivated,
            ChatroomStatus::Deactivated => Happening::ChatroomDeactivated,
            ChatroomStatus::Expired => Happening::ChatroomExpired,
        };
        let occurred_at = self.since;
        Consequence::Lifecycle(Box::new(Lifecycle {
            org: org.clone(),
            happening,
            subject: Subject::Chatroom(self.view()),
            reason,
            occurred_at,
            request: None,
            created: None,
        }))
    }
}

/// A contact reached its age (C4).
#[must_use]
pub fn contact_expired(org: &OrgId, crm_id: &CrmId, occurred_at: Instant) -> Consequence {
    Consequence::Lifecycle(Box::new(Lifecycle {
        org: org.clone(),
        happening: Happening::ContactExpired,
        subject: Subject::Contact(crm_id.clone()),
        reason: Reason::Age,
        occurred_at,
        request: None,
        created: None,
    }))
}
