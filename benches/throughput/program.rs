//! A program under measurement: a child process, watched from outside until it has come to the end, then asked to leave.

use crate::Outcome;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LOOK_AGAIN: Duration = Duration::from_millis(20);
const LEAVE: Duration = Duration::from_secs(40);

/// What a run of a program took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Of all records but those that the first look found done already.
    pub per_second: f64,
    /// User and system time of the process per record, from the first look until it has ended.
    pub cpu_micros: f64,
    pub peak_megabytes: f64,
}

pub struct Program {
    child: Child,
    name: String,
    log: String,
}

impl Program {
    /// What it says goes to a file beside the build.
    pub fn start(name: &str, command: &mut Command) -> Outcome<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(folder)?;
        let log = folder.join(format!("bench-{name}.log"));
        let said = File::create(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        Ok(Self {
            child,
            name: name.to_owned(),
            log: log.display().to_string(),
        })
    }

    /// Waits until `done` says that all records are, and ends it.
    pub fn measure(mut self, records: u64, patience: Duration, done: &dyn Fn() -> Outcome<u64>) -> Outcome<Figures> {
        let until = Instant::now() + patience;
        let first = self.wait(until, done, 1)?;
        let (began, cpu) = (Instant::now(), self.cpu()?);
        self.wait(until, done, records)?;
        let took = began.elapsed();
        let peak_megabytes = self.peak_megabytes()?;
        let cpu = self.leave()? - cpu;
        let counted = records.saturating_sub(first) as f64;
        Ok(Figures {
            per_second: counted / took.as_secs_f64(),
            cpu_micros: cpu.as_secs_f64() * 1e6 / counted,
            peak_megabytes,
        })
    }

    /// Waits until so much is done; returns how much really is. A look that fails is no news: it is taken again.
    pub fn wait(&mut self, until: Instant, done: &dyn Fn() -> Outcome<u64>, wanted: u64) -> Outcome<u64> {
        loop {
            let now = done();
            if let Ok(now) = now
                && now >= wanted
            {
                return Ok(now);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended ({status}): see {}", self.name, self.log).into());
            }
            if Instant::now() > until {
                return Err(format!("{}: {now:?} of {wanted} in time: see {}", self.name, self.log).into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Asks it to end and waits; it is killed if it takes too long. Returns the time of the CPU that it took in all.
    pub fn leave(mut self) -> Outcome<Duration> {
        let others = children_cpu()?;
        signal(&self.child, "TERM")?;
        let until = Instant::now() + LEAVE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                return Err(format!("{} did not end in time: see {}", self.name, self.log).into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(children_cpu()? - others)
    }

    fn cpu(&self) -> Outcome<Duration> {
        times(&format!("/proc/{}/stat", self.child.id()), 11)
    }

    fn peak_megabytes(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        let kilobytes: f64 = kilobytes.ok_or("no VmHWM in /proc")?.parse()?;
        Ok(kilobytes / 1_024.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, name: &str) -> Outcome<()> {
    let command = format!("kill -{name} {}", child.id());
    Command::new("sh").args(["-c", &command]).status()?;
    Ok(())
}

/// Of all children that have ended and were waited for.
fn children_cpu() -> Outcome<Duration> {
    times("/proc/self/stat", 13)
}

/// User and system time, at this place and the next after the name of the process (proc(5)), in hundredths of a second.
fn times(path: &str, place: usize) -> Outcome<Duration> {
    let stat = fs::read_to_string(path)?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc")?;
    let ticks: Vec<u64> = fields
        .split_whitespace()
        .skip(place)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}
