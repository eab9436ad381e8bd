//! Opens chatrooms: a contact's (R1 to R5, R8, R9) and an affiliate's (R6). Judged at the home of the phone.

use super::chatroom::{Chatroom, ChatroomStatus, Owner};
use super::checks;
use super::commands::Opened;
use super::contact::Contact;
use super::draft::Draft;
use super::entry::Entry;
use super::event::{Command, CreateAffiliate, CreateChatroom};
use super::follow;
use super::ids::{ChatroomId, ExternalRefId};
use super::memory::{Outcome, Shelf};
use super::phone::Phone;
use super::record::{Key, Needs, Record};
use super::verdict::{Refusal, Verdict};
use std::sync::Arc;

/// What an affiliate's chatroom is called that was given no name: there is no contact to take one from.
const AFFILIATE_NAME: &str = "Affiliate";

/// R1 to R5, R8, R9. `opened` is where the contact should stand.
pub fn for_contact(
    draft: &mut Draft,
    command: &Command,
    create: &CreateChatroom,
    opened: &mut Opened,
) -> Result<Verdict, Needs> {
    let room = match place(draft, create, &opened.entry) {
        Ok(Place::Has(id)) => return Ok(Verdict::unchanged().of_chatroom(opened.entry.chatroom(id))),
        Ok(Place::On(waba_phone)) => Room {
            waba_phone,
            owner: Owner::Contact(create.crm_id.clone()),
            display_name: display_name(create, opened.entry.contact(&create.crm_id)),
            external_ref_id: create.external_ref_id.clone(),
        },
        Err(refusal) => return Ok(Verdict::refused(refusal)),
    };
    follow::supersede(draft, command, &mut opened.entry, &create.crm_id, None);
    open(draft, command, opened, room)
}

/// R6, judged with its own memory of requests: the target of the command is the phone (K2).
pub fn create_affiliate(draft: &mut Draft, command: &Command, create: &CreateAffiliate) -> Result<(), Needs> {
    let mut opened = Opened::at(draft, &command.org, create.phone.canonical)?;
    let key = opened.key.clone();
    let shelf = Shelf::requests(&key);
    let first = shelf.recall(draft, &opened.entry.requests, command.request_hash)?;
    let repeated = first.and_then(|first| first.answer());
    let verdict = match (checks::known_org(draft), repeated) {
        (Err(refusal), _) => Verdict::refused(refusal),
        (Ok(_), Some(first)) => {
            let chatroom = first
                .chatroom
                .map(|id| locate(draft, &opened, id))
                .transpose()?
                .flatten();
            Verdict::duplicate(first).of_chatroom(chatroom.as_ref())
        }
        (Ok(_), None) => for_affiliate(draft, command, create, &mut opened)?,
    };
    if first.is_none() {
        let outcome = Outcome::from(verdict.answer());
        shelf.remember(draft, &mut opened.entry.requests, command.request_hash, outcome)?;
    }
    verdict.tell(draft, command);
    opened.close(draft)
}

/// Where a chatroom stands that an earlier answer was about: in this entry, or in its archive.
pub fn locate(draft: &Draft, opened: &Opened, id: ChatroomId) -> Result<Option<Chatroom>, Needs> {
    let Key::Phone(org, _) = &opened.key else {
        return Ok(None);
    };
    let record = draft.chatroom_record(&Key::Chatroom(org.clone(), id.into()))?;
    super::commands::find(draft, &opened.entry, org, (id, &record))
}

/// What the checks found: the chatroom that it has (R2), or the WABA phone on which one may open.
enum Place {
    Has(ChatroomId),
    On(Phone),
}

/// All that may refuse, in its order; nothing is changed before the last has agreed (R4).
fn place(draft: &Draft, create: &CreateChatroom, entry: &Entry) -> Result<Place, Refusal> {
    let content = checks::known_org(draft)?;
    checks::living_contact(entry, &create.crm_id)?;
    checks::registered(content, create.waba_phone)?;
    // The same record judged twice finds its own chatroom, even where R4 would open another.
    let id = new_id(draft);
    let opened_before = entry.chatroom(id).map(|chatroom| chatroom.id);
    let open = |chatroom: &&Chatroom| chatroom.crm_id() == Some(&create.crm_id) && !chatroom.is_expired();
    let existing = entry
        .chatrooms
        .iter()
        .filter(open)
        .max_by(|a, b| a.is_active().cmp(&b.is_active()).then_with(|| a.cmp_latest(b)))
        .map(|chatroom| chatroom.id)
        .filter(|_| !create.deactivate_existing);
    if let Some(id) = opened_before.or(existing) {
        return Ok(Place::Has(id));
    }
    checks::strict(entry, content, create)?;
    let waba_phone = checks::open_on(entry, content, create)?;
    checks::room_for_chatroom(entry)?;
    Ok(Place::On(waba_phone))
}

fn for_affiliate(
    draft: &mut Draft,
    command: &Command,
    create: &CreateAffiliate,
    opened: &mut Opened,
) -> Result<Verdict, Needs> {
    match place_affiliate(draft, create, &opened.entry) {
        Ok(Some(id)) => return Ok(Verdict::unchanged().of_chatroom(opened.entry.chatroom(id))),
        Ok(None) => {}
        Err(refusal) => return Ok(Verdict::refused(refusal)),
    }
    opened.entry.spelling.get_or_insert(create.phone.spelled);
    let room = Room {
        waba_phone: create.waba_phone,
        owner: Owner::Affiliate,
        display_name: create.display_name.clone().unwrap_or_else(|| AFFILIATE_NAME.into()),
        external_ref_id: create.external_ref_id.clone(),
    };
    open(draft, command, opened, room)
}

/// The chatroom that the pair has already (R2), or none, and one may open.
fn place_affiliate(draft: &Draft, create: &CreateAffiliate, entry: &Entry) -> Result<Option<ChatroomId>, Refusal> {
    checks::registered(checks::known_org(draft)?, create.waba_phone)?;
    let existing = entry.chatrooms.iter().find(|chatroom| {
        let on_the_pair = chatroom.waba_phone == create.waba_phone;
        on_the_pair && chatroom.owner == Owner::Affiliate && !chatroom.is_expired()
    });
    if let Some(chatroom) = existing {
        return Ok(Some(chatroom.id));
    }
    checks::no_contacts(entry)?;
    checks::free_pair(entry, create.waba_phone, &Owner::Affiliate, None)?;
    checks::room_for_chatroom(entry)?;
    Ok(None)
}

struct Room {
    waba_phone: Phone,
    owner: Owner,
    display_name: Arc<str>,
    external_ref_id: Option<ExternalRefId>,
}

fn new_id(draft: &Draft) -> ChatroomId {
    ChatroomId {
        slot: draft.around.slot,
        uuid: draft.cause().seed,
    }
}

/// Opens it, and writes at the home of its id under which phone it stands.
fn open(draft: &mut Draft, command: &Command, opened: &mut Opened, room: Room) -> Result<Verdict, Needs> {
    let chatroom = Chatroom {
        id: new_id(draft),
        owner: room.owner,
        waba_phone: room.waba_phone,
        status: ChatroomStatus::Active,
        since: draft.at,
        created_at: draft.at,
        activated_at: draft.at,
        last_message_at: None,
        phone_changed: false,
        display_name: room.display_name,
        external_ref_id: room.external_ref_id,
    };
    let key = Key::Chatroom(command.org.clone(), chatroom.id.into());
    let mut record = draft.chatroom_record(&key)?;
    record.phone = Some(opened.phone);
    draft.put(key, Record::Chatroom(record));
    follow::opened(draft, command, &chatroom);
    let verdict = Verdict::applied().of_chatroom(Some(&chatroom));
    opened.entry.chatrooms.push(chatroom);
    Ok(verdict)
}

/// Given, else the contact's names, else its crm_id.
fn display_name(create: &CreateChatroom, contact: Option<&Contact>) -> Arc<str> {
    if let Some(given) = &create.display_name {
        return given.clone();
    }
    let profile = contact.map(|contact| &contact.profile);
    let names = profile.map(|profile| [&profile.first_name, &profile.last_name]);
    let names: Vec<&str> = names.into_iter().flatten().flatten().map(|name| &**name).collect();
    match names.join(" ").trim() {
        "" => create.crm_id.as_str().into(),
        names => names.into(),
    }
}
