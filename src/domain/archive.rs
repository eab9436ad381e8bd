//! Keeps an entry small: beyond the 64 latest expired chatrooms of a WABA phone, older ones live in blocks of their own.
//!
//! No rule that routes ever reads a block: what leaves an entry is older than the 64 that stay, of its own WABA phone,
//! and what can't be a candidate leaves first. So an entry that has archived a candidate still holds 64 better ones.
//! Only an erasure takes expired chatrooms out of an entry; it unpacks the blocks first, so that this stays true.

use super::chatroom::Chatroom;
use super::draft::Draft;
use super::entry::{EXPIRED_KEPT_PER_WABA_PHONE, Entry};
use super::ids::{ChatroomId, OrgId};
use super::phone::Phone;
use super::record::{Key, Needs, Record};
use std::collections::HashSet;

const BLOCK: usize = 64;

/// Archives what is too old for the entry. `Draft::put_entry` calls it, so no other caller has to.
pub fn settle(entry: &mut Entry, org: &OrgId, phone: Phone, draft: &mut Draft) -> Result<(), Needs> {
    let leaving = too_old(&entry.chatrooms);
    if leaving.is_empty() {
        return Ok(());
    }
    draft.load_all(&pointers(org, leaving.iter().copied()))?;
    let (moved, kept) = std::mem::take(&mut entry.chatrooms)
        .into_iter()
        .partition(|room| leaving.contains(&room.id));
    entry.chatrooms = kept;
    let mut rest: Vec<Chatroom> = moved;
    let mut filling = last_block(entry, org, phone, draft)?;
    while !rest.is_empty() {
        if filling.len() >= BLOCK || entry.archived == 0 {
            entry.archived += 1;
            filling.clear();
        }
        let number = entry.archived - 1;
        let room = BLOCK.saturating_sub(filling.len()).min(rest.len());
        for chatroom in rest.drain(..room) {
            point(org, chatroom.id, Some(number), draft)?;
            filling.push(chatroom);
        }
        draft.put(
            Key::Archive(org.clone(), phone, number),
            Record::Archive(filling.clone()),
        );
    }
    Ok(())
}

/// Brings all archived chatrooms back into the entry; what is still too old is archived again when it is put.
pub fn unpack(entry: &mut Entry, org: &OrgId, phone: Phone, draft: &mut Draft) -> Result<(), Needs> {
    let blocks: Vec<Key> = (0..entry.archived)
        .map(|n| Key::Archive(org.clone(), phone, n))
        .collect();
    draft.load_all(&blocks)?;
    for key in blocks {
        let chatrooms = block(&key, draft)?;
        draft.load_all(&pointers(org, chatrooms.iter().map(|room| room.id)))?;
        for chatroom in chatrooms {
            point(org, chatroom.id, None, draft)?;
            entry.chatrooms.push(chatroom);
        }
        draft.delete(key);
    }
    entry.archived = 0;
    Ok(())
}

/// The chatroom with that id in that block.
pub fn find(org: &OrgId, phone: Phone, number: u32, id: ChatroomId, draft: &Draft) -> Result<Option<Chatroom>, Needs> {
    let chatrooms = block(&Key::Archive(org.clone(), phone, number), draft)?;
    Ok(chatrooms.into_iter().find(|chatroom| chatroom.id == id))
}

/// Of each WABA phone, the expired ones beyond the 64 latest; those of I3's exception go first.
fn too_old(chatrooms: &[Chatroom]) -> HashSet<ChatroomId> {
    let mut expired: Vec<&Chatroom> = chatrooms.iter().filter(|room| room.is_expired()).collect();
    if expired.len() <= EXPIRED_KEPT_PER_WABA_PHONE {
        return HashSet::new();
    }
    expired.sort_by(|a, b| {
        let rank = |room: &Chatroom| (room.waba_phone, room.phone_changed);
        rank(a).cmp(&rank(b)).then_with(|| b.cmp_latest(a))
    });
    let of_each = expired.chunk_by(|a, b| a.waba_phone == b.waba_phone);
    of_each
        .flat_map(|rooms| rooms.iter().skip(EXPIRED_KEPT_PER_WABA_PHONE))
        .map(|room| room.id)
        .collect()
}

fn last_block(entry: &Entry, org: &OrgId, phone: Phone, draft: &Draft) -> Result<Vec<Chatroom>, Needs> {
    match entry.archived.checked_sub(1) {
        Some(number) => block(&Key::Archive(org.clone(), phone, number), draft),
        None => Ok(Vec::new()),
    }
}

fn block(key: &Key, draft: &Draft) -> Result<Vec<Chatroom>, Needs> {
    Ok(match draft.load(key)?.as_deref() {
        Some(Record::Archive(chatrooms)) => chatrooms.clone(),
        _ => Vec::new(),
    })
}

/// Writes into the chatroom's own record where it is now.
fn point(org: &OrgId, id: ChatroomId, number: Option<u32>, draft: &mut Draft) -> Result<(), Needs> {
    let key = Key::Chatroom(org.clone(), id.into());
    let mut record = draft.chatroom_record(&key)?;
    record.block = number;
    draft.put(key, Record::Chatroom(record));
    Ok(())
}

/// The chatrooms' own records.
pub fn pointers(org: &OrgId, ids: impl Iterator<Item = ChatroomId>) -> Vec<Key> {
    ids.map(|id| Key::Chatroom(org.clone(), id.into())).collect()
}
