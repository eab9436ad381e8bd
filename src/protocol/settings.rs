//! The settings that batches are judged by: asked for, waited for, and never older than those that a progress record names (K4).

use super::Partition;
use super::core::Core;
use super::rules::Rule;
use super::stops;
use super::task::{Running, Stopped};
use super::transaction::PAGE_AFTER_MS;
use super::{Action, Report};
use crate::judging::SettingsTable;
use std::sync::Arc;

/// Longer than a broker answers that was cut off from those that lead.
const LAG_MS: u64 = 15_000;
/// They are read anew for the sweep of a worker that has no records to judge.
const AGE_MS: u64 = 1_000;

/// Since when no answer was of use.
#[derive(Debug, Default)]
pub struct Lack {
    /// Nothing but tables that lag behind the progress records was heard.
    lags_since: Option<u64>,
    /// They could not be read.
    away_since: Option<u64>,
}

impl Core {
    pub(super) fn ask_settings(&mut self) {
        self.settings_questions += 1;
        self.settings_asked_ms = self.now.steady_ms;
        self.actions.push(Action::SyncSettings(self.settings_questions));
    }

    /// Without batches nobody would hear of a number of days that was changed.
    pub(super) fn keep_settings_fresh(&mut self) {
        let stale = self.now.steady_ms.saturating_sub(self.settings_asked_ms) >= AGE_MS;
        if stale && !self.is_waiting() && self.tasks().any(|task| task.running().is_some()) {
            self.ask_settings();
        }
    }

    /// A table below the one that a progress record names is none: a broker that leads no more may have been asked.
    pub(super) fn settings_read(&mut self, question: u64, table: Option<Arc<SettingsTable>>) {
        let behind = table.as_ref().map(|table| self.not_in(table)).unwrap_or_default();
        if table.is_none() {
            self.settings_are_away();
        }
        let table = table.filter(|_| behind.is_empty());
        if table.is_some() {
            self.settings.clone_from(&table);
            self.settings_lack = Lack::default();
        }
        self.stage.settings_read(question, table, self.now.steady_ms);
        if !behind.is_empty() {
            self.settings_lag(behind);
        }
    }

    /// Nobody judges by those of before. Recovery is told too, and so no partition runs until they can be read.
    pub(super) fn settings_unreadable(&mut self, what: &str) {
        let running = self.tasks().filter(|task| task.running().is_some() && !task.closing);
        let running: Vec<Partition> = running.map(|task| task.life.partition).collect();
        for partition in running {
            let why = stops::settings_unreadable(partition, what);
            self.stop(partition, Stopped::found(why, self.now.steady_ms));
        }
    }

    /// The tasks that have judged by later settings than these.
    fn not_in(&self, table: &SettingsTable) -> Vec<Partition> {
        let hold = self.config.rules.hold(Rule::SettingsNamed);
        let lags = |running: &Running| running.progress.settings_next > table.next_offset() && hold;
        let behind = self.tasks().filter(|task| task.running().is_some_and(lags));
        behind.map(|task| task.life.partition).collect()
    }

    /// A table that stays so long behind may have lost records, which recovery finds out.
    fn settings_lag(&mut self, behind: Vec<Partition>) {
        let now_ms = self.now.steady_ms;
        let since = *self.settings_lack.lags_since.get_or_insert(now_ms);
        if now_ms.saturating_sub(since) < LAG_MS {
            return;
        }
        self.settings_lack.lags_since = None;
        for partition in behind {
            self.doubt(partition, "settings_behind");
        }
    }

    /// While nothing waits for them, nobody need know.
    fn settings_are_away(&mut self) {
        let now_ms = self.now.steady_ms;
        let since = *self.settings_lack.away_since.get_or_insert(now_ms);
        let ms = now_ms.saturating_sub(since);
        if ms >= PAGE_AFTER_MS && self.is_waiting() {
            self.report(Report::NoProgress {
                seconds: ms / 1_000,
                why: "a batch waits for the settings, which can't be read: is router-settings there?".to_owned(),
            });
        }
    }
}
