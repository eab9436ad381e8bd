//! The result of a load: a table for people, JSON for scripts.

use super::board::{Board, PERCENTILES, Score};
use super::dice::Kind;
use super::plan::Plan;
use crate::cli::output::Out;
use crate::failure::Failure;
use serde_json::{Map, Value, json};
use std::time::Duration;

pub fn show(plan: &Plan, board: &Board, out: &mut Out<'_>) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(&as_json(plan, board));
    }
    let row = |kind: Kind| {
        let score = board.score(kind);
        let [p50, p90, p99, p99_9, max] = score.millis().map(shown);
        let counts = [score.sent, score.answered, score.missing()].map(|count| count.to_string());
        let [sent, answered, missing] = counts;
        [
            kind.name().to_owned(),
            sent,
            answered,
            missing,
            p50,
            p90,
            p99,
            p99_9,
            max,
        ]
    };
    let head = [
        "kind", "sent", "answered", "missing", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms",
    ];
    out.table(head, sent(board).map(row).collect())?;
    for kind in sent(board) {
        let of = |(outcome, count): (&String, &u64)| format!("{outcome} {count}");
        let outcomes: Vec<String> = board.score(kind).outcomes.iter().map(of).collect();
        out.line(&format!("{}: {}", kind.name(), outcomes.join(", ")))?;
    }
    out.line(&format!(
        "Sent {:.1} records a second of {} asked for, at most {} ms behind the schedule; answered {:.1} a second.",
        rate(board.sent(), board.sending),
        plan.rate,
        board.late.as_millis(),
        rate(board.answered(), board.answering)
    ))?;
    out.line("Latency: from the instant at which a record was due to be sent to its output, committed and read.")
}

fn sent(board: &Board) -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| board.score(*kind).sent > 0)
}

fn shown(millis: Option<f64>) -> String {
    millis.map_or("-".to_owned(), |millis| format!("{millis:.1}"))
}

fn rate(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        0.0
    } else {
        count as f64 / time.as_secs_f64()
    }
}

fn as_json(plan: &Plan, board: &Board) -> Value {
    let kinds: Map<String, Value> = Kind::ALL
        .into_iter()
        .map(|kind| (kind.name().to_owned(), score(board.score(kind))))
        .collect();
    json!({
        "records": plan.records, "orgs": plan.orgs, "phones": plan.phones, "seed": plan.seed,
        "sent": board.sent(), "answered": board.answered(), "missing": board.missing(), "repeated": board.repeated(),
        "rate": {
            "asked": plan.rate, "sent": rounded(rate(board.sent(), board.sending)),
            "answered": rounded(rate(board.answered(), board.answering)),
        },
        "behind_schedule_ms": board.late.as_millis(),
        "kinds": kinds,
    })
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn score(score: &Score) -> Value {
    let named = PERCENTILES.iter().zip(score.millis());
    let latency: Map<String, Value> = named
        .map(|((name, _), millis)| ((*name).to_owned(), json!(millis)))
        .collect();
    json!({
        "sent": score.sent, "answered": score.answered, "missing": score.missing(), "repeated": score.repeated,
        "outcomes": score.outcomes, "latency_ms": latency,
    })
}
