//! Which faults, in which order, on which world.

use crate::brokers::{Brokers, Which};
use crate::cluster::{SLOTS, prefix};
use crate::dice::Dice;
use crate::faults::{From, OfProcess, OfService, Strike, Whom};
use crate::options::Options;
use crate::proxy::Cut;
use crate::report::Report;
use crate::stage::Stage;
use crate::store::Store;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Long enough for the group to give up who is silent, and for Kafka to end its transaction.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(8);
const AWAY: Duration = Duration::from_secs(2);
/// Of Kafka: one of them may fail, and the others have all that was confirmed.
const NODES: usize = 3;
/// Longer than `/livez` waits for a loop that hangs.
const OUTAGE: Duration = Duration::from_secs(75);
/// Longer than the group waits for a member, and than the other nodes wait for one of theirs.
const SILENCE: Duration = Duration::from_secs(12);
/// A scripted world is judged after so many, so that no fault of Kafka's own costs more.
const STRIKES: usize = 12;
/// A world by chance lasts about so long before it is judged.
const WORLD: Duration = Duration::from_secs(120);

#[derive(Clone, Copy)]
struct World {
    is_static: bool,
    is_watched: bool,
}

impl World {
    fn name(self) -> &'static str {
        match (self.is_static, self.is_watched) {
            (true, false) => "static",
            (false, false) => "dynamic",
            (true, true) => "static, sentinel",
            (false, true) => "dynamic, sentinel",
        }
    }

    /// Strike after strike, until there is no next; then it is judged. A world in which Kafka itself has failed isn't.
    fn play(self, brokers: &mut Brokers, options: &Options, report: &mut Report, next: Next<'_>) {
        report.world = self.name();
        let dir = Directory::new(options);
        let played = AssertUnwindSafe(|| self.play_in(&dir, brokers, (options, next), report));
        let Err(failure) = catch_unwind(played) else { return };
        let lost = brokers.own_faults(&prefix(dir.path()));
        if lost.is_empty() {
            let (name, words) = (self.name(), options.words());
            eprintln!("the world ({name}) failed that CHAOS='{words}' begins with");
            resume_unwind(failure);
        }
        eprintln!("Kafka itself has failed in this world, which is not judged:\n{lost}");
        report.lose();
        brokers.mend();
    }

    fn play_in(
        self,
        dir: &Directory,
        brokers: &mut Brokers,
        (options, next): (&Options, Next<'_>),
        report: &mut Report,
    ) {
        let store = if self.is_watched {
            Store::watched(dir.path(), SLOTS)
        } else {
            Store::single(dir.path(), SLOTS)
        };
        let mut dice = Dice::of(options.seed);
        let load = (options.rate, Dice::of(options.seed));
        let mut stage = Stage::start(brokers, store, dir.path(), self.is_static, load);
        while let Some(strike) = next(&mut dice, report) {
            strike.perform(&mut stage, &mut dice, report);
        }
        let outcome = stage.finish();
        report.add(&outcome);
    }
}

type Next<'a> = &'a mut dyn FnMut(&mut Dice, &Report) -> Option<Strike>;

/// Stays if a test fails in it, or if that is asked for: the logs are there.
struct Directory(TempDir, bool);

impl Directory {
    fn new(options: &Options) -> Directory {
        let made = TempDir::with_prefix_in("chaos-", env!("CARGO_TARGET_TMPDIR"));
        Directory(made.expect("a directory"), options.keeps)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::thread::panicking() || self.1 {
            self.0.disable_cleanup(true);
        }
    }
}

/// All of these that are wished for, in as many worlds as it takes.
fn play(world: World, strikes: Vec<Strike>, brokers: &mut Brokers, options: &Options, report: &mut Report) {
    let is_wished = |strike: &Strike| options.wishes(&strike.to_string());
    let mut left: VecDeque<Strike> = strikes.into_iter().filter(is_wished).collect();
    let (last, judged) = (left.back().copied(), report.judged_worlds());
    while !left.is_empty() {
        let mut round = left.len().min(STRIKES);
        world.play(brokers, options, report, &mut |_, _| {
            round = round.checked_sub(1)?;
            left.pop_front()
        });
        // Of this kind one world at least is judged.
        if left.is_empty() && report.judged_worlds() == judged {
            left.extend(last);
        }
    }
}

/// A taste of it, for every change.
pub fn minute(options: &Options, report: &mut Report) {
    use OfProcess::{Cut as CutOff, Kill, Rolling, Usurp};
    use Whom::{All, One};
    let brief = Duration::from_secs(3);
    let strikes = vec![
        Strike(Kill(One), OfService::Nothing),
        Strike(CutOff(All, From::Both, Cut::Silent, brief), OfService::RedisForgets),
        Strike(Kill(All), OfService::RedisRestarts(Duration::from_secs(1))),
        Strike(Usurp, OfService::Nothing),
        Strike(Rolling, OfService::Nothing),
    ];
    let dir = Directory::new(options);
    let mut brokers = Brokers::start(dir.path(), 1, SLOTS);
    let world = World {
        is_static: true,
        is_watched: false,
    };
    play(world, strikes, &mut brokers, options, report);
}

fn pairs(of_process: &[OfProcess], of_service: &[OfService]) -> Vec<Strike> {
    let pairs = of_process
        .iter()
        .flat_map(|one| of_service.iter().map(|other| Strike(*one, *other)));
    pairs.collect()
}

/// Every fault of a process alone, and with every fault of a service; then those of all processes, outages, and what only a
/// sentinel knows.
pub fn whole(options: &Options, report: &mut Report) {
    let dir = Directory::new(options);
    let mut brokers = Brokers::start(dir.path(), NODES, SLOTS);
    let worlds = [(false, plain_faults()), (true, faults_under_a_sentinel())];
    for (is_watched, strikes) in worlds {
        let world = World {
            is_static: !is_watched,
            is_watched,
        };
        play(world, strikes, &mut brokers, options, report);
    }
}

fn plain_faults() -> Vec<Strike> {
    use OfProcess::{Cut as CutOff, EndWhileCut, Freeze, Kill, Nothing, Rolling, Scale, Twin, Usurp};
    use Whom::{All, One};
    let of_process = [
        Kill(One),
        CutOff(One, From::Kafka, Cut::Silent, SHORT),
        CutOff(One, From::Redis, Cut::Reset, SHORT),
        CutOff(One, From::Both, Cut::Silent, SHORT),
        Freeze(One, LONG),
        Rolling,
        Scale,
    ];
    let of_all = [
        Kill(All),
        CutOff(All, From::Kafka, Cut::Reset, SHORT),
        CutOff(All, From::Redis, Cut::Silent, SHORT),
        CutOff(All, From::Both, Cut::Silent, SHORT),
        Freeze(All, LONG),
    ];
    let of_service = [
        OfService::BrokersEnd(Which::One),
        OfService::BrokersAreKilled(Which::One),
        OfService::RedisRestarts(AWAY),
        OfService::RedisForgets,
    ];
    let of_service_alone = [
        OfService::BrokersEnd(Which::All),
        OfService::RedisRecalls(AWAY),
        OfService::RedisIsFull(SHORT),
    ];
    let outages = [
        Strike(CutOff(All, From::Kafka, Cut::Silent, OUTAGE), OfService::Nothing),
        Strike(CutOff(All, From::Redis, Cut::Silent, OUTAGE), OfService::Nothing),
    ];
    let ends = [
        EndWhileCut(From::Kafka, Cut::Silent),
        EndWhileCut(From::Kafka, Cut::Reset),
        EndWhileCut(From::Redis, Cut::Silent),
        EndWhileCut(From::Both, Cut::Silent),
    ];
    let silence = [
        OfService::BrokersFreeze(Which::One, SILENCE),
        OfService::BrokersFreeze(Which::All, SILENCE),
    ];
    [
        pairs(&[Nothing], &of_service),
        pairs(&[Nothing, Kill(One)], &of_service_alone),
        pairs(&of_process, &[OfService::Nothing]),
        pairs(&of_process, &of_service),
        pairs(&of_all, &[OfService::Nothing, OfService::RedisForgets]),
        pairs(&[Nothing, Kill(One), Kill(All)], &silence),
        outages.to_vec(),
        pairs(&ends, &[OfService::Nothing]),
        pairs(&[Kill(One), Rolling, Usurp, Twin(SHORT)], &[OfService::Nothing]),
    ]
    .concat()
}

fn faults_under_a_sentinel() -> Vec<Strike> {
    use OfProcess::{Cut as CutOff, EndWhileCut, Freeze, Kill, Nothing, Rolling, Scale, Twin};
    use Whom::{All, One};
    let end = EndWhileCut(From::Kafka, Cut::Silent);
    let cuts = [
        CutOff(One, From::Kafka, Cut::Reset, SHORT),
        CutOff(One, From::Redis, Cut::Silent, SHORT),
        CutOff(One, From::Both, Cut::Reset, SHORT),
        CutOff(All, From::Redis, Cut::Reset, SHORT),
        CutOff(All, From::Both, Cut::Silent, SHORT),
    ];
    let fail_over = [OfService::RedisRestarts(AWAY)];
    [
        pairs(
            &[Kill(One), Freeze(One, LONG), end, Rolling, Scale, Twin(SHORT)],
            &[OfService::Nothing],
        ),
        pairs(
            &[
                Nothing,
                Kill(One),
                Kill(All),
                Freeze(One, LONG),
                Freeze(All, SHORT),
                Rolling,
                Scale,
            ],
            &fail_over,
        ),
        pairs(&cuts, &fail_over),
        pairs(
            &[Nothing, Kill(One)],
            &[OfService::RedisForgets, OfService::BrokersEnd(Which::One)],
        ),
    ]
    .concat()
}

/// By the seed, until the time is over. Each world is judged before the next, has a seed of its own, and begins a run that is
/// given that seed: four in a row are of the four kinds.
pub fn chance(options: &Options, report: &mut Report) {
    let dir = Directory::new(options);
    let mut brokers = Brokers::start(dir.path(), NODES, SLOTS);
    let mut options = options.clone();
    while report.time() < options.time {
        let world = World {
            is_static: options.seed.is_multiple_of(2),
            is_watched: options.seed % 4 > 1,
        };
        let until = options.time.min(report.time() + WORLD);
        world.play(&mut brokers, &options, report, &mut |dice, report| {
            (report.time() < until).then(|| any(dice, world))
        });
        options.seed = options.seed.wrapping_add(1);
    }
}

fn any(dice: &mut Dice, world: World) -> Strike {
    let cut = if dice.one_in(2) { Cut::Silent } else { Cut::Reset };
    let time = Duration::from_secs(1 + dice.roll(20) as u64);
    let whom = if dice.one_in(3) { Whom::All } else { Whom::One };
    let from = match dice.roll(3) {
        1 => From::Redis,
        2 => From::Both,
        _ => From::Kafka,
    };
    let of_process = match dice.roll(13) {
        0 => OfProcess::Nothing,
        1..=3 => OfProcess::Kill(whom),
        4 => OfProcess::Freeze(whom, time),
        5..=7 => OfProcess::Cut(whom, from, cut, time),
        8 => OfProcess::Rolling,
        10 => OfProcess::EndWhileCut(from, cut),
        11 => OfProcess::Twin(time),
        9 if world.is_static => OfProcess::Usurp,
        _ => OfProcess::Scale,
    };
    let which = if dice.one_in(4) { Which::All } else { Which::One };
    let of_service = match dice.roll(11) {
        0..=2 if of_process != OfProcess::Nothing => OfService::Nothing,
        3 => OfService::BrokersEnd(which),
        4 => OfService::BrokersAreKilled(which),
        5 => OfService::BrokersFreeze(which, time),
        6 => OfService::RedisRestarts(time / 4),
        7 => OfService::RedisRecalls(time / 4),
        8 => OfService::RedisIsFull(time / 2),
        _ => OfService::RedisForgets,
    };
    Strike(of_process, of_service)
}
