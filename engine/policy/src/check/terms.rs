//! Users, methods, ports, times and modes as a rule names them: one value to its canonical form, or why
//! not.

use super::policy::{Mode, PortRange, UserPattern, Validity};
use super::rule::Reader;
use super::values::{self, Refusal};
use super::window;
use super::{ListKind, MINUTES_OF_WEEK};
use crate::diagnostic::{Code, quote};
use crate::moment::Moment;
use crate::syntax::span::Span;
use crate::users::USER_BYTES_MAX;

/// The most bytes of a method; those that are registered have at most 17.
const METHOD_BYTES_MAX: usize = 64;

impl Reader<'_, '_, '_> {
    pub(super) fn match_user(&mut self, text: &str, span: Span) {
        if let Some(path) = text.strip_prefix('@') {
            let list = self.list(path, ListKind::Users, span);
            self.asked().users.extend(list.map(|found| UserPattern::List(found.list)));
            return;
        }
        match user(text) {
            Ok(name) => self.asked().users.push(UserPattern::Name(name)),
            Err(refusal) => self.refuse(span, refusal),
        }
    }

    pub(super) fn match_method(&mut self, text: &str, span: Span) {
        match method(text) {
            Ok(method) => self.asked().methods.push(method),
            Err(refusal) => self.refuse(span, refusal),
        }
    }

    pub(super) fn match_port(&mut self, text: &str, span: Span) {
        match port(text) {
            Ok(range) => self.asked().ports.push(range),
            Err(refusal) => self.refuse(span, refusal),
        }
    }

    pub(super) fn time_window(&mut self, text: &str, span: Span) {
        match window::read(text) {
            Ok(mut windows) => self.asked().windows.append(&mut windows),
            Err(refusal) => self.refuse(span, refusal),
        }
    }

    /// What can be said of the times and the mode of a rule once it is known whole.
    pub(super) fn finish_terms(&mut self, name: Span) {
        window::merge(&mut self.rule.conditions.windows);
        if let Some(except) = &mut self.rule.except {
            window::merge(&mut except.windows);
        }
        let span = self.until.unwrap_or(name);
        if let Validity { from: Some(from), until: Some(until) } = self.rule.validity
            && until <= from
        {
            let message = "`valid-until` is not after `valid-from`, so that the rule never counts";
            self.fault(Code::EmptyValidity, span, message.to_owned(), None);
        }
        let whole = |window: &super::TimeWindow| window.until - window.from == MINUTES_OF_WEEK;
        let except = self.rule.except.as_ref();
        if except.and_then(|except| except.windows.first()).is_some_and(whole) {
            let message =
                "`except-time-window` covers the whole week, so that the rule never holds";
            self.fault(Code::ExceptsEverything, name, message.to_owned(), None);
        }
        if let (Mode::Monitor, Some(tls)) = (self.rule.mode, self.rule.tls) {
            let message =
                format!("the rule only monitors, so that its `tls: {}` says nothing", tls.word());
            self.fault(Code::MonitorsTls, name, message, None);
        }
    }
}

fn user(text: &str) -> Result<String, Refusal> {
    // Between commas a quote is a letter like any other, and no name has one.
    if text.contains('"') {
        let message = format!("{} is no user name: it has a quote", quote(text));
        let help =
            "write quoted names as entries of a `[ ... ]` list, each on its own line".to_owned();
        return Err(Refusal::new(Code::BadUser, message).help(Some(help)));
    }
    match text.len() <= USER_BYTES_MAX {
        true => Ok(text.to_owned()),
        false => {
            let message = format!("a user name has at most {USER_BYTES_MAX} bytes");
            Err(Refusal::new(Code::BadUser, message))
        }
    }
}

/// A token (RFC 9110, section 9.1).
fn method(text: &str) -> Result<String, Refusal> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text == "*" {
        let help = "leave `match-method` away where every method is meant".to_owned();
        return Err(Refusal::new(Code::BadMethod, "`*` is no method".to_owned()).help(Some(help)));
    }
    match text.len() <= METHOD_BYTES_MAX && text.bytes().all(is_token) {
        true => Ok(text.to_owned()),
        false => Err(Refusal::new(Code::BadMethod, format!("{} is no method", quote(text)))),
    }
}

fn port(text: &str) -> Result<PortRange, Refusal> {
    let bad =
        |why: &str| Err(Refusal::new(Code::BadPort, format!("{} is no port: {why}", quote(text))));
    let number = |digits: &str| {
        let digits =
            Some(digits.trim()).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u16>().ok()).filter(|port| *port > 0)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok(PortRange { first, last }),
        (Some(_), Some(_)) => bad("the range ends before it starts"),
        (None, _) | (_, None) => bad("a port is a number from 1 to 65535"),
    }
}

/// An instant (RFC 3339), with its offset: `2026-01-31T08:00:00+01:00`.
pub(super) fn instant(text: &str) -> Result<Moment, Refusal> {
    let bad = |why: &str, help: Option<String>| {
        let message = format!("{} is no instant: {why}", quote(text));
        Err(Refusal::new(Code::BadInstant, message).help(help))
    };
    let example = |text: &str| Some(format!("write it as `{text}`, with your offset from UTC"));
    if !is_rfc3339(text.as_bytes()) {
        // What lacks only its end is told how to go on.
        let full = [format!("{text}T00:00:00Z"), format!("{text}:00Z"), format!("{text}Z")];
        let near = full.iter().find(|text| is_rfc3339(text.as_bytes()));
        return match near {
            Some(near) => bad("it lacks a time or an offset", example(near)),
            None => bad("it is not written as RFC 3339 has it", None),
        };
    }
    match text.to_ascii_uppercase().parse::<jiff::Timestamp>() {
        Ok(instant) => Ok(Moment::from_unix_micros(instant.as_microsecond())),
        Err(_) => bad("there is no such day or time", None),
    }
}

/// Whether a text has the form of RFC 3339, section 5.6; the numbers are looked at elsewhere.
fn is_rfc3339(text: &[u8]) -> bool {
    let fits = |text: &[u8], form: &[u8]| {
        text.len() == form.len()
            && text.iter().zip(form).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' | b'Z' => byte.eq_ignore_ascii_case(form),
                b'+' => matches!(byte, b'+' | b'-'),
                form => byte == form,
            })
    };
    let Some((front, rest)) = text.split_at_checked(b"0000-00-00T00:00:00".len()) else {
        return false;
    };
    let rest = match rest.split_first() {
        Some((b'.', rest)) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            match rest.split_at_checked(digits) {
                Some((digits, rest)) if (1..=9).contains(&digits.len()) => rest,
                Some(_) | None => return false,
            }
        }
        Some(_) | None => rest,
    };
    fits(front, b"0000-00-00T00:00:00") && (fits(rest, b"Z") || fits(rest, b"+00:00"))
}

pub(super) fn mode(text: &str) -> Result<Mode, Refusal> {
    Ok(if values::boolean(text)? { Mode::Monitor } else { Mode::Enforce })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_an_offset() {
        let micros = |text: &str| instant(text).ok().map(Moment::unix_micros);
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01t00:00:01z", Some(1_000_000)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1969-12-31T19:30:00-04:30", Some(0)),
            ("1970-01-01T00:00:00.000001Z", Some(1)),
            ("2024-02-29T00:00:00-00:00", Some(1_709_164_800_000_000)),
            ("2023-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:00:00+25:61", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01 00:00:00Z", None),
            ("2026-01-01", None),
            ("2026-01-01T00:00Z", None),
            ("2026-01-01T00:00:00+01", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01T00:00:00Z[UTC]", None),
            ("tomorrow", None),
            ("\u{661}970-01-01T00:00:00Z", None),
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
        let help = |text: &str| instant(text).unwrap_err().help.unwrap_or_default();
        assert!(help("2026-01-31").contains("`2026-01-31T00:00:00Z`"));
        assert!(help("2026-01-31T08:00").contains("`2026-01-31T08:00:00Z`"));
        assert!(help("2026-01-31T08:00:00").contains("`2026-01-31T08:00:00Z`"));
    }

    #[test]
    fn ports_and_methods() {
        let range = |first, last| Some(PortRange { first, last });
        for (text, expected) in [
            ("443", range(443, 443)),
            ("1-65535", range(1, 65535)),
            ("8000 - 8080", range(8000, 8080)),
            ("0", None),
            ("0-10", None),
            ("65536", None),
            ("9-8", None),
            ("-80", None),
            ("80-", None),
            ("+80", None),
            ("https", None),
            ("80-90-100", None),
        ] {
            assert_eq!(port(text).ok(), expected, "{text}");
        }
        for good in ["GET", "get", "M-SEARCH", "X!#$%&'*+-.^_`|~"] {
            assert_eq!(method(good).ok().as_deref(), Some(good));
        }
        for bad in ["*", "G E", "GET/", "G\u{c9}T", "(GET)", &"X".repeat(65)] {
            assert!(method(bad).is_err(), "{bad}");
        }
    }
}
