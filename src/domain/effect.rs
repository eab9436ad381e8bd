//! What follows from a judgement, as values. The shell publishes them; it decides nothing.

use super::chatroom::ChatroomStatus;
use super::contact::ContactStatus;
use super::event::{Cause, Step};
use super::ids::{ChatroomId, CrmId, ExternalRefId, OrgId, RequestId};
use super::phone::Phone;
use super::settings::{Content, DaysChange};
use super::time::Instant;
use std::sync::Arc;

/// What an effect follows from: its `ce_id` is made of this, so that a late sweep and an early one give the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Record(Cause),
    /// A timer that fired at this instant; no request and no trace led to it.
    Timer(Instant),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    pub source: Source,
    pub what: Consequence,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consequence {
    Routed(Routed),
    Unrouted(Unrouted),
    /// Boxed, as others that are large, so that what is most common is small.
    Lifecycle(Box<Lifecycle>),
    Outbound(Outbound),
    Result(Box<CommandResult>),
    DeadLetter(DeadLetter),
    /// A step for the home of another key (or this one's): goes through `router-commands`.
    PassOn(Box<Passed>),
    /// Settings accepted: goes to `router-settings`.
    Settings(Box<AcceptedSettings>),
    /// Nothing is published; it is counted.
    Counted(Counted),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    pub org: OrgId,
    pub at: Instant,
    pub step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The repeat of a routed message.
    RepeatOfRouted,
    /// The repeat of an unrouted message that still has nowhere to go.
    RepeatOfUnrouted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub reason: DeadReason,
    pub detail: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadReason {
    NotJson,
    Malformed,
    BadPhone,
    BadSettings,
    TooLarge,
    CannotBeJudged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteReason {
    Active,
    Reactivated,
    Expired,
    /// A system message to a deactivated chatroom (I9).
    Deactivated,
}

/// The rule that chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteRule {
    I1,
    I2,
    I3,
    I4,
    I9,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoReplyOutcome {
    Sent,
    NotAPerson,
    NotConfigured,
    TooOld,
    RateLimited,
}

/// A chatroom that routing saw, as it was before the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub chatroom_id: ChatroomId,
    pub crm_id: Option<CrmId>,
    pub waba_phone: Phone,
    pub status: ChatroomStatus,
    pub since: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    pub chatroom: ChatroomView,
    /// Best first, 20 at most.
    pub candidates: Vec<Candidate>,
    pub reason: RouteReason,
    pub rule: RouteRule,
    pub auto_reply: Option<AutoReplyOutcome>,
    pub settings_version: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnroutedReason {
    UnknownOrg,
    UnknownWabaPhone,
    NoPhone,
    NoChatroom,
    NoContact,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrouted {
    pub reason: UnroutedReason,
    pub crm_ids: Vec<CrmId>,
    pub settings_version: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    ContactCreated,
    ContactUpdated,
    ContactMoved,
    ContactExpired,
    ContactDeleted,
    ChatroomCreated,
    ChatroomActivated,
    ChatroomDeactivated,
    ChatroomExpired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Api,
    Crm,
    Inbound,
    Inactivity,
    Age,
    Superseded,
    PhoneChanged,
    Erased,
}

/// The chatroom a lifecycle event is about; None for a contact's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatroomView {
    pub id: ChatroomId,
    pub crm_id: Option<CrmId>,
    pub waba_phone: Phone,
    pub status: ChatroomStatus,
    pub since: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    pub org: OrgId,
    pub happening: Happening,
    pub subject: Subject,
    pub reason: Reason,
    /// When a timer was due; of all else the decision time.
    pub occurred_at: Instant,
    pub request: Option<RequestId>,
    /// Only with `ChatroomCreated`.
    pub created: Option<CreatedDetails>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Contact(CrmId),
    Chatroom(ChatroomView),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedDetails {
    pub display_name: Arc<str>,
    pub external_ref_id: Option<ExternalRefId>,
}

/// A message that leaves. The agent's own words stay with the cause; the auto-reply's are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    pub chatroom_id: ChatroomId,
    pub waba_phone: Phone,
    /// The canonical spelling, for the key.
    pub phone: Phone,
    /// The way it was last received.
    pub to: Phone,
    pub auto_reply: Option<AutoReplySent>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoReplySent {
    pub text: Arc<str>,
    pub not_after: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Applied,
    Unchanged,
    Refused,
    Duplicate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    UnknownOrg,
    UnknownWabaPhone,
    ContactNotFound,
    ContactExpired,
    ContactDeleted,
    PhoneIsAffiliate,
    PhoneHasContacts,
    PhoneFull,
    ChatroomNotFound,
    ChatroomConflict,
    ChatroomDeactivated,
    ChatroomExpired,
    NotAnAffiliate,
    Busy,
    Failed,
}

/// `type` of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandType {
    ContactUpsert,
    ContactDelete,
    ChatroomCreate,
    ChatroomActivate,
    ChatroomDeactivate,
    ChatroomExpire,
    OutboundSend,
    SettingsPut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactView {
    pub crm_id: CrmId,
    pub status: ContactStatus,
    pub created_at: Instant,
}

/// What stands in the way: a chatroom, or the contacts of `PHONE_HAS_CONTACTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub chatroom: Option<ConflictingChatroom>,
    pub crm_ids: Vec<CrmId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictingChatroom {
    pub id: ChatroomId,
    pub crm_id: Option<CrmId>,
    pub waba_phone: Phone,
}

/// The one result of a command. `chatroom` for commands on chatrooms and messages, `contact` for those on contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    pub request: RequestId,
    pub org: OrgId,
    pub kind: CommandType,
    pub status: Status,
    pub code: Option<Code>,
    /// What only the one who refused can say. None: the contract has a sentence for each code.
    pub detail: Option<Arc<str>>,
    pub chatroom: Option<ChatroomView>,
    pub contact: Option<ContactView>,
    pub conflict: Option<Conflict>,
    pub first: Option<(Status, Option<Code>)>,
    /// None for settings, and where the org has none.
    pub settings_version: Option<i64>,
    pub decided_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedSettings {
    pub org: OrgId,
    /// None: removed.
    pub content: Option<Content>,
    /// The changes of days before this version, oldest first; its own begins at its append time.
    pub changes: Vec<DaysChange>,
}
