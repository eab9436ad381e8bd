//! Erases what one phone holds of a contact (C5): its entry, its archive, and the pointers to its chatrooms.

use super::archive;
use super::chatroom::{Chatroom, ChatroomStatus};
use super::commands::Opened;
use super::contacts::pass_on;
use super::draft::Draft;
use super::effect::Reason;
use super::entry::Entry;
use super::event::{Command, Step};
use super::follow;
use super::ids::{ChatroomId, OrgId};
use super::memory::Memory;
use super::phone::Phone;
use super::record::{Needs, Record};

/// Goes on even for an org that was removed meanwhile: an erasure that began has to end.
pub fn erase(draft: &mut Draft, command: &Command, phone: Phone) -> Result<(), Needs> {
    let Some(crm_id) = command.what.crm_id() else {
        return Ok(());
    };
    let mut opened = Opened::at(draft, &command.org, phone)?;
    archive::unpack(&mut opened.entry, &command.org, phone, draft)?;
    let of_others = |chatroom: &Chatroom| chatroom.crm_id() != Some(crm_id);
    let (kept, mut erased) = std::mem::take(&mut opened.entry.chatrooms)
        .into_iter()
        .partition::<Vec<_>, _>(of_others);
    opened.entry.chatrooms = kept;
    let contacts = opened.entry.contacts_mut();
    contacts.retain(|contact| contact.crm_id != *crm_id);
    for chatroom in &mut erased {
        if !chatroom.is_expired() {
            follow::turn(draft, command, chatroom, ChatroomStatus::Expired, Reason::Erased);
        }
    }
    let ids: Vec<ChatroomId> = erased.iter().map(|chatroom| chatroom.id).collect();
    forget_chatrooms(draft, &command.org, &ids)?;
    let erased = Step::Erased {
        crm_id: crm_id.clone(),
        phone,
    };
    pass_on(draft, &command.org, erased);
    close(draft, opened)
}

/// Commands that name one of them find nothing any more; the requests that named it are still known (K2).
fn forget_chatrooms(draft: &mut Draft, org: &OrgId, ids: &[ChatroomId]) -> Result<(), Needs> {
    let keys = archive::pointers(org, ids.iter().copied());
    draft.load_all(&keys)?;
    for key in keys {
        let mut record = draft.chatroom_record(&key)?;
        record.phone = None;
        record.block = None;
        if is_blank(&record.requests) {
            draft.delete(key);
        } else {
            draft.put(key, Record::Chatroom(record));
        }
    }
    Ok(())
}

/// With nobody left under the phone nothing is left of it but what I7, I11 and K2 still need: ids as keyed hashes, and how
/// often it was answered.
fn close(draft: &mut Draft, mut opened: Opened) -> Result<(), Needs> {
    if !is_deserted(&opened.entry) {
        return opened.close(draft);
    }
    opened.entry.spelling = None;
    if is_blank(&opened.entry.messages) && is_blank(&opened.entry.requests) {
        draft.delete(opened.key);
        return Ok(());
    }
    opened.close(draft)
}

fn is_deserted(entry: &Entry) -> bool {
    entry.contacts.is_empty() && entry.chatrooms.is_empty() && entry.archived == 0
}

fn is_blank(memory: &Memory) -> bool {
    memory.recent.is_empty() && memory.buckets == 0
}
