//! The steps of a contact's commands at the home of its phone: create, update, and what only needs an answer (C1, C2,
//! C4, R9). Each ends with one result, and the directory learns whether the contact stands here.

use super::checks;
use super::commands::Opened;
use super::contact::{Contact, ContactStatus, Field, Profile, ProfileChange};
use super::draft::Draft;
use super::effect::{Consequence, DeadLetter, DeadReason, Happening, Passed};
use super::entry::Entry;
use super::event::{Answer, Command, Step, What};
use super::follow;
use super::ids::{CrmId, OrgId};
use super::opening;
use super::phone::{Phone, SpelledPhone};
use super::record::{Key, Needs};
use super::time::Instant;
use super::timers::age_due;
use super::verdict::{Refusal, Verdict};
use super::{erasure, homes, moves};
use std::sync::Arc;

/// Judges one step at its home. Judged twice by mistake it does no harm: what is done already is found done.
pub fn step(draft: &mut Draft, org: &OrgId, step: &Step) -> Result<(), Needs> {
    match step {
        Step::Upsert { command, phone } => upsert(draft, command, *phone),
        Step::BadPhone { command, phone, detail } => bad_phone(draft, command, *phone, detail),
        Step::CreateChatroom { command, phone } => create_chatroom(draft, command, *phone),
        Step::Repeat { command, phone, first } => repeat(draft, command, *phone, *first),
        Step::Leave { command, phone, to } => moves::leave(draft, command, *phone, *to),
        Step::Attach {
            command,
            from,
            to,
            contact,
        } => match contact {
            Some(contact) => moves::attach(draft, command, (*from, *to), contact),
            None => upsert(draft, command, *to),
        },
        Step::Detach { command, phone, moved } => moves::detach(draft, command, *phone, moved),
        Step::Stay {
            command,
            phone,
            code,
            conflict,
        } => {
            let refusal = Refusal {
                code: *code,
                conflict: conflict.clone(),
            };
            moves::stay(draft, command, *phone, refusal)
        }
        Step::Erase { command, phone } => erasure::erase(draft, command, *phone),
        Step::Done { .. } | Step::Erased { .. } => homes::step(draft, org, step),
    }
}

/// What an upsert says of the contact, beside its phone.
pub struct Upsert<'c> {
    pub crm_id: &'c CrmId,
    pub profile: &'c ProfileChange,
    pub created_at: Option<Instant>,
}

impl Command {
    #[must_use]
    pub fn upsert(&self) -> Option<Upsert<'_>> {
        match &self.what {
            What::UpsertContact {
                crm_id,
                profile,
                created_at,
                ..
            } => Some(Upsert {
                crm_id,
                profile,
                created_at: *created_at,
            }),
            _ => None,
        }
    }
}

impl ProfileChange {
    #[must_use]
    pub fn applied_to(&self, old: &Profile) -> Profile {
        let field = |change: &Field<Arc<str>>, old: &Option<Arc<str>>| match change {
            Field::Keep => old.clone(),
            Field::Clear => None,
            Field::Set(new) => Some(new.clone()),
        };
        Profile {
            first_name: field(&self.first_name, &old.first_name),
            last_name: field(&self.last_name, &old.last_name),
            attributes: field(&self.attributes, &old.attributes),
        }
    }
}

/// Sends a step on to its home.
pub fn pass_on(draft: &mut Draft, org: &OrgId, step: Step) {
    let passed = Passed {
        org: org.clone(),
        at: draft.at,
        step,
    };
    draft.emit(Consequence::PassOn(Box::new(passed)));
}

/// The command ends here: its result, the word to the directory, the entry put back.
pub fn conclude(draft: &mut Draft, command: &Command, opened: Opened, verdict: Verdict) -> Result<(), Needs> {
    let answer = verdict.answer();
    verdict.tell(draft, command);
    report(draft, command, &opened, Some(answer));
    opened.close(draft)
}

fn report(draft: &mut Draft, command: &Command, opened: &Opened, answer: Option<Answer>) {
    if let Some(crm_id) = command.what.crm_id() {
        let done = Step::Done {
            crm_id: crm_id.clone(),
            request: command.request_hash,
            answer,
            phone: opened.phone,
            attached: opened.entry.contact(crm_id).is_some(),
        };
        pass_on(draft, &command.org, done);
    }
}

fn upsert(draft: &mut Draft, command: &Command, phone: SpelledPhone) -> Result<(), Needs> {
    let Some(upsert) = command.upsert() else { return Ok(()) };
    let mut opened = Opened::at(draft, &command.org, phone.canonical)?;
    let judged = match opened.entry.contact(upsert.crm_id) {
        Some(_) => update(draft, command, &upsert, &mut opened.entry),
        None => create(draft, command, &upsert, &mut opened.entry),
    };
    if judged.is_ok() {
        opened.entry.spelling.get_or_insert(phone.spelled);
    }
    let verdict = judged.unwrap_or_else(Verdict::refused);
    let verdict = verdict.of_contact(opened.entry.contact(upsert.crm_id));
    conclude(draft, command, opened, verdict)
}

/// C2.
fn update(draft: &mut Draft, command: &Command, upsert: &Upsert, entry: &mut Entry) -> Result<Verdict, Refusal> {
    checks::known_org(draft)?;
    let profile = upsert
        .profile
        .applied_to(&checks::living_contact(entry, upsert.crm_id)?.profile);
    match entry.contact_mut(upsert.crm_id) {
        Some(contact) if contact.profile != profile => {
            contact.profile = profile;
            follow::contact(draft, command, upsert.crm_id, Happening::ContactUpdated);
            Ok(Verdict::applied())
        }
        _ => Ok(Verdict::unchanged()),
    }
}

/// C1, R9. Who is past the age is created and expired in one decision (C4), and takes no room.
fn create(draft: &mut Draft, command: &Command, upsert: &Upsert, entry: &mut Entry) -> Result<Verdict, Refusal> {
    checks::known_org(draft)?;
    checks::no_affiliate(entry)?;
    let mut contact = Contact {
        crm_id: upsert.crm_id.clone(),
        profile: upsert.profile.applied_to(&Profile::default()),
        status: ContactStatus::Active,
        created_at: upsert.created_at.unwrap_or(draft.at).min(draft.at),
        registered_at: draft.at,
        leaving: false,
    };
    let aged = past_the_age(draft, &contact);
    if !aged {
        checks::room_for_contact(entry)?;
    }
    follow::contact(draft, command, upsert.crm_id, Happening::ContactCreated);
    if aged {
        contact.status = ContactStatus::Expired;
        follow::contact(draft, command, upsert.crm_id, Happening::ContactExpired);
    }
    entry.contacts_mut().push(contact);
    Ok(Verdict::applied())
}

#[must_use]
pub fn past_the_age(draft: &Draft, contact: &Contact) -> bool {
    age_due(contact, draft.around.settings).is_some_and(|due| due <= draft.at)
}

/// P1: the phone is looked at after the contact's state. A dead letter has no result, and its request is forgotten.
fn bad_phone(draft: &mut Draft, command: &Command, phone: Phone, detail: &Arc<str>) -> Result<(), Needs> {
    let Some(upsert) = command.upsert() else { return Ok(()) };
    let opened = Opened::at(draft, &command.org, phone)?;
    let refusal = match checks::known_org(draft) {
        Err(refusal) => Some(refusal),
        Ok(_) => match opened.entry.contact(upsert.crm_id) {
            Some(_) => checks::living_contact(&opened.entry, upsert.crm_id).err(),
            None => None,
        },
    };
    if let Some(refusal) = refusal {
        let verdict = Verdict::refused(refusal).of_contact(opened.entry.contact(upsert.crm_id));
        return conclude(draft, command, opened, verdict);
    }
    draft.emit(Consequence::DeadLetter(DeadLetter {
        reason: DeadReason::BadPhone,
        detail: detail.clone(),
    }));
    report(draft, command, &opened, None);
    opened.close(draft)
}

fn create_chatroom(draft: &mut Draft, command: &Command, phone: Phone) -> Result<(), Needs> {
    let What::CreateChatroom(create) = &command.what else {
        return Ok(());
    };
    let mut opened = Opened::at(draft, &command.org, phone)?;
    let verdict = opening::for_contact(draft, command, create, &mut opened)?;
    conclude(draft, command, opened, verdict)
}

/// K2: only answered, with the state as it is now of the chatroom, wherever it stands, or of the contact.
fn repeat(draft: &mut Draft, command: &Command, phone: Phone, first: Answer) -> Result<(), Needs> {
    let about = first.chatroom.map(|id| Key::Chatroom(command.org.clone(), id.into()));
    let stands_at = match &about {
        Some(key) => draft.chatroom_record(key)?.phone,
        None => Some(phone),
    };
    let Some(stands_at) = stands_at else {
        Verdict::duplicate(first).tell(draft, command);
        return Ok(());
    };
    let opened = Opened::at(draft, &command.org, stands_at)?;
    let chatroom = first
        .chatroom
        .map(|id| opening::locate(draft, &opened, id))
        .transpose()?
        .flatten();
    let contact = command
        .what
        .crm_id()
        .filter(|_| !matches!(command.what, What::CreateChatroom(_)));
    let contact = contact.and_then(|crm_id| opened.entry.contact(crm_id));
    let verdict = Verdict::duplicate(first).of_chatroom(chatroom.as_ref());
    verdict.of_contact(contact).tell(draft, command);
    opened.close(draft)
}
