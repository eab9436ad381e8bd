//! Where a contact stands. Its directory and its entry are read one after the other, from two partitions that are applied each
//! in its own time: what does not agree yet is read again.

use super::Inspector;
use crate::domain::chatroom::Chatroom;
use crate::domain::contact::Contact;
use crate::domain::directory::{Directory, Underway};
use crate::domain::entry::Entry;
use crate::domain::ids::{CrmId, OrgId};
use crate::domain::phone::Phone;
use crate::domain::record::{Key, Record};
use crate::failure::{Exit, Failure};
use std::sync::Arc;
use std::time::Duration;

const TRIES: u32 = 20;
const AGAIN: Duration = Duration::from_millis(50);

/// What became of a contact.
#[derive(Debug)]
pub enum Standing {
    /// None of that name was ever created.
    Unknown,
    /// Erased, or about to be.
    Erased,
    Here(Box<Here>),
}

/// A contact under its phone, with its chatrooms there.
#[derive(Debug)]
pub struct Here {
    pub phone: Phone,
    /// As the CRM wrote the phone.
    pub phone_text: Arc<str>,
    pub contact: Contact,
    pub chatrooms: Vec<Chatroom>,
}

impl Inspector {
    pub async fn standing(&mut self, org: &OrgId, crm_id: &CrmId) -> Result<Standing, Failure> {
        for _ in 0..TRIES {
            match self.stands_now(org, crm_id).await? {
                Some(standing) => return Ok(standing),
                None => tokio::time::sleep(AGAIN).await,
            }
        }
        let next = "try again";
        let sentence =
            format!("a part of the index lags behind another, so where a contact stands can't be said: {next}");
        Err(Failure::new(Exit::Unreachable, sentence))
    }

    /// None: one part of the index knows what another doesn't yet.
    async fn stands_now(&mut self, org: &OrgId, crm_id: &CrmId) -> Result<Option<Standing>, Failure> {
        let key = Key::Contact(org.clone(), crm_id.clone());
        let record = self.record(&key).await?;
        let Some(Record::Directory(directory)) = record.as_deref() else {
            return Ok(Some(Standing::Unknown));
        };
        if directory.erased || matches!(directory.underway, Some(Underway::Erasure { .. })) {
            return Ok(Some(Standing::Erased));
        }
        for (phone, text) in phones(directory) {
            if let Some(here) = self.under_phone(org, crm_id, (phone, text)).await? {
                return Ok(Some(Standing::Here(Box::new(here))));
            }
        }
        let stood = directory.held.as_ref().is_some_and(|held| held.attached);
        Ok((!stood).then_some(Standing::Unknown))
    }

    async fn under_phone(
        &mut self,
        org: &OrgId,
        crm_id: &CrmId,
        (phone, phone_text): (Phone, Arc<str>),
    ) -> Result<Option<Here>, Failure> {
        let Some(entry) = self.entry(org, phone).await? else {
            return Ok(None);
        };
        let Some(contact) = entry.contact(crm_id).cloned() else {
            return Ok(None);
        };
        let mut chatrooms = self.all_chatrooms(org, phone, &entry).await?;
        chatrooms.retain(|room| room.crm_id() == Some(crm_id));
        Ok(Some(Here {
            phone,
            phone_text,
            contact,
            chatrooms,
        }))
    }

    /// Those in the entry and those in its archive.
    pub(super) async fn all_chatrooms(
        &mut self,
        org: &OrgId,
        phone: Phone,
        entry: &Entry,
    ) -> Result<Vec<Chatroom>, Failure> {
        let mut chatrooms = entry.chatrooms.clone();
        for block in 0..entry.archived {
            let key = Key::Archive(org.clone(), phone, block);
            if let Some(Record::Archive(older)) = self.record(&key).await?.as_deref() {
                chatrooms.extend_from_slice(older);
            }
        }
        Ok(chatrooms)
    }
}

/// Where it may stand: under the phone that it moves to, once it is there, else under the one that it has.
fn phones(directory: &Directory) -> Vec<(Phone, Arc<str>)> {
    let to = match &directory.underway {
        Some(Underway::Move { to, text, .. }) => Some((to.canonical, text.clone())),
        _ => None,
    };
    let held = directory.held.as_ref();
    let held = held.map(|held| (held.phone.canonical, held.text.clone()));
    to.into_iter().chain(held).collect()
}
