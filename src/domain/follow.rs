//! The events that follow from a command: each carries its request, and the reason `api` or `crm` unless it has a word
//! of its own (A1). All happen at the decision time.

use super::chatroom::{Chatroom, ChatroomStatus};
use super::draft::Draft;
use super::effect::{Consequence, CreatedDetails, Happening, Lifecycle, Reason, Subject};
use super::entry::Entry;
use super::event::{Command, Via};
use super::ids::{ChatroomId, CrmId};

impl Command {
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.via {
            Via::Api => Reason::Api,
            Via::Crm => Reason::Crm,
        }
    }
}

/// Something happened to a contact.
pub fn contact(draft: &mut Draft, command: &Command, crm_id: &CrmId, happening: Happening) {
    let reason = match happening {
        Happening::ContactExpired => Reason::Age,
        _ => command.reason(),
    };
    let event = lifecycle(draft, command, (happening, reason), Subject::Contact(crm_id.clone()));
    draft.emit(Consequence::Lifecycle(Box::new(event)));
}

/// A chatroom takes another status.
pub fn turn(draft: &mut Draft, command: &Command, chatroom: &mut Chatroom, status: ChatroomStatus, reason: Reason) {
    chatroom.turn(status, draft.at);
    let happening = match status {
        ChatroomStatus::Active => Happening::ChatroomActivated,
        ChatroomStatus::Deactivated => Happening::ChatroomDeactivated,
        ChatroomStatus::Expired => Happening::ChatroomExpired,
    };
    let event = lifecycle(draft, command, (happening, reason), Subject::Chatroom(chatroom.view()));
    draft.emit(Consequence::Lifecycle(Box::new(event)));
}

/// A chatroom opened; it is active, and no second event says so.
pub fn opened(draft: &mut Draft, command: &Command, chatroom: &Chatroom) {
    let what = (Happening::ChatroomCreated, command.reason());
    let mut event = lifecycle(draft, command, what, Subject::Chatroom(chatroom.view()));
    event.created = Some(CreatedDetails {
        display_name: chatroom.display_name.clone(),
        external_ref_id: chatroom.external_ref_id.clone(),
    });
    draft.emit(Consequence::Lifecycle(Box::new(event)));
}

/// R8: what else is active of the same contact gives way, before the one that takes its place is told of.
pub fn supersede(draft: &mut Draft, command: &Command, entry: &mut Entry, crm_id: &CrmId, but: Option<ChatroomId>) {
    let gives_way = |chatroom: &&mut Chatroom| {
        chatroom.crm_id() == Some(crm_id) && chatroom.is_active() && Some(chatroom.id) != but
    };
    for chatroom in entry.chatrooms.iter_mut().filter(gives_way) {
        turn(
            draft,
            command,
            chatroom,
            ChatroomStatus::Deactivated,
            Reason::Superseded,
        );
    }
}

fn lifecycle(draft: &Draft, command: &Command, what: (Happening, Reason), subject: Subject) -> Lifecycle {
    Lifecycle {
        org: command.org.clone(),
        happening: what.0,
        subject,
        reason: what.1,
        occurred_at: draft.at,
        request: Some(command.request.clone()),
        created: None,
    }
}
