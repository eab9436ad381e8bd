//! The rows as they come: in columns for people, one object a line for scripts. Columns keep their width from the first row
//! to the last, as no row waits for the next.

use super::outcome::Outcome;
use super::play::{Played, Seen};
use crate::cli::output::Out;
use crate::config::Topics;
use crate::failure::Failure;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, TableStyle, Width};
use comfy_table::{ContentLineStyle, LineStyle};
use serde_json::{Value, json};

/// Where it is not a terminal, or a wider one.
const WIDEST: u16 = 110;
const NARROWEST: u16 = 78;
const NUMBER: u16 = 3;

const LINES: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none().junction(' '));

pub struct Rows {
    width: u16,
    columns: [u16; 4],
}

impl Rows {
    /// As wide as the terminal, within reason.
    pub fn new() -> Self {
        let width = Table::new().width().unwrap_or(WIDEST).clamp(NARROWEST, WIDEST);
        let rest = width - NUMBER - 3;
        let (came, went) = (rest * 32 / 100, rest * 34 / 100);
        Self {
            width,
            columns: [NUMBER, came, went, rest - came - went],
        }
    }

    pub fn head(&self, out: &mut Out<'_>) -> Result<(), Failure> {
        let bold = |text: &str| Cell::new(text).add_attribute(Attribute::Bold);
        self.row(
            ["", "what came in", "where it went", "rule, and why"]
                .map(bold)
                .to_vec(),
            out,
        )
    }

    pub fn step(&self, played: &Played, out: &mut Out<'_>) -> Result<(), Failure> {
        let step = &played.step;
        let went = match went(&played.seen) {
            words if words.is_empty() => "dropped: nothing leaves".to_owned(),
            words => words.join("\n"),
        };
        let went = Cell::new(went).fg(color(played));
        let number = Cell::new(played.number);
        let came = Cell::new(format!("{}\n{}", step.who, step.does));
        let why = Cell::new(format!("{} · {}", step.rule, step.why));
        self.row(vec![number, came, went, why], out)
    }

    /// A table of one row.
    fn row(&self, cells: Vec<Cell>, out: &mut Out<'_>) -> Result<(), Failure> {
        let mut table = Table::new();
        table
            .load_style(LINES)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(self.width)
            .add_row(cells)
            .set_constraints(
                self.columns
                    .map(|width| ColumnConstraint::Absolute(Width::Fixed(width))),
            );
        table
            .column_iter_mut()
            .for_each(|column| _ = column.set_padding((0, 1)));
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        out.line(&lines.join("\n"))
    }
}

/// The same twice is said once.
fn went(seen: &[Seen]) -> Vec<String> {
    let mut words: Vec<String> = seen.iter().map(|seen| seen.outcome.to_string()).collect();
    words.dedup();
    words
}

/// By the first of what came out, which is the gravest.
fn color(played: &Played) -> Color {
    match played.seen.first().map(|seen| &seen.outcome) {
        _ if played.check().is_err() => Color::Red,
        None => Color::DarkGrey,
        Some(Outcome::Routed { .. } | Outcome::Sent { .. }) => Color::Green,
        Some(Outcome::Unrouted { .. } | Outcome::Answer { code: Some(_), .. }) => Color::Yellow,
        Some(Outcome::Dead { .. }) => Color::Magenta,
        Some(Outcome::Event { .. } | Outcome::Answer { .. }) => Color::Reset,
    }
}

pub fn as_json(played: &Played, topics: &Topics) -> Value {
    let step = &played.step;
    let made = |made: &super::step::Made| json!({"topic": &**topics.name(made.topic), "key": made.key, "value": readable(Some(&made.value))});
    let seen = |seen: &Seen| {
        let record = &seen.record;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: serde_json::Map<String, Value> = record
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), json!(value.as_deref().map(text))))
            .collect();
        json!({
            "topic": &*record.at.topic, "partition": record.at.partition, "offset": record.at.offset,
            "key": record.key.as_deref().map(text), "headers": headers, "value": readable(record.value.as_deref()),
        })
    };
    json!({
        "step": played.number, "who": step.who, "does": step.does, "rule": step.rule, "why": step.why,
        "went": went(&played.seen), "as_expected": played.check().is_ok(),
        "in": played.made.iter().map(made).collect::<Vec<_>>(),
        "out": played.seen.iter().map(seen).collect::<Vec<_>>(),
    })
}

/// JSON as such, and what is none as text.
fn readable(bytes: Option<&[u8]>) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    serde_json::from_slice(bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(bytes)))
}
