//! What the configuration asks of the world, behind a trait: tests bring a world of their own.

use std::io;
use std::path::Path;

/// Where settings come from.
pub trait Environment {
    /// All variables, whoever they are for.
    fn variables(&self) -> Vec<(String, String)>;
    fn read(&self, path: &Path) -> io::Result<String>;
    /// How many threads can run at once.
    fn cores(&self) -> usize;
}

/// The process's own.
pub struct Process;

impl Environment for Process {
    fn variables(&self) -> Vec<(String, String)> {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        std::env::vars_os()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn cores(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }
}
