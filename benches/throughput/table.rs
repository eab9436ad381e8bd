//! What is printed at the end: a row for each program, medians over the rounds, and the router's share of each.

use crate::options::Options;
use crate::program::Figures;
use crate::round::Measured;
use crate::router;
use comfy_table::{CellAlignment, Table, presets};
use std::collections::BTreeMap;

/// One program's figures in a round.
type Of = fn(&Measured) -> Figures;

pub fn of(rounds: &[Measured], options: &Options) -> String {
    let programs: [(&str, Of); 3] = [
        ("bytes passed on, idempotent", |round| round.plain),
        ("bytes passed on in transactions", |round| round.transactional),
        ("chatroom-router", |round| round.router),
    ];
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "program",
        "records/s",
        "router's share",
        "CPU µs per record",
        "router takes",
        "peak MB",
    ]);
    for (name, figures) in programs {
        let mid = |get: fn(Figures) -> f64| median(rounds.iter().map(|round| get(figures(round))));
        // A ratio holds within its round only.
        let share = median(
            rounds
                .iter()
                .map(|round| round.router.per_second / figures(round).per_second),
        );
        let times = median(
            rounds
                .iter()
                .map(|round| round.router.cpu_micros / figures(round).cpu_micros),
        );
        table.add_row([
            name.to_owned(),
            format!("{:.0}", mid(|figures| figures.per_second)),
            format!("{share:.2}"),
            format!("{:.1}", mid(|figures| figures.cpu_micros)),
            format!("{times:.1} times"),
            format!("{:.0}", mid(|figures| figures.peak_megabytes)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let commands = median(rounds.iter().map(|round| round.commands_per_second));
    let notes: Vec<String> = rounds.iter().map(|round| where_time_went(&round.said)).collect();
    format!(
        "{} records, {} phones, {} orgs, {} partitions, {} rounds\n{table}\n\
         Before it the router had taken {commands:.0} commands of the CRM a second.\n{}",
        options.records,
        options.phones,
        options.orgs,
        options.partitions,
        rounds.len(),
        notes.join("\n")
    )
}

/// The router's own account: records of a batch, and seconds of all workers by what they were spent on.
fn where_time_went(said: &BTreeMap<String, f64>) -> String {
    let sum = |name: &str| router::sum(said, name);
    let batches = sum("batch_records_count").max(1.0);
    let phases = ["produce", "flush", "offsets", "commit"].map(|phase| {
        let seconds = sum(&format!("transaction_seconds_sum{{phase=\"{phase}\""));
        format!("{phase} {seconds:.1} s")
    });
    let calls = ["read", "apply"].map(|call| {
        let seconds = sum(&format!("index_call_seconds_sum{{call=\"{call}\""));
        format!("{call} {seconds:.1} s")
    });
    format!(
        "The router's workers: {batches:.0} transactions of {:.0} records; {}; the index: {}; unrouted {:.0}.",
        sum("batch_records_sum") / batches,
        phases.join(", "),
        calls.join(", "),
        sum("unrouted_total"),
    )
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
