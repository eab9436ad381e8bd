//! What is judged: messages, commands, the steps of commands between two homes, and the sweep of the timers.

use super::contact::{Contact, ProfileChange};
use super::effect::{Code, Conflict, Status};
use super::ids::{ChatroomId, ChatroomName, CrmId, ExternalRefId, IdHash, OrgId, RequestId, Slot, UserId};
use super::phone::{Phone, SpelledPhone};
use super::record::Key;
use super::settings::Content;
use super::time::Instant;
use std::sync::Arc;
use uuid::Uuid;

/// The record that all follows from. `origin` is opaque here: whoever publishes writes it and reads it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Made from the record's first position: what is made from it is the same at every replay.
    pub seed: Uuid,
    pub origin: Arc<[u8]>,
}

/// A record at its home, ready to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Fixed by the first task that read the record; the fold judges at the later of this and the entry's last.
    pub at: Instant,
    pub cause: Cause,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Inbound(Inbound),
    /// Boxed, as the step is, so that what is most common is small.
    Command(Box<Command>),
    Step(OrgId, Box<Step>),
    /// Fire what was due by `Event::at`; nothing else.
    Sweep(OrgId, Phone),
}

/// Who wrote: a phone, or (P3) a business-scoped user id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    Phone(SpelledPhone),
    User(UserId),
}

/// A message as routing sees it; its bytes stay with the cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    pub org: OrgId,
    pub from: Sender,
    pub waba_phone: Phone,
    pub message: IdHash,
    pub sent_at: Instant,
    /// `message.type` is `system`: not from a person (I9).
    pub system: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Api,
    Crm,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub org: OrgId,
    pub request: RequestId,
    pub request_hash: IdHash,
    pub via: Via,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    UpsertContact {
        crm_id: CrmId,
        phone_text: Arc<str>,
        profile: ProfileChange,
        created_at: Option<Instant>,
    },
    DeleteContact {
        crm_id: CrmId,
    },
    CreateChatroom(CreateChatroom),
    CreateAffiliate(CreateAffiliate),
    Activate(ChatroomName),
    Deactivate(ChatroomName),
    Expire(ChatroomName),
    Send(ChatroomName),
    /// None: a tombstone, which removes the org.
    PutSettings(Option<Content>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateChatroom {
    pub crm_id: CrmId,
    pub waba_phone: Phone,
    pub display_name: Option<Arc<str>>,
    pub external_ref_id: Option<ExternalRefId>,
    /// `fail_if_chatroom_exists_on_other_waba_phone` (R3).
    pub strict: bool,
    /// `next_free_waba_phone` (R3).
    pub next_free: bool,
    /// `deactivate_existing` (R4).
    pub deactivate_existing: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateAffiliate {
    /// Parsed by the first task that read the record.
    pub phone: SpelledPhone,
    pub waba_phone: Phone,
    pub display_name: Option<Arc<str>>,
    pub external_ref_id: Option<ExternalRefId>,
}

/// What a command came to: what its target's first home remembers, and a repeat is told as `first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub status: Status,
    pub code: Option<Code>,
    pub chatroom: Option<ChatroomId>,
}

/// One step of a command between the contact's home (the directory) and the phone's. The command travels whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To the phone's home: create the contact there, or update it.
    Upsert {
        command: Command,
        phone: SpelledPhone,
    },
    /// To the phone's home: the upsert's phone is none; `CONTACT_EXPIRED` comes before that, else a dead letter (P1).
    BadPhone {
        command: Command,
        phone: Phone,
        detail: Arc<str>,
    },
    CreateChatroom {
        command: Command,
        phone: Phone,
    },
    /// A repeat; only answered, with the state as it is now (K2). To the home of the chatroom that the first answer was
    /// about, which may stand under a phone that the contact has left; else to the phone's.
    Repeat {
        command: Command,
        phone: Phone,
        first: Answer,
    },
    /// To the old home: first step of a move.
    Leave {
        command: Command,
        phone: Phone,
        to: SpelledPhone,
    },
    /// To the new home: second step. No contact: it never stood at the old home, and is created.
    Attach {
        command: Command,
        from: Phone,
        to: SpelledPhone,
        contact: Option<Contact>,
    },
    /// To the old home: third step, the contact now stands under its new phone.
    Detach {
        command: Command,
        phone: Phone,
        moved: Contact,
    },
    /// To the old home: third step, the new home refused.
    Stay {
        command: Command,
        phone: Phone,
        code: Code,
        conflict: Option<Conflict>,
    },
    /// To each phone's home that the contact ever had (C5).
    Erase {
        command: Command,
        phone: Phone,
    },
    /// To the directory: the command is answered (None: it became a dead letter, forget its request), and whether the
    /// contact now stands under `phone`.
    Done {
        crm_id: CrmId,
        request: IdHash,
        answer: Option<Answer>,
        phone: Phone,
        attached: bool,
    },
    /// To the directory: nothing of the contact is left under that phone.
    Erased {
        crm_id: CrmId,
        phone: Phone,
    },
}

impl What {
    /// The contact that the command is for, if it is for one.
    #[must_use]
    pub fn crm_id(&self) -> Option<&CrmId> {
        match self {
            Self::UpsertContact { crm_id, .. } | Self::DeleteContact { crm_id } => Some(crm_id),
            Self::CreateChatroom(create) => Some(&create.crm_id),
            _ => None,
        }
    }
}

impl Inbound {
    /// The key at whose home the message is judged: its sender's.
    #[must_use]
    pub fn key(&self) -> Key {
        match &self.from {
            Sender::Phone(phone) => Key::Phone(self.org.clone(), phone.canonical),
            Sender::User(user) => Key::User(self.org.clone(), user.clone()),
        }
    }
}

impl Command {
    /// The key at whose home the command is judged first.
    #[must_use]
    pub fn key(&self) -> Key {
        let org = self.org.clone();
        match &self.what {
            What::UpsertContact { crm_id, .. } | What::DeleteContact { crm_id } => Key::Contact(org, crm_id.clone()),
            What::CreateChatroom(create) => Key::Contact(org, create.crm_id.clone()),
            What::CreateAffiliate(create) => Key::Phone(org, create.phone.canonical),
            What::Activate(room) | What::Deactivate(room) | What::Expire(room) | What::Send(room) => {
                Key::Chatroom(org, room.clone())
            }
            What::PutSettings(_) => Key::Org(org),
        }
    }
}

impl Step {
    /// The command that the step is of; the answers to the directory carry none.
    #[must_use]
    pub fn command(&self) -> Option<&Command> {
        match self {
            Self::Upsert { command, .. }
            | Self::BadPhone { command, .. }
            | Self::CreateChatroom { command, .. }
            | Self::Repeat { command, .. }
            | Self::Leave { command, .. }
            | Self::Attach { command, .. }
            | Self::Detach { command, .. }
            | Self::Stay { command, .. }
            | Self::Erase { command, .. } => Some(command),
            Self::Done { .. } | Self::Erased { .. } => None,
        }
    }

    /// What is passed on in its place if it can't be judged, so that nothing waits for it for ever. `FAILED` is its
    /// command's answer; of `Stay` it is the answer that the step itself will give.
    #[must_use]
    pub fn given_up(&self, org: &OrgId) -> Option<Self> {
        match self {
            Self::Done { .. } | Self::Erased { .. } | Self::Repeat { .. } => None,
            Self::Attach {
                command,
                from,
                contact: Some(_),
                ..
            } => Some(Self::Stay {
                command: command.clone(),
                phone: *from,
                code: Code::Failed,
                conflict: None,
            }),
            _ => {
                let command = self.command()?;
                let Key::Phone(_, phone) = self.key(org) else {
                    return None;
                };
                Some(Self::Done {
                    crm_id: command.what.crm_id()?.clone(),
                    request: command.request_hash,
                    answer: None,
                    phone,
                    attached: false,
                })
            }
        }
    }

    /// The key at whose home the step is judged.
    #[must_use]
    pub fn key(&self, org: &OrgId) -> Key {
        match self {
            Self::Upsert { phone, .. } => Key::Phone(org.clone(), phone.canonical),
            Self::Attach { to, .. } => Key::Phone(org.clone(), to.canonical),
            Self::Repeat {
                first: Answer { chatroom: Some(id), .. },
                ..
            } => Key::Chatroom(org.clone(), (*id).into()),
            Self::BadPhone { phone, .. }
            | Self::CreateChatroom { phone, .. }
            | Self::Repeat { phone, .. }
            | Self::Leave { phone, .. }
            | Self::Detach { phone, .. }
            | Self::Stay { phone, .. }
            | Self::Erase { phone, .. } => Key::Phone(org.clone(), *phone),
            Self::Done { crm_id, .. } | Self::Erased { crm_id, .. } => Key::Contact(org.clone(), crm_id.clone()),
        }
    }
}

impl Body {
    /// The key whose home judges this.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Inbound(inbound) => inbound.key(),
            Self::Command(command) => command.key(),
            Self::Step(org, step) => step.key(org),
            Self::Sweep(org, phone) => Key::Phone(org.clone(), *phone),
        }
    }

    #[must_use]
    pub fn org(&self) -> &OrgId {
        match self {
            Self::Inbound(inbound) => &inbound.org,
            Self::Command(command) => &command.org,
            Self::Step(org, _) | Self::Sweep(org, _) => org,
        }
    }
}

/// What the judgement needs from outside beside the records: all of it fixed before the fold begins.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The org's settings as the batch found them; None: never any, or removed for longer than we remember.
    pub settings: Option<&'a super::settings::OrgSettings>,
    /// The slot of the key that is judged: new chatrooms take it into their id.
    pub slot: Slot,
}
