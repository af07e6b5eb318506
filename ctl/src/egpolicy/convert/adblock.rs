//! Lists of ad blockers: what blocks whole hosts, as a list and a rule, and what excepts whole hosts, as
//! another list. What is `important` has a rule of its own, which only important exceptions spare.
//! Everything else needs to know the page that asks, or changes pages.

use std::path::Path;

use super::draft::{Draft, ListForm};
use super::hosts::{denial, listed, nothing, read};
use super::input::Input;
use super::names::{Names, numbered};
use super::report::{Fault, Kind, Place, Report};

/// What hides or changes parts of pages.
const COSMETIC: &[&str] = &["##", "#@#", "#?#", "#$#", "#%#", "#@?#", "#@$#", "$$"];

/// What a line says of a host.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Nothing,
    Blocks(&'a str, Weight),
    Excepts(&'a str, Weight),
    Lost(Kind),
}

/// Whether an entry gives way to an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Plain,
    /// `$important`: it holds against all exceptions that are not important themselves.
    Important,
}

/// A list as a draft.
pub(crate) fn draft(path: &Path, input: &dyn Input) -> (Draft, Vec<Fault>) {
    let shown = path.display().to_string();
    let text = match read(path, input) {
        Ok(text) => text,
        Err(fault) => return (Draft::default(), vec![fault]),
    };
    let mut report = Report::default();
    let (mut blocked, mut excepted) = (Names::default(), Names::default());
    let (mut important, mut important_excepted) = (Names::default(), Names::default());
    for (number, line) in numbered(&text) {
        let place = Place::new(&shown, number);
        match read_line(line.trim()) {
            Line::Nothing => {}
            Line::Blocks(host, Weight::Plain) => blocked.add(host, &place),
            Line::Blocks(host, Weight::Important) => important.add(host, &place),
            Line::Excepts(host, Weight::Plain) => excepted.add(host, &place),
            Line::Excepts(host, Weight::Important) => important_excepted.add(host, &place),
            Line::Lost(kind) => {
                let what: String = line.trim().chars().take(200).collect();
                report.add(kind, &place, what);
            }
        }
    }
    let place = Place::new(&shown, 0);
    let (mut rules, mut lists) = (Vec::new(), Vec::new());
    let mut list = |names: Names, file| {
        let bytes = names.finish(ListForm::Plain, &mut report)?;
        Some(listed(&mut lists, file, bytes))
    };
    let important = list(important, "adblock-important.txt");
    let important_excepted = list(important_excepted, "adblock-important-exceptions.txt");
    let blocked = list(blocked, "adblock.txt");
    let excepted = list(excepted, "adblock-exceptions.txt");
    if let Some(what) = important {
        let except = important_excepted.iter().cloned().collect();
        rules.push(denial("adblock-important", &place, what, except));
    }
    if let Some(what) = blocked {
        let except = excepted.into_iter().chain(important_excepted).collect();
        rules.push(denial("adblock", &place, what, except));
    }
    if rules.is_empty() {
        return nothing(place);
    }
    (Draft { rules, lists, report }, Vec::new())
}

fn read_line(line: &str) -> Line<'_> {
    // What another file has, and what holds in some programs alone.
    if line.starts_with("!#include") || line.starts_with("!#if") {
        return Line::Lost(Kind::Unsupported);
    }
    // `[Adblock Plus 2.0]`; what stands before a filter in brackets begins with a `$`.
    let is_head = line.starts_with('[') && line.ends_with(']') && !line.starts_with("[$");
    if line.is_empty() || line.starts_with('!') || is_head {
        return Line::Nothing;
    }
    if COSMETIC.iter().any(|mark| line.contains(mark)) {
        return Line::Lost(Kind::Cosmetic);
    }
    let (excepts, rest) = match line.strip_prefix("@@") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (pattern, options) = match rest.rsplit_once('$') {
        Some((pattern, options)) if !rest.starts_with('/') => (pattern, options),
        Some(_) | None => (rest, ""),
    };
    let own = options.split(',').filter(|option| !option.is_empty());
    // `all` leaves an entry about every request to a host.
    let limited = own.clone().any(|option| !matches!(option, "all" | "important"));
    let is_important = own.clone().any(|option| option == "important");
    let weight = if is_important { Weight::Important } else { Weight::Plain };
    let host = pattern.strip_prefix("||").and_then(|rest| rest.strip_suffix('^'));
    let name = |host: &&str| {
        let letter = |c: char| c.is_alphanumeric() || ".-_".contains(c);
        !host.is_empty() && host.chars().all(letter)
    };
    match host.filter(name) {
        None => Line::Lost(Kind::Unsupported),
        Some(_) if limited => Line::Lost(Kind::Options),
        Some(host) if excepts => Line::Excepts(host, weight),
        Some(host) => Line::Blocks(host, weight),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lines_say() {
        let cases = [
            ("||ads.example^", Line::Blocks("ads.example", Weight::Plain)),
            ("||ads.example^$important", Line::Blocks("ads.example", Weight::Important)),
            ("@@||bank.example^", Line::Excepts("bank.example", Weight::Plain)),
            ("@@||bank.example^$important", Line::Excepts("bank.example", Weight::Important)),
            ("!#include other.txt", Line::Lost(Kind::Unsupported)),
            ("!#if env_firefox", Line::Lost(Kind::Unsupported)),
            ("!#endif", Line::Nothing),
            ("[$path=/x]a.example##.ad", Line::Lost(Kind::Cosmetic)),
            ("[$app=x]||ads.example^", Line::Lost(Kind::Unsupported)),
            ("||ads.example^$third-party", Line::Lost(Kind::Options)),
            ("@@||ads.example^$popup", Line::Lost(Kind::Options)),
            ("||ads.example/x^", Line::Lost(Kind::Unsupported)),
            ("||ads.*^", Line::Lost(Kind::Unsupported)),
            ("/banner/", Line::Lost(Kind::Unsupported)),
            ("/ads$/", Line::Lost(Kind::Unsupported)),
            ("a.example##.ad", Line::Lost(Kind::Cosmetic)),
            ("! comment", Line::Nothing),
            ("[Adblock Plus 2.0]", Line::Nothing),
            ("", Line::Nothing),
        ];
        for (line, expected) in cases {
            assert_eq!(read_line(line), expected, "{line}");
        }
    }
}
