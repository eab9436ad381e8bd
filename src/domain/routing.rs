//! Where an inbound message goes (I1 to I11): to exactly one chatroom of its phone, or nowhere, and then it says why.

use super::auto_reply;
use super::chatroom::{Chatroom, ChatroomStatus};
use super::contact::ContactStatus;
use super::draft::Draft;
use super::effect::{
    AutoReplyOutcome, Candidate, Consequence, Counted, Reason, RouteReason, RouteRule, Routed, Unrouted, UnroutedReason,
};
use super::entry::Entry;
use super::event::{Inbound, Sender};
use super::ids::{ChatroomId, CrmId, OrgId};
use super::memory::{Outcome, Shelf};
use super::phone::Phone;
use super::record::Needs;
use super::settings::{Content, InboundScope};
use super::timers;

const MAX_CANDIDATES: usize = 20;

/// Judges a message at the home of its sender. A repeat of it is one message (I11).
pub fn inbound(draft: &mut Draft, inbound: &Inbound) -> Result<(), Needs> {
    let key = inbound.key();
    let mut entry = timers::open_entry(draft, &inbound.org, &key)?;
    let shelf = Shelf::messages(&key);
    let first = shelf.recall(draft, &entry.messages, inbound.message)?;
    let first = first.map(|known| known.outcome);
    // A repeat of what was routed has no effect, so it is not how the phone was received last (P2).
    if let (Sender::Phone(phone), None | Some(Outcome::Unrouted)) = (&inbound.from, first) {
        entry.spelling = Some(phone.spelled);
    }
    match first {
        None => {
            let outcome = judge_new(draft, &mut entry, inbound);
            shelf.remember(draft, &mut entry.messages, inbound.message, outcome)?;
        }
        Some(Outcome::Unrouted) => {
            if judge_again(draft, &mut entry, inbound) {
                shelf.remember(draft, &mut entry.messages, inbound.message, Outcome::Routed)?;
            }
        }
        Some(_) => draft.emit(Consequence::Counted(Counted::RepeatOfRouted)),
    }
    draft.put_entry(&key, entry)
}

fn judge_new(draft: &mut Draft, entry: &mut Entry, inbound: &Inbound) -> Outcome {
    match seek(entry, inbound, content(draft)) {
        Ok(found) => {
            append(draft, entry, inbound, found);
            Outcome::Routed
        }
        Err(reason) => {
            draft.emit(Consequence::Unrouted(unrouted(reason, entry, draft)));
            Outcome::Unrouted
        }
    }
}

/// The repeat of an unrouted message is published only if it can be routed now. Whether it could.
fn judge_again(draft: &mut Draft, entry: &mut Entry, inbound: &Inbound) -> bool {
    let found = seek(entry, inbound, content(draft));
    let routed = found.is_ok();
    match found {
        Ok(found) => append(draft, entry, inbound, found),
        Err(_) => draft.emit(Consequence::Counted(Counted::RepeatOfUnrouted)),
    }
    routed
}

fn content<'a>(draft: &Draft<'a>) -> Option<&'a Content> {
    draft.around.settings?.content.as_ref()
}

/// The chatroom that the rules choose, and all that they chose from.
struct Found {
    id: ChatroomId,
    candidates: Vec<Candidate>,
}

fn seek(entry: &Entry, inbound: &Inbound, content: Option<&Content>) -> Result<Found, UnroutedReason> {
    let content = content.ok_or(UnroutedReason::UnknownOrg)?;
    if !content.registers(inbound.waba_phone) {
        return Err(UnroutedReason::UnknownWabaPhone);
    }
    if matches!(inbound.from, Sender::User(_)) {
        return Err(UnroutedReason::NoPhone);
    }
    let ranked = ranked(entry, inbound.waba_phone, content);
    match ranked.first() {
        Some(best) => Ok(Found {
            id: best.id,
            candidates: ranked.iter().take(MAX_CANDIDATES).map(|room| candidate(room)).collect(),
        }),
        None if holders(entry).next().is_some() => Err(UnroutedReason::NoChatroom),
        None => Err(UnroutedReason::NoContact),
    }
}

/// All chatrooms that the message may go to, best first: by rule (I1 to I3), those on its pair before others (I5), the
/// latest before others (I6).
fn ranked<'e>(entry: &'e Entry, received_on: Phone, content: &Content) -> Vec<&'e Chatroom> {
    let in_scope = |room: &Chatroom| room.waba_phone == received_on || content.inbound_scope == InboundScope::Phone;
    let allowed = |room: &&Chatroom| in_scope(room) && is_candidate(room, content);
    let mut rooms: Vec<&Chatroom> = entry.chatrooms.iter().filter(allowed).collect();
    let rank = |room: &Chatroom| {
        let rule = match room.status {
            ChatroomStatus::Active => 1,
            ChatroomStatus::Deactivated => 2,
            ChatroomStatus::Expired => 3,
        };
        (rule, room.waba_phone != received_on)
    };
    rooms.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| b.cmp_latest(a)));
    rooms
}

/// A deactivated one on a WABA phone that is no longer registered is passed over (R5), one whose contact moved away from
/// this phone is none (I3).
fn is_candidate(room: &Chatroom, content: &Content) -> bool {
    match room.status {
        ChatroomStatus::Active => true,
        ChatroomStatus::Deactivated => content.registers(room.waba_phone),
        ChatroomStatus::Expired => !room.phone_changed,
    }
}

fn candidate(room: &Chatroom) -> Candidate {
    Candidate {
        chatroom_id: room.id,
        crm_id: room.crm_id().cloned(),
        waba_phone: room.waba_phone,
        status: room.status,
        since: room.since,
    }
}

/// The contacts that are not expired; one that is about to leave holds the phone until it has left.
fn holders(entry: &Entry) -> impl Iterator<Item = &CrmId> {
    let active = entry
        .contacts
        .iter()
        .filter(|contact| contact.status == ContactStatus::Active);
    active.map(|contact| &contact.crm_id)
}

fn unrouted(reason: UnroutedReason, entry: &Entry, draft: &Draft) -> Unrouted {
    let crm_ids = match reason {
        UnroutedReason::NoChatroom => holders(entry).cloned().collect(),
        _ => Vec::new(),
    };
    let settings = draft.around.settings.filter(|settings| settings.content.is_some());
    Unrouted {
        reason,
        crm_ids,
        settings_version: settings.map(|settings| settings.version),
    }
}

/// Appends the message to the chatroom found: what that does to the chatroom, the route, and the answer.
fn append(draft: &mut Draft, entry: &mut Entry, inbound: &Inbound, found: Found) {
    let Some(room) = entry.chatrooms.iter_mut().find(|room| room.id == found.id) else {
        return;
    };
    if !inbound.system {
        // Never past the decision time, or a wrong clock would keep the chatroom open (I8).
        room.last_message_at = room.last_message_at.max(Some(inbound.sent_at.min(draft.at)));
    }
    let (reason, rule) = match room.status {
        ChatroomStatus::Active => (RouteReason::Active, RouteRule::I1),
        ChatroomStatus::Deactivated if inbound.system => (RouteReason::Deactivated, RouteRule::I9),
        ChatroomStatus::Deactivated => (RouteReason::Reactivated, RouteRule::I2),
        ChatroomStatus::Expired => (RouteReason::Expired, RouteRule::I3),
    };
    if reason == RouteReason::Reactivated {
        activate(entry, &inbound.org, found.id, draft);
    }
    let auto_reply = (reason == RouteReason::Expired).then(|| auto_reply::judge(&mut entry.replies, inbound, draft));
    let Some(room) = entry.chatrooms.iter().find(|room| room.id == found.id) else {
        return;
    };
    draft.emit(Consequence::Routed(Routed {
        chatroom: room.view(),
        candidates: found.candidates,
        reason,
        rule,
        auto_reply,
        settings_version: draft.around.settings.map_or(0, |settings| settings.version),
    }));
    if auto_reply == Some(AutoReplyOutcome::Sent) {
        auto_reply::send(found.id, inbound, draft);
    }
}

/// Activates by a message (I2). No other chatroom is active on the pair, or I1 would have chosen it (R7); but under the
/// scope PAIR one of the same contact may be active on another, and gives way (R8).
fn activate(entry: &mut Entry, org: &OrgId, id: ChatroomId, draft: &mut Draft) {
    supersede_others(entry, org, id, draft);
    if let Some(room) = entry.chatrooms.iter_mut().find(|room| room.id == id) {
        room.turn(ChatroomStatus::Active, draft.at);
        draft.emit(room.told(org, Reason::Inbound));
    }
}

fn supersede_others(entry: &mut Entry, org: &OrgId, id: ChatroomId, draft: &mut Draft) {
    let Some(crm_id) = entry
        .chatrooms
        .iter()
        .find(|room| room.id == id)
        .and_then(|room| room.crm_id().cloned())
    else {
        return;
    };
    for other in &mut entry.chatrooms {
        if other.id != id && other.is_active() && other.crm_id() == Some(&crm_id) {
            other.turn(ChatroomStatus::Deactivated, draft.at);
            draft.emit(other.told(org, Reason::Superseded));
        }
    }
}
