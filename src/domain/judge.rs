//! The fold: one event in, whole records and what follows out. It only says which rule judges; it decides nothing.

use super::draft::Draft;
use super::event::{Body, Command, Event, Surroundings, What};
use super::record::{Judgement, Needs, View};
use super::{commands, contacts, homes, opening, org, routing, timers};

/// Judges an event at its home. Err: read these records, and judge again from the start.
pub fn judge(view: &dyn View, event: &Event, around: Surroundings) -> Result<Judgement, Needs> {
    let mut draft = Draft::new(view, event, around);
    match &event.body {
        Body::Inbound(inbound) => routing::inbound(&mut draft, inbound)?,
        Body::Command(command) => judge_command(&mut draft, command)?,
        Body::Step(org, step) => contacts::step(&mut draft, org, step)?,
        Body::Sweep(org, phone) => timers::sweep(&mut draft, org, *phone)?,
    }
    Ok(draft.finish())
}

fn judge_command(draft: &mut Draft, command: &Command) -> Result<(), Needs> {
    match &command.what {
        What::UpsertContact { .. } | What::DeleteContact { .. } | What::CreateChatroom(_) => {
            homes::command(draft, command)
        }
        What::CreateAffiliate(create) => opening::create_affiliate(draft, command, create),
        What::Activate(name) | What::Deactivate(name) | What::Expire(name) | What::Send(name) => {
            commands::on_chatroom(draft, command, name)
        }
        What::PutSettings(content) => org::put(draft, command, content.as_ref()),
    }
}
