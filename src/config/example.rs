//! The example file: every setting with its reason and its default, made from the table of knobs.

use super::knob::{Kind, Knob, Preset};
use super::knobs;

const HEAD: &str = "\
# Every setting, with its default: take what you change.
#
# chatroom-router --config FILE, or CHATROOM_ROUTER_CONFIG=FILE. Above the file stands the environment:
# batch.linger_ms is CHATROOM_ROUTER_BATCH__LINGER_MS. `chatroom-router config check` names every fault of both at once,
# `chatroom-router config show` the values that hold and where each comes from. Made from the program: don't edit.
";

/// The text of `deploy/chatroom-router.example.toml`.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for knob in knobs::all() {
        let (of, name) = knob.key.rsplit_once('.').unwrap_or(("", knob.key));
        if of != section {
            section = of;
            text.push_str(&format!("\n[{section}]\n"));
        } else if section.is_empty() {
            text.push('\n');
        }
        text.push_str(&entry(knob, name));
    }
    text
}

fn entry(knob: &Knob, name: &str) -> String {
    let mut prose = knob.why.to_owned();
    if let Some(range) = range(knob.kind) {
        prose.push_str(&format!(" {range}."));
    }
    if let Preset::Derived(words, _) = knob.default {
        prose.push_str(&format!(" Default: {words}."));
    }
    if knob.kind.may_come_from_file() {
        prose.push_str(&format!(" May stand in a file: {name}_file."));
    }
    let comment: String = wrapped(&prose).iter().map(|line| format!("# {line}\n")).collect();
    let (Preset::Is(value) | Preset::Derived(_, value)) = knob.default;
    match knob.kind {
        Kind::Properties => format!("{comment}#\"statistics.interval.ms\" = \"60000\"\n"),
        Kind::Number(..) | Kind::Flag | Kind::Tokens => format!("{comment}#{name} = {value}\n"),
        _ => format!("{comment}#{name} = {value:?}\n"),
    }
}

fn range(kind: Kind) -> Option<String> {
    match kind {
        Kind::Number(least, most) if least < most => Some(format!("From {least} to {most}")),
        Kind::Choice(choices) => Some(format!("One of {}", choices.join(", "))),
        _ => None,
    }
}

/// Lines of at most 110 characters.
fn wrapped(prose: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in prose.split(' ') {
        let full = lines.last().is_some_and(|line| line.len() + word.len() >= 110);
        match lines.last_mut() {
            Some(line) if !full && !line.is_empty() => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) if line.is_empty() => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
