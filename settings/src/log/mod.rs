//! Log lines: eight levels on tracing's five, a file that can be reopened, standard error or syslog,
//! text or JSON.
//!
//! Who a line says is speaking is the program's to choose, a [`Speaker`].
//!
//! tracing knows `error`, `warn`, `info`, `debug` and `trace`. Ours are told apart by an event's
//! field `severity`: without one, `error` is error, `warn` warning, `info` notice (the life cycle),
//! `debug` and `trace` debug (single requests). [`critical!`](crate::critical) and
//! [`info!`](crate::info) set it.
//!
//! INVARIANT: what a client chose reaches a line only with its control characters escaped, so that
//! nobody writes lines of their own.

mod level;

mod logging;

mod format;

mod syslog;

mod sink;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use format::{Form, Line};
pub use level::Level;
pub use logging::{
    LogFormat, LogType, Logging, file_key, format_key, level_key, socket_key, type_key,
};
use sink::Queue;
pub use sink::{LogFault, Sink};

/// Events of other crates are of interest from this level on.
const FOREIGN_LEVEL: Level = Level::Warning;

/// Logs at critical: a fatal failure.
#[macro_export]
macro_rules! critical {
    ($($event:tt)+) => { ::tracing::error!(severity = "critical", $($event)+) };
}

/// Logs at info, between notice and debug.
#[macro_export]
macro_rules! info {
    ($($event:tt)+) => { ::tracing::info!(severity = "info", $($event)+) };
}

/// Who a line says is speaking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The part of the program, for one that has a log of its own. Parts of this crate, `eg_engine`,
    /// are named without it.
    Part(&'static str),
    /// The program and the number of its process, for programs of which several share a log.
    Process(&'static str),
}

impl Speaker {
    /// The program as syslog names it.
    fn ident(self) -> &'static str {
        match self {
            Self::Part("eg_engine") => "enforcegate-engine",
            Self::Part("eg_portal") => "enforcegate-portal",
            Self::Process("squid-connector") => "enforcegate-squid-connector",
            Self::Part(name) | Self::Process(name) => name,
        }
    }
}

/// Starts logging for the whole process. Gives the sink, for SIGHUP to reopen and for the program to
/// keep until its end: dropped, it waits until the last lines are written.
///
/// # Errors
///
/// When the log file cannot be opened.
pub fn start(config: &Logging, speaker: Speaker) -> Result<Sink, LogFault> {
    let level = config.level;
    let form = match &config.kind {
        LogType::File(_) | LogType::Console => Form::Line(config.format),
        LogType::Syslog(_) => Form::Syslog(config.format),
    };
    let (sink, queue) = Sink::open(&config.kind, move |count| lost(speaker, count).finish(form))?;
    let layer = Lines { queue, level, form, speaker };
    // Only tests start twice in a process; the first sink stays then.
    drop(tracing::subscriber::set_global_default(Registry::default().with(layer)));
    Ok(sink)
}

/// The line that tells of lines that were dropped; it comes at every level, since they may have
/// been of any.
fn lost(speaker: Speaker, count: u64) -> Line {
    let target = match speaker {
        Speaker::Part(program) => format!("{program}::log"),
        Speaker::Process(program) => program.to_owned(),
    };
    let mut line = Line::new(Level::Warning, speaker, &target);
    line.field("message", "lines were dropped, since the log could not keep up");
    line.number("lines", &count.to_string());
    line
}

/// The layer that makes lines.
struct Lines {
    queue: Queue,
    level: Level,
    form: Form,
    speaker: Speaker,
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Lines {
    fn enabled(&self, facts: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let most = if is_ours(facts) { self.level } else { self.level.min(FOREIGN_LEVEL) };
        most_severe(facts) <= most
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.level {
            Level::Emergency | Level::Alert | Level::Critical | Level::Error => LevelFilter::ERROR,
            Level::Warning => LevelFilter::WARN,
            Level::Notice | Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::TRACE,
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let facts = event.metadata();
        let mut line = Line::new(level_of(facts), self.speaker, facts.target());
        event.record(&mut line);
        if line.level() <= self.level {
            self.queue.push(line.finish(self.form));
        }
    }
}

/// Whether one of our crates speaks.
fn is_ours(facts: &Metadata<'_>) -> bool {
    facts.target().starts_with("eg_") || facts.target().starts_with("enforcegate")
}

/// The level of an event that has no severity of its own.
fn level_of(facts: &Metadata<'_>) -> Level {
    match *facts.level() {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO => Level::Notice,
        tracing::Level::DEBUG | tracing::Level::TRACE => Level::Debug,
    }
}

/// The most severe that an event may turn out to be, by what its call site says.
fn most_severe(facts: &Metadata<'_>) -> Level {
    let has_severity = facts.fields().field(format::SEVERITY).is_some();
    match level_of(facts) {
        Level::Error if has_severity => Level::Emergency,
        level => level,
    }
}

/// The severity that a field names.
fn severity(field: &Field, value: &str) -> Option<Level> {
    if field.name() != format::SEVERITY {
        return None;
    }
    Level::ALL.into_iter().find(|level| level.word() == value)
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match severity(field, value) {
            Some(level) => self.set_level(level),
            None => self.field(field.name(), value),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field.name(), &value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field.name(), &value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field.name(), if value { "true" } else { "false" });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.field(field.name(), &chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.field(field.name(), &format!("{value:?}"));
    }
}

/// An error with its causes, outermost first.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        // A transparent error repeats its cause's text.
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_lines_are_told_of() {
        let text = lost(Speaker::Part("eg_engine"), 7).finish(Form::Line(LogFormat::Text));
        assert!(text.contains(" warning log: lines were dropped"), "{text}");
        assert!(text.ends_with(" lines=7\n"), "{text}");
    }
}
