//! What may be deleted of `router-commands`: what a task of this process has judged by its own progress record, and that the
//! group has committed too. Whatever nobody runs stays as it is, whoever may have set its offset.

use crate::kafka::TopicPartition;

/// Where a partition stands whose task runs in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    pub at: TopicPartition,
    /// The next offset to be judged, by the progress record.
    pub judged: i64,
    /// The same, by the group.
    pub committed: Option<i64>,
    /// The first offset that is still there.
    pub low: i64,
}

/// Below which offset to delete the records of each.
#[must_use]
pub fn deletable(stands: &[Stand]) -> Vec<(TopicPartition, i64)> {
    let before = |stand: &Stand| {
        let end = stand.judged.min(stand.committed?);
        (end > stand.low).then(|| (stand.at.clone(), end))
    };
    stands.iter().filter_map(before).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_deleted_that_the_progress_record_and_the_group_do_not_both_say_was_judged() {
        let at = TopicPartition::new("router-commands", 3);
        for (judged, committed, low, before) in [
            (7, Some(7), 0, Some(7)),
            (7, Some(90), 0, Some(7)),
            (90, Some(7), 0, Some(7)),
            (7, None, 0, None),
            (7, Some(7), 7, None),
            (7, Some(7), 6, Some(7)),
            (0, Some(90), 0, None),
        ] {
            let stand = Stand {
                at: at.clone(),
                judged,
                committed,
                low,
            };
            let expected: Vec<_> = before.map(|end| (at.clone(), end)).into_iter().collect();
            assert_eq!(deletable(&[stand]), expected, "{judged} {committed:?} {low}");
        }
    }
}
