//! `run`: the router, and the API and the admin server if they are configured, until SIGTERM or SIGINT.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::shutdown::Shutdown;
use crate::telemetry::tracing;
use std::sync::Arc;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  chatroom-router run
  chatroom-router run --config /etc/chatroom-router.toml
  CHATROOM_ROUTER_KAFKA__BROKERS=kafka-1:9092 CHATROOM_ROUTER_INDEX__URL=redis://redis-1:6379/0 chatroom-router run

Start as many as you like: they share the partitions. The topics must be there: see `chatroom-router topics plan`.";

/// For what is left after the drain: the last call of a broker, 5 s, and clients that let go of their connections. A client may
/// wait for a broker longer than it was told to, and a supervisor waits 30 s before it kills (`terminationGracePeriodSeconds`).
const GRACE: Duration = Duration::from_secs(8);

pub fn run(config: Config) -> Result<(), Failure> {
    let internal = |error: &dyn std::fmt::Display| Failure::new(Exit::Internal, error.to_string());
    let level = tracing::start(&config.log).map_err(|error| internal(&error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| internal(&error))?;
    let _entered = runtime.enter();
    let shutdown = Shutdown::on_signals().map_err(|error| internal(&error))?;
    let patience = config.shutdown.drain + GRACE;
    end_what_hangs(&shutdown, patience).map_err(|error| internal(&error))?;
    let ended = Shutdown::new();
    let app = App::on_services(Arc::new(config), shutdown)?;
    runtime.block_on(app.serve_admin(level, ended.clone()))?;
    let api = runtime.block_on(app.serve_api())?;
    let shutdown = app.shutdown.clone();
    let result = app.run(runtime.handle());
    shutdown.trigger().fire();
    if let Some((_, served)) = api {
        // It has its own bound of time, and a panic in it has been told.
        let _ = runtime.block_on(served);
    }
    ended.trigger().fire();
    result
}

/// Not well, whoever wished for the end: it may have been a worker that failed, and then it is to be started again.
fn end_what_hangs(shutdown: &Shutdown, patience: Duration) -> std::io::Result<()> {
    shutdown.at_last(patience, || {
        ::tracing::error!(
            "the drain did not end in its time: ends all the same, and who comes next goes on from the log"
        );
        std::process::exit(Exit::Internal as i32);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    const HANGS: &str = "CHATROOM_ROUTER_TEST_HANGS";

    /// The process that hangs is this test itself, started once more.
    #[test]
    fn a_drain_that_hangs_ends_its_process_with_the_code_of_our_own_fault() {
        if std::env::var_os(HANGS).is_some() {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let _entered = runtime.enter();
            let shutdown = Shutdown::new();
            end_what_hangs(&shutdown, Duration::from_millis(1)).unwrap();
            shutdown.trigger().fire();
            // Nobody says anything. If this is not ended by then, it ends well, which is what it must not.
            let (_silent, heard) = std::sync::mpsc::channel::<()>();
            _ = heard.recv_timeout(Duration::from_secs(60));
            return;
        }
        let mut again = Command::new(std::env::current_exe().unwrap());
        again
            .args([
                "--exact",
                "cli::run::tests::a_drain_that_hangs_ends_its_process_with_the_code_of_our_own_fault",
            ])
            .env(HANGS, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert_eq!(again.status().unwrap().code(), Some(70));
    }
}
