//! The fold: one event in, whole records and what follows out. It only says which rule judges; it decides nothing.

use super::draft::Draft;
use super::event::{Body, Command, Event, Step, Surroundings, What};
use super::ids::OrgId;
use super::record::{Judgement, Needs, View};
use super::{routing, timers};

/// Judges an event at its home. Err: read these records, and judge again from the start.
pub fn judge(view: &dyn View, event: &Event, around: Surroundings) -> Result<Judgement, Needs> {
    let mut draft = Draft::new(view, event, around);
    match &event.body {
        Body::Inbound(inbound) => routing::inbound(&mut draft, inbound)?,
        Body::Command(command) => judge_command(&mut draft, command)?,
        Body::Step(org, step) => judge_step(&mut draft, org, step)?,
        Body::Sweep(org, phone) => timers::sweep(&mut draft, org, *phone)?,
    }
    Ok(draft.finish())
}

fn judge_command(draft: &mut Draft, command: &Command) -> Result<(), Needs> {
    match &command.what {
        What::UpsertContact { .. } | What::DeleteContact { .. } | What::CreateChatroom(_) => elsewhere(draft),
        What::CreateAffiliate(_) => elsewhere(draft),
        What::Activate(_) | What::Deactivate(_) | What::Expire(_) | What::Send(_) => elsewhere(draft),
        What::PutSettings(_) => elsewhere(draft),
    }
}

fn judge_step(draft: &mut Draft, _org: &OrgId, step: &Step) -> Result<(), Needs> {
    match step {
        Step::Done { .. } | Step::Erased { .. } => elsewhere(draft),
        _ => elsewhere(draft),
    }
}

/// The rules of commands take this place when they are merged.
fn elsewhere(_: &mut Draft) -> Result<(), Needs> {
    Ok(())
}
