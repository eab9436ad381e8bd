//! What holds of all records at every instant, whatever came in, in whatever order.

use crate::domain::chatroom::Chatroom;
use crate::domain::contact::ContactStatus;
use crate::domain::entry::Entry;
use crate::domain::ids::CrmId;
use crate::domain::record::{Key, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub type Records = BTreeMap<Key, Arc<Record>>;

pub fn check(records: &Records) {
    let mut stands = BTreeSet::new();
    for (key, record) in records {
        if let (Key::Phone(..), Record::Entry(entry)) = (key, &**record) {
            check_entry(entry);
            for contact in entry.contacts.iter().filter(|contact| !contact.leaving) {
                assert!(
                    stands.insert(contact.crm_id.clone()),
                    "C3: {} under two phones",
                    contact.crm_id
                );
            }
        }
        check_pointer(records, key, record);
    }
}

fn check_entry(entry: &Entry) {
    let active: Vec<&Chatroom> = entry.chatrooms.iter().filter(|room| room.is_active()).collect();
    let pairs: BTreeSet<_> = active.iter().map(|room| room.waba_phone).collect();
    assert_eq!(pairs.len(), active.len(), "R7");
    let owners: Vec<&CrmId> = active.iter().filter_map(|room| room.crm_id()).collect();
    assert_eq!(owners.iter().collect::<BTreeSet<_>>().len(), owners.len(), "R8");
    let ids: BTreeSet<_> = entry.contacts.iter().map(|contact| &contact.crm_id).collect();
    assert_eq!(ids.len(), entry.contacts.len(), "C2");
    let open = |affiliate: bool| {
        let is_open = |room: &&Chatroom| !room.is_expired() && room.crm_id().is_none() == affiliate;
        entry.chatrooms.iter().filter(is_open).count()
    };
    let living = entry
        .contacts
        .iter()
        .filter(|contact| contact.status == ContactStatus::Active);
    assert!(living.count() == 0 || open(true) == 0, "C1, R6");
    for room in entry.chatrooms.iter().filter(|room| !room.is_expired()) {
        let owner = room.crm_id().map(|crm_id| entry.contact(crm_id));
        let lives = owner.is_none_or(|contact| contact.is_some_and(|held| held.status == ContactStatus::Active));
        assert!(lives, "C3, C4: a chatroom that outlives its contact");
    }
}

/// Every chatroom is found by its id, and nothing points where nothing is (C5).
fn check_pointer(records: &Records, key: &Key, record: &Record) {
    match (key, record) {
        (Key::Phone(org, phone), Record::Entry(entry)) => {
            for room in &entry.chatrooms {
                let pointer = records
                    .get(&Key::Chatroom(org.clone(), room.id.into()))
                    .map(|record| &**record);
                assert!(
                    matches!(pointer, Some(Record::Chatroom(found)) if found.phone == Some(*phone)),
                    "no way to it"
                );
            }
        }
        (Key::Chatroom(org, name), Record::Chatroom(pointer)) => {
            let Some(phone) = pointer.phone else { return };
            let entry = records.get(&Key::Phone(org.clone(), phone)).map(|record| &**record);
            let found = |entry: &Entry| name.id().is_some_and(|id| entry.chatroom(id).is_some());
            assert!(
                pointer.block.is_some() || matches!(entry, Some(Record::Entry(entry)) if found(entry)),
                "a pointer dangles"
            );
        }
        _ => {}
    }
}
