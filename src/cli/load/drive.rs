//! Sends each record when it is due and reads what comes out, on a thread of its own. Nothing that comes out, or fails to,
//! changes when the next record is sent.

use super::answer::{Ids, Part};
use super::board::{Board, Schedule};
use super::dice::{Dice, Kind};
use super::ends::{Entrance, Exits};
use super::plan::Plan;
use super::progress::Progress;
use super::world::World;
use crate::cli::now;
use crate::failure::{Exit, Failure};
use crate::kafka::NewRecord;
use crate::shutdown::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// The longest nap: there is a progress to show.
const NAP: Duration = Duration::from_millis(5);
/// Between two tries to hand a record to a client whose queue is full.
const FULL: Duration = Duration::from_millis(1);
const WAIT: Duration = Duration::from_millis(50);

/// What a load is driven by.
pub struct Drive<'a> {
    pub plan: &'a Plan,
    pub world: &'a World,
    pub ids: &'a Ids,
    pub shutdown: &'a Shutdown,
    pub progress: &'a mut Progress,
}

type Reading<'scope> = ScopedJoinHandle<'scope, Result<(), Failure>>;

impl Drive<'_> {
    /// Sends all, and waits for what comes out of it, within the plan's patience.
    pub fn run(mut self, mut entrance: Entrance<'_>, exits: Exits<'_>) -> Result<Board, Failure> {
        let schedule = Schedule {
            start: Instant::now(),
            rate: self.plan.rate,
        };
        let board = Board::new(schedule, self.plan.records)
            .ok_or_else(|| Failure::new(Exit::Internal, "no histogram can be made: report it, the fault is ours"))?;
        let (board, done) = (Mutex::new(board), AtomicBool::new(false));
        thread::scope(|scope| {
            let reading = scope.spawn(|| follow(exits, &board, &done));
            let sent = self.send(schedule, &mut entrance, &board, &reading);
            let settled = sent.and_then(|()| self.wait(&mut entrance, &board, &reading));
            done.store(true, Ordering::Relaxed);
            let panicked = |_| {
                Err(Failure::new(
                    Exit::Internal,
                    "a reader panicked: report it, the fault is ours",
                ))
            };
            settled.and(reading.join().unwrap_or_else(panicked))
        })?;
        Ok(board.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn send(
        &mut self,
        schedule: Schedule,
        entrance: &mut Entrance<'_>,
        board: &Mutex<Board>,
        reading: &Reading<'_>,
    ) -> Result<(), Failure> {
        let mut dice = Dice::new(self.plan.seed, self.plan.phones, self.plan.mix);
        let mut next = 0;
        // Drawn and not yet taken by the client.
        let mut waiting = None;
        while next < self.plan.records && !self.shutdown.is_wished() && !reading.is_finished() {
            let due = schedule.due(Instant::now()).min(self.plan.records);
            let mut is_full = false;
            while next < due && !is_full {
                let (kind, record) = waiting.take().unwrap_or_else(|| self.draw(&mut dice, next, entrance));
                if entrance.post(&record)? {
                    locked(board).has_sent(kind, next, Instant::now());
                    next += 1;
                } else {
                    is_full = true;
                    waiting = Some((kind, record));
                }
            }
            entrance.settle()?;
            self.progress.sending(&locked(board), self.plan.records);
            let until_next = schedule.at(next).saturating_duration_since(Instant::now());
            thread::sleep(if is_full { FULL } else { until_next.min(NAP) });
        }
        Ok(())
    }

    fn draw(&self, dice: &mut Dice, number: u64, entrance: &Entrance<'_>) -> (Kind, NewRecord) {
        let drawn = dice.draw();
        let kind = drawn.0.kind();
        let part = match kind {
            Kind::Inbound => Part::Inbound,
            Kind::Outbound => Part::Outbound,
            Kind::Crm => Part::Crm,
        };
        let made = self.world.made(drawn, &self.ids.id(part, number), now());
        (kind, entrance.record(&made))
    }

    fn wait(
        &mut self,
        entrance: &mut Entrance<'_>,
        board: &Mutex<Board>,
        reading: &Reading<'_>,
    ) -> Result<(), Failure> {
        let until = Instant::now() + self.plan.patience;
        while locked(board).missing() > 0 && Instant::now() < until && !reading.is_finished() {
            entrance.settle()?;
            self.progress.waiting(&locked(board));
            thread::sleep(NAP);
        }
        Ok(())
    }
}

fn follow(mut exits: Exits<'_>, board: &Mutex<Board>, done: &AtomicBool) -> Result<(), Failure> {
    while !done.load(Ordering::Relaxed) {
        if let Some(answer) = exits.next(WAIT)? {
            locked(board).has_seen(answer, Instant::now());
        }
    }
    Ok(())
}

fn locked(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}
