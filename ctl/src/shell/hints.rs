//! What the line editor and `?` share with the loop: the mode, who sits there, what the engine knows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eg_proto::control::Level;

use super::expect::{Expected, Next, expect};
use super::live::Live;
use super::mode::{Mode, Seat, entries};
use crate::egctl::quoted;

/// What is known while a line is typed.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) mode: Mode,
    pub(super) seat: Seat,
    pub(super) live: Live,
}

/// The same, for the loop and the line editor.
#[derive(Debug, Clone)]
pub(super) struct Hints(Arc<Mutex<Known>>);

/// A text that can be put into the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// As it is written, quoted where that is needed.
    pub(super) text: String,
    /// What it is.
    pub(super) help: String,
}

impl Hints {
    pub(super) fn new() -> Self {
        let seat = Seat { user: String::new(), level: Level::Monitoring };
        let known = Known { mode: Mode::Show, seat, live: Live::default() };
        Self(Arc::new(Mutex::new(known)))
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can complete a line, and where it begins.
    pub(super) fn candidates(&self, line: &str) -> (usize, Vec<Candidate>) {
        let mut known = self.known();
        let Ok(expected) = expect(&entries(known.mode, &known.seat), line) else {
            return (line.len(), Vec::new());
        };
        let Expected { start, begun, quote, nexts } = expected;
        let mut candidates = Vec::new();
        for next in &nexts {
            match next {
                Next::Word { word, help } => {
                    candidates.push(Candidate { text: word.clone(), help: help.clone() });
                }
                Next::Value { arg, of } => {
                    for value in known.live.values(arg, of.as_deref()) {
                        candidates.push(Candidate { text: value, help: String::new() });
                    }
                }
                Next::Enter => {}
            }
        }
        candidates.retain(|candidate| candidate.text.starts_with(&begun));
        for candidate in &mut candidates {
            candidate.text = match quote {
                Some(quote) => format!("{quote}{}{quote}", candidate.text),
                None => quoted(&candidate.text),
            };
        }
        (start, candidates)
    }

    /// What `?` says behind a line.
    pub(super) fn help(&self, line: &str) -> Vec<(String, String)> {
        let mut known = self.known();
        let expected = match expect(&entries(known.mode, &known.seat), line) {
            Ok(expected) => expected,
            Err(fault) => return vec![(format!("% {fault}"), String::new())],
        };
        let begun = expected.begun;
        let mut rows = Vec::new();
        for next in &expected.nexts {
            match next {
                Next::Word { word, .. } if word.starts_with(&begun) => rows.push(next.listed()),
                Next::Word { .. } => {}
                Next::Value { arg, of } => {
                    rows.push(next.listed());
                    let values = known.live.values(arg, of.as_deref());
                    let fits = values.into_iter().filter(|value| value.starts_with(&begun));
                    rows.extend(fits.map(|value| (format!("  {value}"), String::new())));
                }
                Next::Enter if begun.is_empty() => rows.push(next.listed()),
                Next::Enter => {}
            }
        }
        if rows.is_empty() {
            rows.push(("% nothing begins so here".to_owned(), String::new()));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::client::fake::Fake;

    fn hints(mode: Mode) -> (Hints, Fake) {
        let fake = Fake::socket(|asked| match asked.path.as_str() {
            "users" => (200, "{\"users\":[{\"name\":\"ada\"},{\"name\":\"al an\"}]}".to_owned()),
            _ => (404, "{}".to_owned()),
        });
        let hints = Hints::new();
        let mut known = hints.known();
        known.mode = mode;
        known.seat = Seat { user: "root".to_owned(), level: Level::SuperAdministrator };
        known.live.ask(Some(Client::at(fake.door.clone())));
        drop(known);
        (hints, fake)
    }

    #[test]
    fn words_names_and_values_are_completed() {
        let (hints, _fake) = hints(Mode::Request);
        let texts = |line: &str| {
            let (start, candidates) = hints.candidates(line);
            let texts: Vec<String> =
                candidates.into_iter().map(|candidate| candidate.text).collect();
            (start, texts.join(","))
        };
        for (line, start, expected) in [
            ("sho", 0, "show"),
            ("sh pol ba", 7, "backups"),
            ("show policy match http://a/ so", 28, "source"),
            ("show policy match http://a/ --so", 28, "--source"),
            ("show policy match http://a/ source 10.0.0.1 so", 44, ""),
            ("request user level ", 19, "ada,\"al an\""),
            ("request user level a", 19, "ada,\"al an\""),
            ("request user level \"al", 19, "\"al an\""),
            ("request user level ada st", 23, "standard"),
            ("request policy reload f", 22, "force"),
            ("request policy reload force ", 28, "true,false,reason,dry-run,wait-s"),
            ("show status | co", 14, "count,compare"),
            ("show status | include ", 22, ""),
            ("nothing here", 12, ""),
            ("s", 0, "show"),
        ] {
            let (at, found) = texts(line);
            assert_eq!((at, found.as_str()), (start, expected), "{line}");
        }
    }

    #[test]
    fn a_question_mark_says_what_can_come() {
        let (hints, _fake) = hints(Mode::Configure);
        let firsts = |line: &str| -> Vec<String> {
            hints.help(line).into_iter().map(|(first, _)| first).collect()
        };
        assert_eq!(firsts("com"), ["commit"]);
        assert_eq!(firsts("commit "), ["check", "confirmed", "comment", "force", "<Enter>"]);
        assert_eq!(firsts("commit comment "), ["COMMENT"]);
        assert!(firsts("zzz ").first().unwrap().starts_with("% "));
        assert_eq!(firsts("zzz"), ["% nothing begins so here"]);
        assert!(firsts("set rule a ").contains(&"  match-uri".to_owned()));
    }
}
