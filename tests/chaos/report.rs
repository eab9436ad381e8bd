//! What was survived, by kind, and how long it took: printed as it happens, and as a table at the end.

use crate::cluster::TRANSACTION;
use crate::faults::Strike;
use crate::stage::Outcome;
use comfy_table::{CellAlignment, Table};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Where a kind of fault alone is to stay below: after its end, and of any partition's stop.
fn aims(kind: &str) -> (Option<Duration>, Option<Duration>) {
    match kind {
        "static: kill -9" => (Some(Duration::from_secs(2)), None),
        "static: freeze" | "dynamic: freeze" => (None, Some(TRANSACTION + Duration::from_secs(10))),
        "static: rolling restart" | "dynamic: rolling restart" => (None, Some(Duration::from_secs(3))),
        _ => (None, None),
    }
}

/// So many worlds may be lost to Kafka, and one more for every eight faults that were survived.
const MOST_LOST: usize = 2;
const FAULTS_FOR_ONE: usize = 8;

pub struct Report {
    began: Instant,
    /// What the worlds have in common, said before each kind.
    pub world: &'static str,
    kinds: BTreeMap<String, Vec<(Duration, Duration)>>,
    total: Outcome,
    judged_worlds: usize,
    /// Not judged: Kafka itself had failed in them.
    lost_worlds: usize,
}

impl Report {
    pub fn new() -> Report {
        Report {
            began: Instant::now(),
            world: "",
            kinds: BTreeMap::new(),
            total: Outcome::default(),
            judged_worlds: 0,
            lost_worlds: 0,
        }
    }

    pub fn survived(&mut self, strike: &Strike, back: Duration, stop: Duration) {
        let kind = format!("{}: {strike}", self.world);
        let since = self.began.elapsed();
        eprintln!("{since:>7.1?} {kind}: all partitions at work {back:.1?} after its end; longest stop {stop:.1?}");
        self.kinds.entry(kind).or_default().push((back, stop));
    }

    pub fn add(&mut self, outcome: &Outcome) {
        self.total.sent += outcome.sent;
        self.total.matched += outcome.matched;
        self.total.timed += outcome.timed;
        self.total.changed += outcome.changed;
        self.total.compared += outcome.compared;
        self.judged_worlds += 1;
    }

    /// A world is not judged. That excuses whatever went wrong in it, so it must stay rare.
    pub fn lose(&mut self) {
        self.lost_worlds += 1;
        let survived: usize = self.kinds.values().map(Vec::len).sum();
        let lost = self.lost_worlds;
        assert!(
            lost <= MOST_LOST + survived / FAULTS_FOR_ONE,
            "{lost} worlds were not judged beside {survived} faults that were survived: too many"
        );
    }

    /// How many worlds were judged by now.
    pub fn judged_worlds(&self) -> usize {
        self.judged_worlds
    }

    pub fn time(&self) -> Duration {
        self.began.elapsed()
    }

    /// What nobody judged did not go well.
    pub fn conclude(&self) {
        self.print();
        let Outcome { matched, compared, .. } = self.total;
        assert!(matched > 0 && compared > 0, "nothing was judged");
    }

    fn print(&self) {
        let mut table = Table::new();
        table.set_header([
            "fault",
            "times",
            "first commit of the last partition, s: min / median / max",
            "longest stop of a partition, s: min / median / max",
        ]);
        for (kind, times) in &self.kinds {
            let (back, stop): (Vec<Duration>, Vec<Duration>) = times.iter().copied().unzip();
            let (back_aim, stop_aim) = aims(kind);
            table.add_row([
                kind.clone(),
                times.len().to_string(),
                spread(back, back_aim),
                spread(stop, stop_aim),
            ]);
        }
        for column in 1..4 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let Outcome {
            sent,
            matched,
            timed,
            changed,
            compared,
        } = self.total;
        let faults: usize = self.kinds.values().map(Vec::len).sum();
        eprintln!("{table}");
        eprintln!(
            "{sent} records sent, {faults} faults survived, {changed} changes of settings, {matched} outputs as the model says ({timed} of them by \
             timers), none twice, each key in order; {compared} records of the index as the changelog says; {:.0?}",
            self.began.elapsed()
        );
        if self.lost_worlds > 0 {
            let lost = self.lost_worlds;
            eprintln!("{lost} worlds were not judged, since Kafka itself had failed in them");
        }
    }
}

fn spread(mut times: Vec<Duration>, aim: Option<Duration>) -> String {
    times.sort();
    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    let (least, median, most) = (times.first(), times.get(times.len() / 2), times.last());
    let spread = format!("{:.1} / {:.1} / {:.1}", seconds(least), seconds(median), seconds(most));
    match aim {
        Some(aim) if most.is_some_and(|most| *most > aim) => format!("{spread} (missed: {})", aim.as_secs()),
        Some(aim) => format!("{spread} (aim: {})", aim.as_secs()),
        None => spread,
    }
}

#[test]
fn a_run_that_judged_nothing_fails() {
    let report = Report::new();
    assert!(std::panic::catch_unwind(|| report.conclude()).is_err());
}

#[test]
fn worlds_that_kafka_lost_are_few() {
    let mut report = Report::new();
    (0..MOST_LOST).for_each(|_| report.lose());
    let one_more = std::panic::AssertUnwindSafe(|| report.lose());
    assert!(std::panic::catch_unwind(one_more).is_err());
}
