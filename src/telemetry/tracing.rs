//! Where events go: standard error, as text for people or JSON for machines. The level can be changed while it runs.

use crate::config::{Log, LogFormat, check_log_level};
use std::io::IsTerminal;
use std::sync::Arc;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// Changes the level of the running program. The default changes nothing: for programs that don't log.
#[derive(Clone, Default)]
pub struct LevelHandle {
    handle: Option<Arc<reload::Handle<EnvFilter, Registry>>>,
}

impl LevelHandle {
    /// Takes what `log.level` takes; else says what to write.
    pub fn set(&self, level: &str) -> Result<(), &'static str> {
        check_log_level(level)?;
        let Some(handle) = &self.handle else { return Ok(()) };
        handle
            .reload(EnvFilter::new(level))
            .map_err(|_| "it again once the program has started")
    }
}

/// Makes the subscriber the process's own. A second call in a process changes nothing, and says so.
pub fn start(log: &Log) -> Result<LevelHandle, tracing::subscriber::SetGlobalDefaultError> {
    let (filter, handle) = reload::Layer::new(EnvFilter::new(&log.level));
    let is_json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<_> + Send + Sync> = if is_json {
        lines.json().flatten_event(true).with_current_span(false).boxed()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).boxed()
    };
    tracing::subscriber::set_global_default(Registry::default().with(filter).with(lines))?;
    let handle = Some(Arc::new(handle));
    Ok(LevelHandle { handle })
}
