//! Lists of ad blockers: what blocks whole hosts, as one list, what excepts whole hosts, as another, and
//! one rule. Everything else needs to know the page that asks, or changes pages.

use std::path::Path;

use super::draft::Draft;
use super::hosts::{one_rule, read};
use super::input::Input;
use super::names::{Names, numbered};
use super::report::{Fault, Kind, Place, Report};

/// Options that leave a rule about every request to a host.
const HARMLESS: &[&str] = &["all", "important"];

/// What hides or changes parts of pages.
const COSMETIC: &[&str] = &["##", "#@#", "#?#", "#$#", "#%#", "#@?#", "#@$#", "$$"];

/// What a line says of a host.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Nothing,
    Blocks(&'a str),
    Excepts(&'a str),
    Lost(Kind),
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
    for (number, line) in numbered(&text) {
        let place = Place::new(&shown, number);
        match read_line(line.trim()) {
            Line::Nothing => {}
            Line::Blocks(host) => blocked.add(host, &place),
            Line::Excepts(host) => excepted.add(host, &place),
            Line::Lost(kind) => {
                let what: String = line.trim().chars().take(200).collect();
                report.add(kind, &place, what);
            }
        }
    }
    blocked.remark(&mut report);
    excepted.remark(&mut report);
    one_rule("adblock", &shown, blocked.bytes, excepted.bytes, report)
}

fn read_line(line: &str) -> Line<'_> {
    if line.is_empty() || line.starts_with('!') || line.starts_with('[') {
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
    let limited = own.clone().any(|option| !HARMLESS.contains(&option));
    let host = pattern.strip_prefix("||").and_then(|rest| rest.strip_suffix('^'));
    let name = |host: &&str| {
        let letter = |c: char| c.is_alphanumeric() || ".-_".contains(c);
        !host.is_empty() && host.chars().all(letter)
    };
    match host.filter(name) {
        None => Line::Lost(Kind::Unsupported),
        Some(_) if limited => Line::Lost(Kind::Options),
        Some(host) if excepts => Line::Excepts(host),
        Some(host) => Line::Blocks(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lines_say() {
        let cases = [
            ("||ads.example^", Line::Blocks("ads.example")),
            ("||ads.example^$important", Line::Blocks("ads.example")),
            ("@@||bank.example^", Line::Excepts("bank.example")),
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
