//! What happens, in a line each, for whoever looks at one seed (`SIM_TRACE=1`).

use chatroom_router::protocol::{Action, Event, RecoveryAnswer, RecoveryQuestion, TransactionStep};

const LONGEST: usize = 300;

fn short(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

pub fn event(event: &Event) -> String {
    match event {
        Event::Record(record) => format!("record {}", record.at),
        Event::EndReached(at) => format!("end {at}"),
        Event::Recovered(life, RecoveryAnswer::Replayed { changes, next }) => {
            format!("{life:?} replayed {} to {next}", changes.len())
        }
        Event::Settings(question, table) => format!(
            "settings {question}: {:?}",
            table.as_ref().map(|table| table.next_offset())
        ),
        other => short(format!("{other:?}")),
    }
}

pub fn action(action: &Action) -> String {
    match action {
        Action::Transaction(TransactionStep::Produce(records)) => format!("produce {} records", records.len()),
        Action::Apply { life, batch, .. } => format!("apply {life:?} {}..{}", batch.from, batch.to),
        Action::Recover(life, RecoveryQuestion::Apply { batch, .. }) => {
            format!("restore {life:?} {}..{}", batch.from, batch.to)
        }
        other => short(format!("{other:?}")),
    }
}
