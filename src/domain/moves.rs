//! A contact moves to another phone (C3), in steps between three homes: `leave` the old one, `attach` at the new one,
//! then `detach` or `stay` at the old one. Only the last publishes the result. At every moment the contact stands, not
//! leaving, under at most one phone.

use super::chatroom::ChatroomStatus;
use super::checks;
use super::commands::Opened;
use super::contact::Contact;
use super::contacts::{conclude, pass_on, past_the_age};
use super::draft::Draft;
use super::effect::{Code, Happening, Reason};
use super::entry::Entry;
use super::event::{Command, Step};
use super::follow;
use super::phone::{Phone, SpelledPhone};
use super::record::{Key, Needs};
use super::timers::open;
use super::verdict::{Refusal, Verdict};

/// First, at the old home. Whose creation was refused there is created at the new one; who is leaving already, since a
/// later step failed, sets out again.
pub fn leave(draft: &mut Draft, command: &Command, phone: Phone, to: SpelledPhone) -> Result<(), Needs> {
    let Some(upsert) = command.upsert() else { return Ok(()) };
    let mut opened = Opened::at(draft, &command.org, phone)?;
    if let Err(refusal) = may_leave(draft, &opened.entry, command) {
        let verdict = Verdict::refused(refusal).of_contact(opened.entry.contact(upsert.crm_id));
        return conclude(draft, command, opened, verdict);
    }
    let contact = opened.entry.contact_mut(upsert.crm_id).map(|contact| {
        contact.leaving = true;
        Contact {
            profile: upsert.profile.applied_to(&contact.profile),
            leaving: false,
            ..contact.clone()
        }
    });
    let attach = Step::Attach {
        command: command.clone(),
        from: phone,
        to,
        contact,
    };
    pass_on(draft, &command.org, attach);
    opened.close(draft)
}

fn may_leave(draft: &Draft, entry: &Entry, command: &Command) -> Result<(), Refusal> {
    checks::known_org(draft)?;
    match command.what.crm_id() {
        Some(crm_id) if entry.contact(crm_id).is_some() => checks::living_contact(entry, crm_id).map(|_| ()),
        _ => Ok(()),
    }
}

/// Second, at the new home.
pub fn attach(
    draft: &mut Draft,
    command: &Command,
    (from, to): (Phone, SpelledPhone),
    contact: &Contact,
) -> Result<(), Needs> {
    let mut opened = Opened::at(draft, &command.org, to.canonical)?;
    let answer = match may_attach(draft, &opened.entry, contact) {
        Ok(()) => {
            if opened.entry.contact(&contact.crm_id).is_none() {
                opened.entry.contacts_mut().push(contact.clone());
                opened.entry.spelling.get_or_insert(to.spelled);
            }
            Step::Detach {
                command: command.clone(),
                phone: from,
                moved: contact.clone(),
            }
        }
        Err(refusal) => Step::Stay {
            command: command.clone(),
            phone: from,
            code: refusal.code,
            conflict: refusal.conflict,
        },
    };
    pass_on(draft, &command.org, answer);
    opened.close(draft)
}

/// Its age once more, at the later instant: who is due now is expired by the old home. Then C1 and R9.
fn may_attach(draft: &Draft, entry: &Entry, contact: &Contact) -> Result<(), Refusal> {
    if entry.contact(&contact.crm_id).is_some() {
        return Ok(());
    }
    checks::known_org(draft)?;
    if past_the_age(draft, contact) {
        return Err(Code::ContactExpired.into());
    }
    checks::no_affiliate(entry)?;
    checks::room_for_contact(entry)
}

/// Last, at the old home: the contact stands under its new phone; its chatrooms here end with it.
pub fn detach(draft: &mut Draft, command: &Command, phone: Phone, moved: &Contact) -> Result<(), Needs> {
    let mut opened = Opened::at(draft, &command.org, phone)?;
    if !is_leaving(&opened.entry, command) {
        return opened.close(draft);
    }
    let contacts = opened.entry.contacts_mut();
    contacts.retain(|contact| contact.crm_id != moved.crm_id);
    for chatroom in &mut opened.entry.chatrooms {
        if chatroom.crm_id() == Some(&moved.crm_id) && !chatroom.is_expired() {
            chatroom.phone_changed = true;
            follow::turn(draft, command, chatroom, ChatroomStatus::Expired, Reason::PhoneChanged);
        }
    }
    follow::contact(draft, command, &moved.crm_id, Happening::ContactMoved);
    let verdict = Verdict::applied().of_contact(Some(moved));
    conclude(draft, command, opened, verdict)
}

/// Last, at the old home: the new one refused, so nothing moves, and the age clock runs again.
pub fn stay(draft: &mut Draft, command: &Command, phone: Phone, refusal: Refusal) -> Result<(), Needs> {
    let Some(upsert) = command.upsert() else { return Ok(()) };
    let key = Key::Phone(command.org.clone(), phone);
    let mut entry = draft.entry(&key)?;
    if !is_leaving(&entry, command) {
        return Ok(());
    }
    // Before the entry is opened: what is due of the contact fires in its place among the other timers (I0).
    if let Some(contact) = entry.contact_mut(upsert.crm_id) {
        contact.leaving = false;
    }
    let entry = open(draft, &command.org, entry);
    let opened = Opened { key, phone, entry };
    let verdict = Verdict::refused(refusal).of_contact(opened.entry.contact(upsert.crm_id));
    conclude(draft, command, opened, verdict)
}

fn is_leaving(entry: &Entry, command: &Command) -> bool {
    let contact = command.what.crm_id().and_then(|crm_id| entry.contact(crm_id));
    contact.is_some_and(|contact| contact.leaving)
}
