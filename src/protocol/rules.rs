//! The rules that stand inside the protocol, by name, so that the simulation can switch off one at a time and see who
//! notices. Nothing that ships can: built for release, `hold` is true whatever is asked, and only tests may say `without`.

/// A rule that no adapter could break from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A record that was collected before is a repeat, and dropped.
    RepeatsDropped,
    /// What a batch found in memory stays as it was found, whatever is let go of until it is folded.
    Pinned,
    /// A batch that was aborted is folded from what is committed, not from what it had made itself.
    FoldedAnew,
    /// A transaction is committed only while its tasks live the lives that began it.
    SameLife,
    /// After a producer was lost, everything is doubted.
    LossDoubted,
    /// A contradiction stops a partition only once it was found twice.
    FoundTwice,
    /// Of an input that is halted, nothing from the halt on is taken.
    HaltedLeft,
    /// Nor is its end reached.
    HaltedEndless,
    /// Settings older than those that the progress record names are none.
    SettingsNamed,
}

/// Those in force: all of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    #[cfg(debug_assertions)]
    off: Option<Rule>,
}

#[cfg(debug_assertions)]
impl Rules {
    /// All but this one.
    #[must_use]
    pub fn without(rule: Rule) -> Self {
        Self { off: Some(rule) }
    }

    #[must_use]
    pub fn hold(self, rule: Rule) -> bool {
        self.off != Some(rule)
    }
}

#[cfg(not(debug_assertions))]
impl Rules {
    #[must_use]
    pub fn hold(self, _: Rule) -> bool {
        true
    }
}
