//! One event as one line, for people or as JSON.

use std::fmt::Write as _;

use super::level::Level;
use super::logging::LogFormat;
use super::{Speaker, syslog};

/// The field that says how severe an event is where tracing's level says too little.
pub(super) const SEVERITY: &str = "severity";

/// A value longer than this is cut; a line is for reading.
const VALUE_CHARS_MAX: usize = 8192;

/// What a line becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A line of a file or of standard error.
    Line(LogFormat),
    /// A datagram for syslog, which holds level, program and time beside the text.
    Syslog(LogFormat),
}

/// An event's parts while they are collected.
#[derive(Debug)]
pub(super) struct Line {
    level: Level,
    /// The program as syslog names it.
    ident: &'static str,
    speaker: Named,
    message: String,
    fields: Vec<(String, Value)>,
}

/// Who speaks.
#[derive(Debug)]
enum Named {
    Part(String),
    Process { program: &'static str, number: u32 },
}

#[derive(Debug)]
enum Value {
    Text(String),
    /// A number or a boolean, as it is written in JSON too.
    Bare(String),
}

impl Line {
    /// A line of `level` by the module `target`.
    pub(super) fn new(level: Level, speaker: Speaker, target: &str) -> Self {
        let ident = speaker.ident();
        let speaker = match speaker {
            // `eg_engine::reload` is `reload` to an operator.
            Speaker::Part(program) => {
                let inner = target.strip_prefix(program);
                let part = inner.and_then(|part| part.strip_prefix("::")).unwrap_or(target);
                Named::Part(part.to_owned())
            }
            Speaker::Process(program) => Named::Process { program, number: std::process::id() },
        };
        Self { level, ident, speaker, message: String::new(), fields: Vec::new() }
    }

    /// How severe it is.
    pub(super) const fn level(&self) -> Level {
        self.level
    }

    /// Says how severe it is.
    pub(super) const fn set_level(&mut self, level: Level) {
        self.level = level;
    }

    /// Adds a text; `message` is the line's own.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        let value: String = value.chars().take(VALUE_CHARS_MAX).collect();
        if name == "message" {
            self.message = value;
        } else {
            self.fields.push((name.to_owned(), Value::Text(value)));
        }
    }

    /// Adds a number or a boolean.
    pub(super) fn number(&mut self, name: &str, value: &str) {
        self.fields.push((name.to_owned(), Value::Bare(value.to_owned())));
    }

    /// The line with its end, stamped with the time.
    pub(super) fn finish(&self, form: Form) -> String {
        self.finish_at(form, &jiff::Zoned::now())
    }

    fn finish_at(&self, form: Form, now: &jiff::Zoned) -> String {
        match form {
            Form::Line(LogFormat::Text) => {
                let speaker = match &self.speaker {
                    Named::Part(part) => part.clone(),
                    Named::Process { program, number } => format!("{program}[{number}]"),
                };
                let time = now.timestamp();
                let start = format!("{time:.3} {} {speaker}: ", self.level.word());
                self.text(start) + "\n"
            }
            Form::Line(LogFormat::Json) => self.json(now.timestamp()) + "\n",
            Form::Syslog(format) => self.syslog(format, now),
        }
    }

    /// RFC 3164, as the C library's `syslog` writes it: the time is local and has no zone.
    fn syslog(&self, format: LogFormat, now: &jiff::Zoned) -> String {
        let priority = syslog::priority(self.level);
        let (time, process) = (now.strftime("%b %e %H:%M:%S"), std::process::id());
        let start = format!("<{priority}>{time} {}[{process}]: ", self.ident);
        let mut line = match (format, &self.speaker) {
            (LogFormat::Json, _) => start + &self.json(now.timestamp()),
            (LogFormat::Text, Named::Part(part)) => self.text(format!("{start}{part}: ")),
            (LogFormat::Text, Named::Process { .. }) => self.text(start),
        };
        syslog::cut(&mut line);
        line
    }

    fn text(&self, start: String) -> String {
        let mut line = start;
        escape_into(&mut line, &self.message);
        for (name, value) in &self.fields {
            match value {
                Value::Bare(value) => drop(write!(line, " {name}={value}")),
                Value::Text(value) if is_plain(value) => drop(write!(line, " {name}={value}")),
                Value::Text(value) => drop(write!(line, " {name}={value:?}")),
            }
        }
        line
    }

    fn json(&self, now: jiff::Timestamp) -> String {
        let mut object = serde_json::Map::new();
        let text = |text: &str| serde_json::Value::String(text.to_owned());
        object.insert("time".to_owned(), text(&format!("{now:.3}")));
        object.insert("level".to_owned(), text(self.level.word()));
        match &self.speaker {
            Named::Part(part) => {
                object.insert("part".to_owned(), text(part));
            }
            Named::Process { program, number } => {
                object.insert("program".to_owned(), text(program));
                object.insert("process".to_owned(), (*number).into());
            }
        }
        object.insert("message".to_owned(), text(&self.message));
        for (name, value) in &self.fields {
            let value = match value {
                Value::Text(value) => text(value),
                Value::Bare(value) => serde_json::from_str(value).unwrap_or_else(|_| text(value)),
            };
            object.entry(name.clone()).or_insert(value);
        }
        serde_json::Value::Object(object).to_string()
    }
}

/// A value that needs no quotes.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value.chars().all(|letter| letter.is_ascii_graphic() && !matches!(letter, '"' | '='))
}

/// Text with its control characters escaped; letters of every language stay.
fn escape_into(line: &mut String, text: &str) {
    for letter in text.chars() {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Form = Form::Line(LogFormat::Text);
    const JSON: Form = Form::Line(LogFormat::Json);

    fn epoch() -> jiff::Zoned {
        jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC)
    }

    fn line() -> Line {
        line_by(Speaker::Part("eg_engine"))
    }

    fn line_by(speaker: Speaker) -> Line {
        let mut line = Line::new(Level::Notice, speaker, "eg_engine::reload");
        line.field("message", "policy reloaded\nforged line");
        line.number("rules", "12");
        line.field("file", "/etc/a b");
        line.field("digest", "abc");
        line
    }

    #[test]
    fn a_text_line_cannot_be_broken() {
        let text = line().finish_at(TEXT, &epoch());
        assert_eq!(
            text,
            "1970-01-01T00:00:00.000Z notice reload: policy reloaded\\nforged line rules=12 \
             file=\"/etc/a b\" digest=abc\n"
        );
    }

    #[test]
    fn a_json_line_is_one_object() {
        let text = line().finish_at(JSON, &epoch());
        assert_eq!(text.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["level"], "notice");
        assert_eq!(value["rules"], 12);
        assert_eq!(value["message"], "policy reloaded\nforged line");
    }

    #[test]
    fn of_several_processes_each_line_says_which() {
        let number = std::process::id();
        let line = line_by(Speaker::Process("squid-connector"));
        let text = line.finish_at(TEXT, &epoch());
        let start = format!("1970-01-01T00:00:00.000Z notice squid-connector[{number}]: policy");
        assert!(text.starts_with(&start), "{text}");
        let text = line.finish_at(JSON, &epoch());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["program"], "squid-connector");
        assert_eq!(value["process"], number);
    }

    #[test]
    fn syslog_is_told_facility_severity_program_and_local_time() {
        let number = std::process::id();
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
        let now = jiff::Timestamp::UNIX_EPOCH.to_zoned(zone);
        let rest = "policy reloaded\\nforged line rules=12 file=\"/etc/a b\" digest=abc";
        for (speaker, named) in [
            (Speaker::Part("eg_engine"), format!("enforcegate-engine[{number}]: reload")),
            (
                Speaker::Part("eg_portal"),
                format!("enforcegate-portal[{number}]: eg_engine::reload"),
            ),
            (Speaker::Process("squid-connector"), format!("enforcegate-squid-connector[{number}]")),
        ] {
            let text = line_by(speaker).finish_at(Form::Syslog(LogFormat::Text), &now);
            assert_eq!(text, format!("<29>Jan  1 02:00:00 {named}: {rest}"));
            let text = line_by(speaker).finish_at(Form::Syslog(LogFormat::Json), &now);
            let (start, object) = text.split_once("]: ").unwrap();
            assert!(named.starts_with(start.split_once(":00 ").unwrap().1), "{text}");
            let value: serde_json::Value = serde_json::from_str(object).unwrap();
            assert_eq!(value["time"], "1970-01-01T00:00:00.000Z");
        }
        let mut long = Line::new(Level::Debug, Speaker::Part("eg_engine"), "eg_engine");
        long.field("message", &"x".repeat(VALUE_CHARS_MAX));
        let text = long.finish_at(Form::Syslog(LogFormat::Text), &now);
        assert_eq!(text.len(), syslog::LINE_BYTES_MAX);
        assert!(text.starts_with("<31>"), "{text}");
    }
}
