//! Which faults, in which order, on which world.

use crate::broker::Broker;
use crate::cluster::SLOTS;
use crate::dice::Dice;
use crate::faults::{OfProcess, OfService, Strike};
use crate::options::Options;
use crate::proxy::Cut;
use crate::report::Report;
use crate::stage::Stage;
use crate::store::Store;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Long enough for the group to give up who is silent, and for Kafka to end its transaction.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(8);
const AWAY: Duration = Duration::from_secs(2);
/// A world by chance lasts about so long before it is judged.
const WORLD: Duration = Duration::from_secs(240);

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

    fn play(
        self,
        broker: &mut Broker,
        options: &Options,
        report: &mut Report,
        strikes: impl FnOnce(&mut Stage<'_>, &mut Dice, &mut Report),
    ) {
        let dir = Directory::new();
        let store = if self.is_watched {
            Store::watched(dir.path())
        } else {
            Store::single(dir.path(), SLOTS)
        };
        let mut dice = Dice::of(options.seed);
        report.world = self.name();
        let mut stage = Stage::start(
            broker,
            store,
            dir.path(),
            self.is_static,
            (options.rate, Dice::of(options.seed)),
        );
        strikes(&mut stage, &mut dice, report);
        let outcome = stage.finish();
        report.add(&outcome);
    }
}

/// Stays if a test fails in it: the logs are there.
struct Directory(TempDir);

impl Directory {
    fn new() -> Directory {
        let made = TempDir::with_prefix_in("chaos-", env!("CARGO_TARGET_TMPDIR"));
        Directory(made.expect("a directory"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.disable_cleanup(true);
        }
    }
}

fn play(options: &Options, strikes: &[Strike], stage: &mut Stage<'_>, dice: &mut Dice, report: &mut Report) {
    let wanted = strikes
        .iter()
        .filter(|strike| strike.to_string().contains(&options.only));
    wanted.for_each(|strike| strike.perform(stage, dice, report));
}

/// A taste of it, for every change.
pub fn minute(options: &Options, report: &mut Report) {
    use OfProcess::{CutFromBoth, Kill, Rolling, Usurp};
    let brief = Duration::from_secs(3);
    let strikes = [
        Strike(Kill, OfService::Nothing),
        Strike(CutFromBoth(Cut::Silent, brief), OfService::RedisForgets),
        Strike(Kill, OfService::RedisRestarts(Duration::from_secs(1))),
        Strike(Usurp, OfService::Nothing),
        Strike(Rolling, OfService::Nothing),
    ];
    let dir = Directory::new();
    let mut broker = Broker::start(dir.path(), SLOTS);
    let world = World {
        is_static: true,
        is_watched: false,
    };
    world.play(&mut broker, options, report, |stage, dice, report| {
        play(options, &strikes, stage, dice, report);
    });
}

/// Every fault of a process alone, and with every fault of a service; then what only a sentinel knows.
pub fn whole(options: &Options, report: &mut Report) {
    use OfProcess::{CutFromBoth, CutFromKafka, CutFromRedis, Freeze, Kill, Nothing, Rolling, Scale, Usurp};
    let of_process = [
        Kill,
        CutFromKafka(Cut::Silent, SHORT),
        CutFromRedis(Cut::Reset, SHORT),
        CutFromBoth(Cut::Silent, SHORT),
        Freeze(LONG),
        Rolling,
        Scale,
    ];
    let of_service = [
        OfService::Nothing,
        OfService::BrokerEnds,
        OfService::BrokerIsKilled,
        OfService::RedisRestarts(AWAY),
        OfService::RedisForgets,
    ];
    let dir = Directory::new();
    let mut broker = Broker::start(dir.path(), SLOTS);
    let all = |of_process: &[OfProcess], of_service: &[OfService]| {
        let pairs = of_process
            .iter()
            .flat_map(|one| of_service.iter().map(|other| Strike(*one, *other)));
        pairs.collect::<Vec<Strike>>()
    };
    let plain = World {
        is_static: true,
        is_watched: false,
    };
    let alone: Vec<Strike> = all(&[Kill, Rolling, Usurp], &of_service[..1]);
    plain.play(&mut broker, options, report, |stage, dice, report| {
        let strikes = [
            all(&[Nothing], &of_service[1..]),
            all(&of_process, &of_service),
            alone.clone(),
        ]
        .concat();
        play(options, &strikes, stage, dice, report);
    });
    let watched = World {
        is_static: false,
        is_watched: true,
    };
    plain_faults_of(watched, &mut broker, options, report, &all);
}

type Pairs<'a> = &'a dyn Fn(&[OfProcess], &[OfService]) -> Vec<Strike>;

fn plain_faults_of(world: World, broker: &mut Broker, options: &Options, report: &mut Report, all: Pairs<'_>) {
    use OfProcess::{CutFromKafka, Freeze, Kill, Nothing, Rolling, Scale};
    let cut = CutFromKafka(Cut::Reset, SHORT);
    let fail_over = [OfService::RedisRestarts(AWAY)];
    let strikes = [
        all(&[Kill, Freeze(LONG), Rolling, Scale], &[OfService::Nothing]),
        all(&[Nothing, Kill, cut, Freeze(LONG), Rolling, Scale], &fail_over),
        all(&[Nothing, Kill], &[OfService::RedisForgets, OfService::BrokerEnds]),
    ];
    world.play(broker, options, report, |stage, dice, report| {
        play(options, &strikes.concat(), stage, dice, report);
    });
}

/// By the seed, until the time is over; each world is judged before the next.
pub fn chance(options: &Options, report: &mut Report) {
    let dir = Directory::new();
    let mut broker = Broker::start(dir.path(), SLOTS);
    let mut dice = Dice::of(options.seed);
    let mut options = options.clone();
    while report.time() < options.time {
        let world = World {
            is_static: dice.one_in(2),
            is_watched: dice.one_in(3),
        };
        let until = options.time.min(report.time() + WORLD);
        options.seed = options.seed.wrapping_add(1);
        world.play(&mut broker, &options, report, |stage, dice, report| {
            while report.time() < until {
                any(dice).perform(stage, dice, report);
            }
        });
    }
}

fn any(dice: &mut Dice) -> Strike {
    let cut = if dice.one_in(2) { Cut::Silent } else { Cut::Reset };
    let time = Duration::from_secs(1 + dice.roll(20) as u64);
    let of_process = match dice.roll(10) {
        0 => OfProcess::Nothing,
        1..=3 => OfProcess::Kill,
        4 => OfProcess::Freeze(time),
        5 => OfProcess::CutFromKafka(cut, time),
        6 => OfProcess::CutFromRedis(cut, time),
        7 => OfProcess::CutFromBoth(cut, time),
        8 => OfProcess::Rolling,
        _ => OfProcess::Scale,
    };
    let of_service = match dice.roll(8) {
        0..=2 => OfService::Nothing,
        3 => OfService::BrokerEnds,
        4 => OfService::BrokerIsKilled,
        5 => OfService::RedisRestarts(time / 4),
        _ => OfService::RedisForgets,
    };
    Strike(of_process, of_service)
}
