//! How far a load has come, on standard error: a line that moves on a terminal, elsewhere a line every few seconds.
//! Standard output is the result's.

use super::answer::Part;
use super::board::Board;
use super::dice::Kind;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(5);
const MOVING: Duration = Duration::from_millis(200);
const LOOKS: &str = "{elapsed_precise} {bar:24} {msg}";

pub struct Progress {
    /// None: nobody watches.
    bar: Option<ProgressBar>,
    told: Instant,
}

impl Progress {
    pub fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(LOOKS);
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let told = Instant::now();
        Self { bar, told }
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => told(line),
        }
    }

    pub fn set_up(&mut self, part: Part, done: u64, count: u64) {
        self.tell(done, count, || format!("setting up: {done} of {count} {}", part.name()));
    }

    pub fn sending(&mut self, board: &Board, records: u64) {
        let sent = board.sent();
        self.tell(sent, records, || {
            let late = board.late.as_millis();
            format!(
                "{sent} of {records} sent, {}, at most {late} ms behind the schedule",
                answers(board)
            )
        });
    }

    pub fn waiting(&mut self, board: &Board) {
        let (answered, sent) = (board.answered(), board.sent());
        self.tell(answered, sent, || {
            format!("all sent, {}, {} to come", answers(board), board.missing())
        });
    }

    fn tell(&mut self, done: u64, count: u64, words: impl FnOnce() -> String) {
        let pause = if self.bar.is_some() { MOVING } else { EVERY };
        if self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        match &self.bar {
            Some(bar) => {
                bar.set_length(count);
                bar.set_position(done);
                bar.set_message(words());
            }
            None => told(&words()),
        }
    }

    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn answers(board: &Board) -> String {
    let [_, _, p99, ..] = board.score(Kind::Inbound).millis();
    let p99 = p99.map_or(String::new(), |millis| format!(" (messages: p99 {millis:.1} ms)"));
    format!("{} answered{p99}", board.answered())
}

/// Nobody may be there to read it: then there is nobody to tell.
fn told(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
