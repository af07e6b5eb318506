//! Log lines on stderr or in a file. Never on stdout: what Squid reads there is an answer.
//!
//! Our levels are one step finer than those of `tracing`, so each has a name there: notice is
//! `info`, info is `debug`, and debug, the only one that speaks of single requests, is `trace`.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, LogLevel, LogSettings, LogType};

/// Starts logging as configured.
///
/// # Errors
/// When the file cannot be opened, or logging was started before.
pub(crate) fn start(settings: &LogSettings) -> io::Result<()> {
    let out: Box<dyn io::Write + Send> = match &settings.kind {
        LogType::Console => Box::new(io::stderr()),
        // Whole lines are appended, so several connectors may share one file.
        LogType::File(path) => Box::new(OpenOptions::new().append(true).create(true).open(path)?),
    };
    let lines = Lines { out: Mutex::new(out), format: settings.format };
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter(settings.level)));
    registry.try_init().map_err(io::Error::other)
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Info => LevelFilter::DEBUG,
        LogLevel::Debug => LevelFilter::TRACE,
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "notice",
        Level::DEBUG => "info",
        Level::TRACE => "debug",
    }
}

struct Lines {
    out: Mutex<Box<dyn io::Write + Send>>,
    format: LogFormat,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut seen = Fields::of(self.format);
        event.record(&mut seen);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = seen
            .line(&timestamp(now.as_secs(), now.subsec_millis()), word(*event.metadata().level()));
        if let Ok(mut out) = self.out.lock() {
            // A log that cannot be written must not stop the proxy.
            drop(out.write_all(line.as_bytes()));
            drop(out.flush());
        }
    }
}

/// The fields of one event as text.
struct Fields {
    format: LogFormat,
    message: String,
    rest: String,
}

impl Fields {
    const fn of(format: LogFormat) -> Self {
        Self { format, message: String::new(), rest: String::new() }
    }

    fn line(&self, time: &str, level: &str) -> String {
        let (message, rest) = (&self.message, &self.rest);
        let process = std::process::id();
        match self.format {
            LogFormat::Text => {
                format!("{time} {level} squid-connector[{process}]: {message}{rest}\n")
            }
            LogFormat::Json => format!(
                "{{\"time\":\"{time}\",\"level\":\"{level}\",\"program\":\"squid-connector\",\
                 \"process\":{process},\"message\":{}{rest}}}\n",
                quoted(message)
            ),
        }
    }

    fn push(&mut self, field: &Field, text: &str) {
        let (name, value) = (field.name(), quoted(text));
        match (name, self.format) {
            ("message", _) => text.clone_into(&mut self.message),
            (_, LogFormat::Text) if text.bytes().all(is_plain) && !text.is_empty() => {
                self.rest.extend([" ", name, "=", text]);
            }
            (_, LogFormat::Text) => self.rest.extend([" ", name, "=", &value]),
            (_, LogFormat::Json) => self.rest.extend([",\"", name, "\":", &value]),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, &format!("{value:?}"));
    }
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

/// A JSON string: what peers say cannot end a line or begin a field.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            plain if !plain.is_control() => out.push(plain),
            control => out.push_str(&format!("\\u{:04x}", u32::from(control))),
        }
    }
    out.push('"');
    out
}

/// RFC 3339 in UTC, from seconds since 1970.
fn timestamp(seconds: u64, millis: u32) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    // Civil date from a day number, by 400-year eras that begin in March.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_time() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_795_224_000, "2026-11-21T01:20:00.007Z"),
            (4_107_542_399, "2100-02-28T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] {
            assert_eq!(timestamp(seconds, 7), expected);
        }
    }

    #[test]
    fn quotes_what_could_end_a_line() {
        assert_eq!(quoted("a\"b\\c\nd\u{e9}"), "\"a\\\"b\\\\c\\u000ad\u{e9}\"");
    }
}
