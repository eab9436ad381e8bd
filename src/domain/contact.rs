//! A contact: a lead in the org's CRM, as it stands under its phone.

use super::ids::CrmId;
use super::time::Instant;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactStatus {
    Active,
    Expired,
}

/// Names and attributes. `attributes` is a JSON object in canonical text, so that equal ones compare equal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    pub first_name: Option<Arc<str>>,
    pub last_name: Option<Arc<str>>,
    pub attributes: Option<Arc<str>>,
}

/// In an update absent keeps and null clears.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfileChange {
    pub first_name: Field<Arc<str>>,
    pub last_name: Field<Arc<str>>,
    pub attributes: Field<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    pub crm_id: CrmId,
    pub profile: Profile,
    pub status: ContactStatus,
    /// As the CRM says; the age clock (C4) starts here.
    pub created_at: Instant,
    /// The decision time at which we created it: settings replaced before do not judge it (I0).
    pub registered_at: Instant,
    /// Between `leave` and `detach` or `stay` of a move: its age clock stands still, its chatrooms go on (C3).
    pub leaving: bool,
}
