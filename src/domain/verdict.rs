//! What a command came to, and its one result (K1). It decides nothing; the words of a refusal are the contract's.

use super::chatroom::Chatroom;
use super::contact::Contact;
use super::draft::Draft;
use super::effect::{
    ChatroomView, Code, CommandResult, CommandType, Conflict, ConflictingChatroom, Consequence, ContactView, Status,
};
use super::event::{Answer, Command, What};
use super::ids::CrmId;

/// Why a check said no, and what stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub conflict: Option<Conflict>,
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, conflict: None }
    }
}

impl Refusal {
    /// By a chatroom that stands in the way.
    #[must_use]
    pub fn by_chatroom(code: Code, chatroom: &Chatroom) -> Self {
        let chatroom = ConflictingChatroom {
            id: chatroom.id,
            crm_id: chatroom.crm_id().cloned(),
            waba_phone: chatroom.waba_phone,
        };
        let conflict = Conflict {
            chatroom: Some(chatroom),
            crm_ids: Vec::new(),
        };
        Self {
            code,
            conflict: Some(conflict),
        }
    }

    /// By contacts that hold the phone (R6).
    #[must_use]
    pub fn by_contacts(crm_ids: Vec<CrmId>) -> Self {
        let conflict = Conflict {
            chatroom: None,
            crm_ids,
        };
        Self {
            code: Code::PhoneHasContacts,
            conflict: Some(conflict),
        }
    }
}

/// What a command came to, with the state after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub status: Status,
    pub refusal: Option<Refusal>,
    pub chatroom: Option<ChatroomView>,
    pub contact: Option<ContactView>,
    first: Option<Answer>,
}

impl Verdict {
    fn new(status: Status) -> Self {
        Self {
            status,
            refusal: None,
            chatroom: None,
            contact: None,
            first: None,
        }
    }

    #[must_use]
    pub fn applied() -> Self {
        Self::new(Status::Applied)
    }

    #[must_use]
    pub fn unchanged() -> Self {
        Self::new(Status::Unchanged)
    }

    #[must_use]
    pub fn refused(refusal: impl Into<Refusal>) -> Self {
        let mut verdict = Self::new(Status::Refused);
        verdict.refusal = Some(refusal.into());
        verdict
    }

    /// A repeat, which had no effect (K2).
    #[must_use]
    pub fn duplicate(first: Answer) -> Self {
        let mut verdict = Self::new(Status::Duplicate);
        verdict.first = Some(first);
        verdict
    }

    #[must_use]
    pub fn of_chatroom(mut self, chatroom: Option<&Chatroom>) -> Self {
        self.chatroom = chatroom.map(Chatroom::view);
        self
    }

    #[must_use]
    pub fn of_contact(mut self, contact: Option<&Contact>) -> Self {
        self.contact = contact.map(|contact| ContactView {
            crm_id: contact.crm_id.clone(),
            status: contact.status,
            created_at: contact.created_at,
        });
        self
    }

    /// What is remembered of it.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer {
            status: self.status,
            code: self.refusal.as_ref().map(|refusal| refusal.code),
            chatroom: self.chatroom.as_ref().map(|chatroom| chatroom.id),
        }
    }

    /// Publishes it as the command's result.
    pub fn tell(self, draft: &mut Draft, command: &Command) {
        let settings = draft.around.settings.filter(|settings| settings.content.is_some());
        let settings_version = match command.what {
            What::PutSettings(_) => None,
            _ => settings.map(|settings| settings.version),
        };
        let result = CommandResult {
            request: command.request.clone(),
            org: command.org.clone(),
            kind: command.kind(),
            status: self.status,
            code: self.refusal.as_ref().map(|refusal| refusal.code),
            detail: None,
            chatroom: self.chatroom,
            contact: self.contact,
            conflict: self.refusal.and_then(|refusal| refusal.conflict),
            first: self.first.map(|first| (first.status, first.code)),
            settings_version,
            decided_at: draft.at,
        };
        draft.emit(Consequence::Result(Box::new(result)));
    }
}

impl Command {
    /// `type` of its result.
    #[must_use]
    pub fn kind(&self) -> CommandType {
        match self.what {
            What::UpsertContact { .. } => CommandType::ContactUpsert,
            What::DeleteContact { .. } => CommandType::ContactDelete,
            What::CreateChatroom(_) | What::CreateAffiliate(_) => CommandType::ChatroomCreate,
            What::Activate(_) => CommandType::ChatroomActivate,
            What::Deactivate(_) => CommandType::ChatroomDeactivate,
            What::Expire(_) => CommandType::ChatroomExpire,
            What::Send(_) => CommandType::OutboundSend,
            What::PutSettings(_) => CommandType::SettingsPut,
        }
    }
}
