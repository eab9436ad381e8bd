//! The checks that may refuse a command, each by its rule's number. None changes anything.

use super::chatroom::{Chatroom, Owner};
use super::contact::{Contact, ContactStatus};
use super::draft::Draft;
use super::effect::Code;
use super::entry::{Entry, MAX_CHATROOMS, MAX_CONTACTS};
use super::event::CreateChatroom;
use super::ids::{ChatroomId, CrmId};
use super::phone::Phone;
use super::settings::Content;
use super::verdict::Refusal;
use std::sync::Arc;

/// The settings in force. Without any the org is unknown.
pub fn known_org<'a>(draft: &Draft<'a>) -> Result<&'a Content, Refusal> {
    let content = draft.around.settings.and_then(|settings| settings.content.as_ref());
    content.ok_or_else(|| Code::UnknownOrg.into())
}

/// R5: the org's own number, as the settings have it now.
pub fn registered(content: &Content, waba_phone: Phone) -> Result<(), Refusal> {
    if content.registers(waba_phone) {
        Ok(())
    } else {
        Err(Code::UnknownWabaPhone.into())
    }
}

/// R5: exists and is not expired.
pub fn living_contact<'e>(entry: &'e Entry, crm_id: &CrmId) -> Result<&'e Contact, Refusal> {
    let contact = entry.contact(crm_id).ok_or(Code::ContactNotFound)?;
    match contact.status {
        ContactStatus::Active => Ok(contact),
        ContactStatus::Expired => Err(Code::ContactExpired.into()),
    }
}

/// R1, A3: no other chatroom is ACTIVE on the pair. Those of the same contact give way (R8), an affiliate's don't.
pub fn free_pair(entry: &Entry, waba_phone: Phone, owner: &Owner, own: Option<ChatroomId>) -> Result<(), Refusal> {
    let gives_way = |chatroom: &Chatroom| match owner {
        Owner::Contact(_) => chatroom.owner == *owner,
        Owner::Affiliate => Some(chatroom.id) == own,
    };
    let stands =
        |chatroom: &&Chatroom| chatroom.waba_phone == waba_phone && chatroom.is_active() && !gives_way(chatroom);
    match entry.chatrooms.iter().find(stands) {
        Some(chatroom) => Err(Refusal::by_chatroom(Code::ChatroomConflict, chatroom)),
        None => Ok(()),
    }
}

/// R3, the strict flag: no other contact's chatroom is ACTIVE on another WABA phone of the org. A number that is no longer
/// registered is none. Of several the latest is named.
pub fn strict(entry: &Entry, content: &Content, create: &CreateChatroom) -> Result<(), Refusal> {
    let stands = |chatroom: &&Chatroom| {
        let of_another = chatroom.crm_id().is_some_and(|crm_id| *crm_id != create.crm_id);
        let elsewhere = chatroom.waba_phone != create.waba_phone && content.registers(chatroom.waba_phone);
        of_another && chatroom.is_active() && elsewhere
    };
    let in_the_way = entry.chatrooms.iter().filter(stands);
    match in_the_way.max_by(|a, b| a.cmp_latest(b)) {
        Some(chatroom) if create.strict => Err(Refusal::by_chatroom(Code::ChatroomConflict, chatroom)),
        _ => Ok(()),
    }
}

/// R1 with the other flag of R3: the WABA phone on which the chatroom may open.
pub fn open_on(entry: &Entry, content: &Content, create: &CreateChatroom) -> Result<Phone, Refusal> {
    let owner = Owner::Contact(create.crm_id.clone());
    let taken = match free_pair(entry, create.waba_phone, &owner, None) {
        Err(refusal) if create.next_free => refusal,
        decided => return decided.map(|()| create.waba_phone),
    };
    let phones = content.waba_phones.iter().map(|waba| waba.phone);
    let asked = phones.clone().position(|phone| phone == create.waba_phone);
    let mut round = phones.clone().cycle().skip(asked.unwrap_or(0)).take(phones.len());
    round
        .find(|phone| free_pair(entry, *phone, &owner, None).is_ok())
        .ok_or(taken)
}

/// R9 for chatrooms.
pub fn room_for_chatroom(entry: &Entry) -> Result<(), Refusal> {
    let open = entry.chatrooms.iter().filter(|chatroom| !chatroom.is_expired());
    if open.count() < MAX_CHATROOMS {
        Ok(())
    } else {
        Err(Code::PhoneFull.into())
    }
}

/// R9 for contacts.
pub fn room_for_contact(entry: &Entry) -> Result<(), Refusal> {
    if entry.living_contacts().count() < MAX_CONTACTS {
        Ok(())
    } else {
        Err(Code::PhoneFull.into())
    }
}

/// C1: no affiliate chatroom that is not expired uses the phone.
pub fn no_affiliate(entry: &Entry) -> Result<(), Refusal> {
    let reserves = |chatroom: &&Chatroom| chatroom.owner == Owner::Affiliate && !chatroom.is_expired();
    match entry.chatrooms.iter().find(reserves) {
        Some(chatroom) => Err(Refusal::by_chatroom(Code::PhoneIsAffiliate, chatroom)),
        None => Ok(()),
    }
}

/// R6: no contact that is not expired holds the phone; one that is about to leave it still does.
pub fn no_contacts(entry: &Entry) -> Result<(), Refusal> {
    let crm_ids: Vec<CrmId> = entry.living_contacts().map(|contact| contact.crm_id.clone()).collect();
    if crm_ids.is_empty() {
        Ok(())
    } else {
        Err(Refusal::by_contacts(crm_ids))
    }
}

impl Entry {
    #[must_use]
    pub fn contact(&self, crm_id: &CrmId) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.crm_id == *crm_id)
    }

    pub fn contacts_mut(&mut self) -> &mut Vec<Contact> {
        Arc::make_mut(&mut self.contacts)
    }

    pub fn contact_mut(&mut self, crm_id: &CrmId) -> Option<&mut Contact> {
        let mut contacts = self.contacts_mut().iter_mut();
        contacts.find(|contact| contact.crm_id == *crm_id)
    }

    #[must_use]
    pub fn chatroom(&self, id: ChatroomId) -> Option<&Chatroom> {
        self.chatrooms.iter().find(|chatroom| chatroom.id == id)
    }

    pub fn living_contacts(&self) -> impl Iterator<Item = &Contact> {
        let lives = |contact: &&Contact| contact.status == ContactStatus::Active;
        self.contacts.iter().filter(lives)
    }
}
