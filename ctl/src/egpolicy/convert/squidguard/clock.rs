//! The blocks `time`: windows of the week, single dates, stretches of dates, and dates that come back.

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::super::times::{DAY_MINUTES, Times};
use super::conf::{TimeBlock, Word};
use super::lex::Token;
use super::parse::{Lost, Parser};

/// Years for which a date that comes back is written out, this one included.
pub(super) const YEARS: i16 = 5;

/// Stretches of dates in a block; each cuts the time line, and rules are written for every piece.
const DATES_MAX: usize = 200;

/// The same of all blocks; each is a week of minutes in memory, and is there several times.
const DATES_IN_ALL_MAX: usize = 2_000;

/// Windows in all blocks; who writes more has a list that was taken for a configuration.
const WINDOWS_IN_ALL_MAX: usize = 20_000;

/// The last minute of a date without hours is not part of it: squidGuard sets its end to 23:59, and ends
/// are not part of anything.
const DATE_END: usize = DAY_MINUTES - 1;

/// How much was read of all blocks.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    dates: usize,
    windows: usize,
}

impl Parser<'_> {
    pub(super) fn time(&mut self) -> Result<(), Lost> {
        let name = self.name("time")?;
        self.open()?;
        let (lost, never) = (Vec::new(), Vec::new());
        let mut block = TimeBlock { name, times: Times::never(), lost, never };
        let mut dates = 0;
        loop {
            match self.lexer.next() {
                Some(Token::Close) => break,
                Some(Token::Word(word)) if word.text == "weekly" => {
                    self.weekly(&mut block, &word)?;
                }
                Some(Token::Word(word)) if word.text == "date" => {
                    self.date(&mut block, &word, &mut dates)?;
                }
                Some(_) => return self.lost("`weekly` or `date` stands here"),
                None => return self.unclosed(),
            }
        }
        self.conf.times.push(block);
        Ok(())
    }

    /// The words up to the next element, with `-` tied to its neighbours.
    fn element(&mut self) -> Vec<String> {
        let mut text = String::new();
        loop {
            match self.lexer.peek() {
                Some(Token::Word(word)) if matches!(word.text.as_str(), "weekly" | "date") => break,
                Some(Token::Word(word)) => {
                    text.push(' ');
                    text.push_str(&word.text);
                }
                Some(Token::Mark) => {}
                Some(Token::Open | Token::Close | Token::Bang | Token::Quoted(_)) | None => break,
            }
            self.lexer.next();
        }
        let tied = text.replace(" - ", "-").replace("- ", "-").replace(" -", "-");
        tied.split_whitespace().map(str::to_owned).collect()
    }

    fn weekly(&mut self, block: &mut TimeBlock, key: &Word) -> Result<(), Lost> {
        let words = self.element();
        let mut days = [false; 7];
        let mut windows = Vec::new();
        for word in &words {
            if word.starts_with(|c: char| c.is_ascii_digit()) {
                windows.push(word.as_str());
            } else if !windows.is_empty() || !add_days(&mut days, word) {
                return self.lost_at(key.line, format!("`{word}` is no day: {DAYS_HELP}"));
            }
        }
        if windows.is_empty() || days == [false; 7] {
            let what = "a `weekly` needs days and hours, such as `mtwhf 08:00-16:30`";
            return self.lost_at(key.line, what);
        }
        self.clocks.windows += windows.len();
        if self.clocks.windows > WINDOWS_IN_ALL_MAX {
            return self.lost_at(key.line, format!("more than {WINDOWS_IN_ALL_MAX} windows"));
        }
        let mut read = Vec::new();
        for window in windows {
            let Some((from, to)) = window_of(window) else {
                return self.lost_at(key.line, format!("`{window}` is no `HH:MM-HH:MM`"));
            };
            if from >= to {
                block.never.push(Word { text: window.to_owned(), line: key.line });
            }
            read.push((from, to));
        }
        block.times = block.times.or(&Times::weekly(days, &read));
        Ok(())
    }

    fn date(&mut self, block: &mut TimeBlock, key: &Word, dates: &mut usize) -> Result<(), Lost> {
        let words = self.element();
        let mut words = words.iter();
        let Some(stretches) = words.next().and_then(|word| dates_of(word, self.year)) else {
            let what = "a date is written `2026.12.24`, `2026.12.24-2026.12.31` or `*.12.24`";
            return self.lost_at(key.line, what);
        };
        let mut windows = Vec::new();
        for window in words {
            match window_of(window) {
                Some((from, to)) => {
                    if from >= to {
                        block.never.push(Word { text: window.clone(), line: key.line });
                    }
                    windows.push((from, to));
                }
                None => return self.lost_at(key.line, format!("`{window}` is no `HH:MM-HH:MM`")),
            }
        }
        if windows.is_empty() {
            windows.push((0, DATE_END));
        }
        if stretches.comes == Comes::Back {
            let text = format!("{} (written out up to {})", stretches.text, self.year + YEARS - 1);
            block.lost.push(Word { text, line: key.line });
        }
        *dates += stretches.days.len() * windows.len();
        if *dates > DATES_MAX {
            return self.lost_at(key.line, format!("more than {DATES_MAX} dates in a time"));
        }
        self.clocks.dates += stretches.days.len();
        self.clocks.windows += windows.len();
        if self.clocks.dates > DATES_IN_ALL_MAX || self.clocks.windows > WINDOWS_IN_ALL_MAX {
            let what = format!("more than {DATES_IN_ALL_MAX} dates in all times");
            return self.lost_at(key.line, what);
        }
        for (first, last) in stretches.days {
            let times = match stretches.comes {
                Comes::Daily => Times::weekly([true; 7], &windows),
                Comes::Once | Comes::Back => Times::dates(first, last, &windows),
            };
            block.times = block.times.or(&times);
        }
        Ok(())
    }
}

const DAYS_HELP: &str = "write letters (`s` is Sunday, `h` Thursday, `a` Saturday), names, or `*`";

/// Adds days written as `mtwhf`, `*`, `fridays`; whether it is that.
fn add_days(days: &mut [bool; 7], word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let full = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    if lower == "*" {
        *days = [true; 7];
        return true;
    }
    let single = lower.strip_suffix('s').unwrap_or(&lower);
    let named = names.iter().zip(full).position(|(short, long)| lower == *short || single == long);
    let mut found = [false; 7];
    for (letter, day) in lower.chars().map(|c| (c, "mtwhfas".find(c))) {
        let Some(day) = day else { continue };
        debug_assert!(letter.is_ascii());
        if let Some(slot) = found.get_mut(day) {
            *slot = true;
        }
    }
    if let Some(named) = named {
        found = [false; 7];
        if let Some(slot) = found.get_mut(named) {
            *slot = true;
        }
    } else if !lower.chars().all(|c| "mtwhfas".contains(c)) {
        return false;
    }
    for (day, more) in days.iter_mut().zip(found) {
        *day |= more;
    }
    true
}

/// `HH:MM-HH:MM` as minutes.
fn window_of(text: &str) -> Option<(usize, usize)> {
    let (from, to) = text.split_once('-')?;
    let minutes = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute) = (hour.parse::<usize>().ok()?, minute.parse::<usize>().ok()?);
        (hour <= 24 && minute < 60).then_some((hour * 60 + minute).min(DAY_MINUTES))
    };
    Some((minutes(from)?, minutes(to)?))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    Once,
    /// Every year or month.
    Back,
    /// `*.*.*`
    Daily,
}

struct Dates {
    text: String,
    comes: Comes,
    days: Vec<(Date, Date)>,
}

/// A date, a stretch of dates, or every date that a pattern with `*` fits in the coming years.
fn dates_of(text: &str, year: i16) -> Option<Dates> {
    let parts: Vec<&str> = text.split(['.', '-']).collect();
    let number = |part: &str| part.parse::<i16>().ok();
    let date = |parts: &[&str]| match parts {
        [y, m, d] => {
            let (m, d) = (m.parse::<i8>().ok()?, d.parse::<i8>().ok()?);
            Date::new(number(y)?, m, d).ok()
        }
        _ => None,
    };
    let text = text.to_owned();
    match parts.as_slice() {
        ["*", "*", "*"] => {
            let day = Date::new(year, 1, 1).ok()?;
            Some(Dates { text, comes: Comes::Daily, days: vec![(day, day)] })
        }
        [y, m, d] if parts.contains(&"*") => {
            let part = |part: &str| (part != "*").then(|| number(part));
            let (y, m, d) = (part(y), part(m), part(d));
            if [y, m, d].contains(&Some(None)) {
                return None;
            }
            let comes = if y.is_some() { Comes::Once } else { Comes::Back };
            let years = match y.flatten() {
                Some(y) => y..y.checked_add(1)?,
                None => year..year.checked_add(YEARS)?,
            };
            let mut days: Vec<(Date, Date)> = Vec::new();
            let mut day = Date::new(years.start, 1, 1).ok()?;
            let mut before = day;
            while years.contains(&day.year()) {
                let fits = |wanted: Option<Option<i16>>, is: i8| {
                    wanted.is_none_or(|w| w == Some(i16::from(is)))
                };
                let next = day.checked_add(1.day()).ok()?;
                if fits(m, day.month()) && fits(d, day.day()) {
                    match days.last_mut() {
                        Some((_, last)) if *last == before => *last = day,
                        Some(_) | None => days.push((day, day)),
                    }
                }
                (before, day) = (day, next);
            }
            Some(Dates { text, comes, days })
        }
        [_, _, _] => {
            let day = date(&parts)?;
            Some(Dates { text, comes: Comes::Once, days: vec![(day, day)] })
        }
        [_, _, _, _, _, _] => {
            let (first, last) = (date(parts.get(..3)?)?, date(parts.get(3..)?)?);
            Some(Dates { text, comes: Comes::Once, days: vec![(first, last)] })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::conf::Dialect;
    use super::super::parse::parse;
    use super::*;

    fn windows(text: &str) -> Vec<String> {
        let (conf, faults) =
            parse("t", &format!("time x {{\n{text}\n}}\n"), Dialect::SquidGuard, 2026);
        assert_eq!(faults, []);
        let stretches = conf.times[0].times.stretches();
        let shown = |day: Option<Date>| day.map_or_else(|| "*".to_owned(), |day| day.to_string());
        stretches
            .into_iter()
            .map(|s| {
                format!("{} {} {}", s.windows.unwrap_or_default(), shown(s.from), shown(s.until))
            })
            .collect()
    }

    #[test]
    fn days_and_hours() {
        assert_eq!(windows("weekly mtwhf 08:00-16:30"), ["mon-fri 08:00-16:30 * *"]);
        assert_eq!(windows("weekly as 08:00 - 16:30"), ["sat-sun 08:00-16:30 * *"]);
        assert_eq!(
            windows("weekly fridays 16:00-17:00 18:00-24:00"),
            ["fri 16:00-17:00, fri 18:00-24:00 * *"]
        );
        assert_eq!(windows("weekly mon, tuesdays 16:00-17:00"), ["mon-tue 16:00-17:00 * *"]);
        assert_eq!(windows("weekly * 22:00-06:00"), [""; 0]);
        assert_eq!(
            windows("date 2026.12.24-2026.12.25 12:00-24:00"),
            ["mon-sun 12:00-24:00 2026-12-24 2026-12-26"]
        );
        assert_eq!(windows("date 2026-12-24"), ["mon-sun 00:00-23:59 2026-12-24 2026-12-25"]);
        assert_eq!(windows("date *.12.24").len(), 5);
        assert_eq!(windows("date 2026.*.01").len(), 12);
    }

    #[test]
    fn dates_and_windows_have_a_bound_over_all_blocks() {
        let dates = "date 2026.01.01-2026.01.02\n".repeat(150);
        let text: String =
            (0..20).map(|number| format!("time t{number} {{\n{dates}}}\n")).collect();
        let (_, faults) = parse("t", &text, Dialect::SquidGuard, 2026);
        assert!(faults.iter().any(|fault| fault.what.contains("2000 dates")), "{faults:?}");
        let windows = "00:00-00:01 ".repeat(30_000);
        let text = format!("time t {{\nweekly * {windows}\n}}\n");
        let (_, faults) = parse("t", &text, Dialect::SquidGuard, 2026);
        assert!(faults.iter().any(|fault| fault.what.contains("20000 windows")), "{faults:?}");
    }

    #[test]
    fn what_is_no_time_is_a_fault_with_its_line() {
        for bad in [
            "weekly mtwhf",
            "weekly 08:00-10:00",
            "weekly mtx 08:00-10:00",
            "weekly * 8-10",
            "weekly * 25:00-26:00",
            "date 2026.13.01",
            "date 2026",
            "date",
            "daily 08:00-09:00",
            "weekly * 08:00-09:00",
        ] {
            let text = format!("\ntime x {{\n{bad}\n");
            let (_, faults) = parse("t", &text, Dialect::SquidGuard, 2026);
            assert!(!faults.is_empty() && faults[0].place.line >= 3, "{bad}: {faults:?}");
        }
    }
}
