//! The thin binary: the command line in, an exit code out.

use chatroom_router::cli::Cli;
use chatroom_router::config::Process;
use chatroom_router::failure::Exit;
use clap::Parser;
use std::process::ExitCode;

/// glibc's allocator fragments under the threads of Kafka's client.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(asked) => {
            // Nobody reads any more: then there is nothing to say.
            let _ = asked.print();
            let is_help = asked.exit_code() == 0;
            return if is_help {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(Exit::Usage as u8)
            };
        }
    };
    match cli.run(&Process, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("chatroom-router: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
