//! The questions of recovery, answered from the models: each at a time of its own, and sometimes not at all.

use crate::kafka::log::Met;
use crate::process::Pid;
use crate::sabotage::Sabotage;
use crate::world::{Happening, World};
use chatroom_router::index::{Batch, Begin, Begun, Marker};
use chatroom_router::kafka::TopicPartition;
use chatroom_router::protocol::{Event, Life, Partition, RecoveryAnswer, RecoveryQuestion, Seen, Unanswered};
use chatroom_router::state::clocks;
use chatroom_router::state::keys::RecordKey;
use chatroom_router::state::progress::Progress;

impl World {
    pub fn recovery(&mut self, pid: Pid, life: Life, question: RecoveryQuestion) {
        let now = self.now;
        let Some(process) = self.processes.get(&pid) else {
            return;
        };
        if process.is_frozen(now) {
            let ms = process.frozen_until - now;
            return self.after(ms, Happening::Recovery(pid, life, question));
        }
        let answer = if self.flaky() {
            away("nobody answers")
        } else {
            self.answer(pid, life, question)
        };
        let ms = self.latency();
        let is_marker = matches!(answer, RecoveryAnswer::Seen(_));
        self.after(ms, Happening::Mail(pid, Event::Recovered(life, answer)));
        if is_marker {
            self.compare_soon(pid, life, ms);
        }
    }

    fn answer(&mut self, pid: Pid, life: Life, question: RecoveryQuestion) -> RecoveryAnswer {
        match question {
            RecoveryQuestion::Committed(inputs) => {
                self.offsets_read.insert((pid, life), self.steps);
                self.committed(&inputs)
            }
            RecoveryQuestion::Watermarks { changelog, inputs } => self.watermarks(pid, life, &changelog, &inputs),
            RecoveryQuestion::LastProgress { changelog, low, high } => {
                let high = high.min(self.kafka.log(&changelog).high());
                let mut last = match self.last_progress(&changelog, low, high) {
                    Ok(last) => last,
                    Err(answer) => return *answer,
                };
                self.spoil_progress(&changelog, &mut last);
                RecoveryAnswer::LastProgress(last)
            }
            RecoveryQuestion::ProgressBelow { changelog, low, marker } => {
                let below = self.last_progress(&changelog, low, marker);
                below.map_or_else(|answer| *answer, RecoveryAnswer::ProgressBelow)
            }
            RecoveryQuestion::Replay { changelog, from, to } => self.replay(&changelog, from, to),
            RecoveryQuestion::Marker | RecoveryQuestion::Begin(_) | RecoveryQuestion::Apply { .. }
                if self.index_is_down(life.partition) =>
            {
                away("the index is away")
            }
            RecoveryQuestion::Marker => {
                let mut marker = self.redis.marker(life.partition);
                if let Some(why) = self.is_unfit(life.partition) {
                    return RecoveryAnswer::Untrusted { why, marker };
                }
                if self.without(Sabotage::TombstonesOfAnyAge) {
                    marker
                        .iter_mut()
                        .for_each(|marker| marker.applied_until = Some(self.wall().0));
                }
                let progress = marker.and_then(|marker| self.redis.progress(life.partition, &marker.of));
                let is_looked_at =
                    !self.without(Sabotage::HighWatermarkIgnored) && !self.without(Sabotage::SequenceIgnored);
                RecoveryAnswer::Seen(Seen {
                    marker,
                    progress: progress.filter(|_| is_looked_at),
                    spoilt: false,
                })
            }
            RecoveryQuestion::Begin(begin) if self.redis.is_unfit && self.without(Sabotage::UnfitLeft) => {
                RecoveryAnswer::Begun(Begun::Begun(begun(&begin)))
            }
            RecoveryQuestion::Begin(mut begin) => {
                self.spoil_begin(life.partition, &mut begin);
                let begun = self.begin(life.partition, &begin);
                if self.flaky() {
                    away("no reply")
                } else {
                    RecoveryAnswer::Begun(begun)
                }
            }
            RecoveryQuestion::Apply { of, batch } => {
                self.check_claim(pid, life, &batch);
                match self.unreadable(life.partition, &of) {
                    Some(Unanswered::Unreadable(what)) => return RecoveryAnswer::Unreadable(what),
                    Some(Unanswered::Unavailable) => return away("it can't be read"),
                    None => {}
                }
                let applied = self.apply_flaky(life.partition, &of, &batch);
                applied.map_or_else(|| away("no reply"), RecoveryAnswer::Applied)
            }
        }
    }

    fn committed(&mut self, inputs: &[TopicPartition]) -> RecoveryAnswer {
        let as_it_stands = self.without(Sabotage::UnstableOffsets);
        let one = |at: &TopicPartition| match self.kafka.committed(at) {
            Err(()) if as_it_stands => Ok(self.kafka.offset_as_it_stands(at)),
            answer => answer,
        };
        let committed: Result<Vec<Option<i64>>, ()> = inputs.iter().map(one).collect();
        let Ok(committed) = committed else {
            return away("unstable offsets");
        };
        let low = |at: &TopicPartition| self.kafka.log(at).low();
        let committed = match self.without(Sabotage::DeletedPassedOver) {
            true => inputs
                .iter()
                .zip(committed)
                .map(|(at, offset)| Some(offset?.max(low(at))))
                .collect(),
            false => committed,
        };
        let expired = inputs.iter().zip(&committed).filter(|(_, offset)| offset.is_none());
        self.spoilt.expired.extend(expired.map(|(at, _)| at.clone()));
        RecoveryAnswer::Committed(committed)
    }

    fn watermarks(
        &mut self,
        pid: Pid,
        life: Life,
        changelog: &TopicPartition,
        inputs: &[TopicPartition],
    ) -> RecoveryAnswer {
        let begins = |at: &TopicPartition| {
            let log = self.kafka.log(at);
            let is_new = self.kafka.offset_as_it_stands(at).is_none() && self.judged_to(at).is_none();
            if is_new && self.without(Sabotage::NewFromTheEnd) {
                log.high()
            } else {
                log.low()
            }
        };
        let input_lows = inputs.iter().map(begins).collect();
        let low = match self.without(Sabotage::ChangelogFromNought) {
            true => 0,
            false => self.kafka.log(changelog).low(),
        };
        let high = self.target(pid, life, changelog);
        self.targets.insert((pid, life), high);
        let input_ends = inputs.iter().map(|at| self.kafka.log(at).high()).collect();
        let settings_end = self.kafka.log(&self.settings_log()).high();
        RecoveryAnswer::Watermarks {
            low,
            high,
            input_lows,
            input_ends,
            settings_end,
        }
    }

    /// Only an index that was brought to the watermark is said to hold everything.
    fn check_claim(&self, pid: Pid, life: Life, batch: &Batch) {
        let target = self.targets.get(&(pid, life)).copied();
        assert!(
            batch.applied_until.is_none() || target.is_some_and(|target| batch.to >= target),
            "[{pid}] partition {}: an index up to {} is said to hold all up to {target:?}",
            life.partition,
            batch.to
        );
    }

    /// Committed offsets first, then the watermark. As long as all is delivered before offsets are sent, and the last progress
    /// record is compared with them, no schedule shows by what comes out that the two were asked for the other way round within
    /// one recovery; so the order itself is looked at too.
    fn check_order(&self, pid: Pid, life: Life) {
        let offsets = self.offsets_read.get(&(pid, life));
        assert!(
            offsets.is_some_and(|offsets| *offsets < self.steps),
            "[{pid}] partition {}: the high watermark was read before the committed offsets",
            life.partition
        );
    }

    fn target(&mut self, pid: Pid, life: Life, changelog: &TopicPartition) -> i64 {
        self.check_order(pid, life);
        let early = self.spoilt.joined.get(&(pid, changelog.clone())).copied();
        let log = self.kafka.log(changelog);
        let marker = self.redis.marker(life.partition).map_or(0, |marker| marker.offset);
        match early {
            Some(early) if self.without(Sabotage::WatermarkBeforeOffsets) => early,
            _ if self.without(Sabotage::HighWatermarkIgnored) => log.high().max(marker),
            _ if self.without(Sabotage::StableOffsetAsTarget) => log.stable(),
            _ => log.high(),
        }
    }

    /// An answer in its place where it can't be found out.
    fn last_progress(
        &self,
        changelog: &TopicPartition,
        low: i64,
        high: i64,
    ) -> Result<Option<Progress>, Box<RecoveryAnswer>> {
        let (mut from, mut last): (i64, Option<Progress>) = (low, None);
        loop {
            match self.kafka.log(changelog).read(from, high) {
                Met::Record(offset, data) => {
                    from = offset + 1;
                    if data.key.as_deref() == Some(RecordKey::PROGRESS.as_bytes()) {
                        last = data
                            .value
                            .as_deref()
                            .map(|value| Progress::decode(value).expect("we wrote it"));
                    }
                }
                Met::End(end) if end < high && !self.without(Sabotage::ReplayWithoutWaiting) => {
                    return Err(Box::new(away("an open transaction")));
                }
                Met::Gone => return Err(Box::new(gone(changelog, from))),
                Met::End(_) => return Ok(last),
            }
        }
    }

    /// Makes a progress record say what the group's offsets, or the index, say.
    fn spoil_progress(&mut self, changelog: &TopicPartition, last: &mut Option<Progress>) {
        let expired = std::mem::take(&mut self.spoilt.expired);
        if let Some(progress) = last
            .as_mut()
            .filter(|_| self.without(Sabotage::ExpiredOffsetsFromEarliest))
        {
            progress
                .inputs
                .retain(|input, _| !expired.iter().any(|at| self.oracle.input(at) == *input));
        }
        let Some(progress) = last else { return };
        if self.without(Sabotage::ProgressUnchecked) {
            for (input, position) in &mut progress.inputs {
                let at = TopicPartition::new(input.topic.clone(), input.partition);
                position.next = self.kafka.offset_as_it_stands(&at).unwrap_or(position.next);
            }
        }
        if self.without(Sabotage::DeletedPassedOver) {
            for (input, position) in &mut progress.inputs {
                let at = TopicPartition::new(input.topic.clone(), input.partition);
                position.next = position.next.max(self.kafka.log(&at).low());
            }
        }
        if let Some(marker) = self.redis.marker(changelog.partition)
            && self.without(Sabotage::IncarnationIgnored)
        {
            progress.incarnation = marker.of.incarnation;
            progress.key_check = self.shared.expected.state_key(progress.incarnation).check_value();
        }
    }

    /// Runs the script, and looks that nobody's build is thrown away by one who had not seen it.
    fn begin(&mut self, partition: Partition, begin: &Begin) -> Begun {
        let before = self.redis.marker(partition).map(|marker| marker.of);
        let asked = begin.expected;
        let mut begin = *begin;
        if self.without(Sabotage::BegunBlindly) {
            begin.expected = before.map(|of| of.generation);
        }
        let begun = self.redis.begin(partition, &begin);
        let is_new = matches!(begun, Begun::Begun(_)) && before != Some(begin.of);
        assert!(
            !is_new || before.map(|of| of.generation) == asked,
            "partition {partition}: a rebuild took the place of one that it had not seen"
        );
        begun
    }

    fn spoil_begin(&self, partition: Partition, begin: &mut Begin) {
        let seen = self
            .redis
            .marker(partition)
            .filter(|_| self.without(Sabotage::RebuildInPlace));
        if let Some(marker) = seen.filter(|marker| marker.of.incarnation == begin.of.incarnation) {
            begin.of = marker.of;
        }
    }

    fn meet(&self, at: &TopicPartition, from: i64, to: i64) -> Met<'_> {
        let log = self.kafka.log(at);
        if self.without(Sabotage::ReplayUncommitted) {
            log.read_all(from, to)
        } else {
            log.read(from, to)
        }
    }

    fn replay(&mut self, changelog: &TopicPartition, from: i64, to: i64) -> RecoveryAnswer {
        let most = self.rng.between(1, 200) as usize;
        let mut records = Vec::new();
        let mut next = from;
        while records.len() < most && next < to {
            match self.meet(changelog, next, to) {
                Met::Record(offset, data) => {
                    next = offset + 1;
                    let change = |key| clocks::change(offset, key, data.value.clone()).expect("we wrote it");
                    records.extend(data.key.clone().map(change));
                }
                Met::Gone => return gone(changelog, next),
                Met::End(end) if end == next => break,
                Met::End(end) => next = end,
            }
        }
        if self.without(Sabotage::ReplayWithoutWaiting) && records.len() < most {
            next = to;
        }
        if records.is_empty() && next < to {
            return away("an open transaction");
        }
        RecoveryAnswer::Replayed { changes: records, next }
    }
}

/// As if it had begun.
fn begun(begin: &Begin) -> Marker {
    Marker {
        of: begin.of,
        offset: begin.offset,
        begun_at: begin.at,
        applied_until: None,
    }
}

fn gone(at: &TopicPartition, offset: i64) -> RecoveryAnswer {
    RecoveryAnswer::Hopeless(format!("{at} no longer holds offset {offset}"))
}

fn away(why: &str) -> RecoveryAnswer {
    RecoveryAnswer::Unavailable(why.to_owned())
}
