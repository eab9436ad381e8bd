//! One child process: its output kept in a file, shown when a test fails, and ended however the test ends.

use crate::wait;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

pub struct Process {
    pub name: String,
    child: Child,
    guard: Guard,
    output: PathBuf,
}

/// Ends the child when we end without having done so: it waits for the end of its input, which comes with our own.
struct Guard {
    shell: Child,
    _ends_with_us: ChildStdin,
}

impl Guard {
    fn over(pid: u32) -> Guard {
        let mut shell = Command::new("sh")
            .args(["-c", "read _; kill -KILL \"$0\" 2>/dev/null", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let ends_with_us = shell.stdin.take().expect("piped");
        Guard {
            shell,
            _ends_with_us: ends_with_us,
        }
    }

    fn dismiss(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

impl Process {
    /// `output` is appended to: a restarted process goes on in the same file.
    pub fn start(name: &str, command: &mut Command, output: &Path) -> Process {
        let file = File::options()
            .create(true)
            .append(true)
            .open(output)
            .expect("output file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let guard = Guard::over(child.id());
        Process {
            name: name.to_owned(),
            child,
            guard,
            output: output.to_owned(),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Anything that `kill` understands: KILL, TERM, STOP, CONT.
    pub fn signal(&self, signal: &str) {
        let line = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &line]).status().expect("sh starts");
        assert!(status.success(), "{line} ({}) failed", self.name);
    }

    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        let child = &mut self.child;
        let status = wait::until(&what, patience, || child.try_wait().expect("a child can be waited for"));
        self.guard.dismiss();
        status
    }

    pub fn kill(&mut self) {
        self.guard.dismiss();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The last lines that it wrote.
    pub fn last_words(&self) -> String {
        let bytes = std::fs::read(&self.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(60);
        format!(
            "--- {} ({}):\n{}",
            self.name,
            self.output.display(),
            lines[from..].join("\n")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
        self.kill();
    }
}
