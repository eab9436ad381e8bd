//! The four scripts and how a call of each is put together: by hash, every key declared, arguments as plain bytes.

use std::borrow::Cow;
use std::sync::LazyLock;

use redis::{Cmd, Script};

use super::super::Generation;

/// A script's text and hash.
pub struct Code {
    text: &'static str,
    script: LazyLock<Script>,
}

impl Code {
    fn hash(&self) -> &str {
        self.script.get_hash()
    }

    /// The command that makes a server know the script.
    pub fn teach(&self) -> Cmd {
        let mut cmd = redis::cmd("SCRIPT");
        cmd.arg("LOAD").arg(self.text);
        cmd
    }
}

/// Reads.
pub static ASK: Code = Code {
    text: ASK_TEXT,
    script: LazyLock::new(|| Script::new(ASK_TEXT)),
};
const ASK_TEXT: &str = include_str!("ask.lua");
/// Writes what the changelog says.
pub static APPLY: Code = Code {
    text: APPLY_TEXT,
    script: LazyLock::new(|| Script::new(APPLY_TEXT)),
};
const APPLY_TEXT: &str = include_str!("apply.lua");
/// Starts a build over.
pub static BEGIN: Code = Code {
    text: BEGIN_TEXT,
    script: LazyLock::new(|| Script::new(BEGIN_TEXT)),
};
const BEGIN_TEXT: &str = include_str!("begin.lua");
/// Gives an older build back.
pub static SWEEP: Code = Code {
    text: SWEEP_TEXT,
    script: LazyLock::new(|| Script::new(SWEEP_TEXT)),
};
const SWEEP_TEXT: &str = include_str!("sweep.lua");

/// One command that a script runs: its name, its key, and what follows the key.
#[derive(Debug, PartialEq, Eq)]
pub struct Step<'a> {
    pub command: &'static str,
    pub key: Vec<u8>,
    pub args: Vec<Cow<'a, [u8]>>,
}

/// A script call without steps.
pub fn call<A: AsRef<[u8]>>(code: &Code, keys: &[Vec<u8>], args: &[A]) -> Cmd {
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(code.hash()).arg(keys.len()).arg(keys);
    for arg in args {
        cmd.arg(arg.as_ref());
    }
    cmd
}

/// A script call that runs steps: their keys follow `keys`, and what each does follows `args`.
pub fn call_with_steps(code: &Code, keys: &[&[u8]], args: &[String], steps: &[Step<'_>]) -> Cmd {
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(code.hash()).arg(keys.len() + steps.len()).arg(keys);
    for step in steps {
        cmd.arg(step.key.as_slice());
    }
    cmd.arg(args);
    for step in steps {
        cmd.arg(step.command).arg(step.args.len());
        for arg in &step.args {
            cmd.arg(arg.as_ref());
        }
    }
    cmd
}

/// A build as the scripts compare it with the marker.
pub fn build(of: &Generation) -> [String; 3] {
    [
        of.incarnation.to_string(),
        of.generation.to_string(),
        of.format.to_string(),
    ]
}
