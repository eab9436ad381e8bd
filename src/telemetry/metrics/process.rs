//! The process itself: what it is, and what it takes.

use prometheus::{Error, IntGauge, Opts, Registry};

pub fn register(registry: &Registry) -> Result<(), Error> {
    let info = Opts::new(
        "build_info",
        "Always 1; the labels say what runs. Watch: more than one version for longer than a rollout takes.",
    );
    let info = info
        .namespace("chatroom_router")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let info = IntGauge::with_opts(info)?;
    info.set(1);
    registry.register(Box::new(info))?;
    // CPU seconds, memory, threads and open files, under the names that every dashboard knows.
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(())
}
