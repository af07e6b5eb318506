//! What is printed for people: lines, fields and tables as wide as the terminal.
//!
//! INVARIANT: whatever goes through here moves no cursor. Texts of the engine come from clients, lists and
//! other operators.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Row, Table, presets};
use eg_policy::syntax::span::is_unprintable;

use crate::forms::words::tame;

/// Whether colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal that has not asked for none.
    On,
    /// Anywhere else.
    Off,
}

/// Text for people or JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// The engine's own answer.
    Json,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// For whom.
    pub format: Format,
    /// The columns of the terminal; `None` where there is none, and lines are as long as they are.
    pub width: Option<u16>,
    /// Whether colours may be used.
    pub colour: Colour,
}

impl Look {
    /// For a file or a pipe.
    pub const PLAIN: Self = Self { format: Format::Text, width: None, colour: Colour::Off };
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A heading.
    Head,
    /// As it should be.
    Good,
    /// To look at.
    Beware,
    /// Wrong, or denied.
    Bad,
}

impl Mark {
    const fn code(self) -> &'static str {
        match self {
            Self::Head => "1",
            Self::Good => "32",
            Self::Beware => "33",
            Self::Bad => "31",
        }
    }

    /// The mark of an action.
    #[must_use]
    pub fn of_action(action: &str) -> Self {
        match action {
            "permit" => Self::Good,
            "deny" => Self::Bad,
            _ => Self::Beware,
        }
    }
}

/// Something to print to.
pub struct Screen<'a> {
    out: &'a mut dyn Write,
    look: Look,
}

impl std::fmt::Debug for Screen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("look", &self.look).finish_non_exhaustive()
    }
}

impl<'a> Screen<'a> {
    /// Prints to `out`.
    #[must_use]
    pub fn new(out: &'a mut dyn Write, look: Look) -> Self {
        Self { out, look }
    }

    /// How it prints.
    #[must_use]
    pub const fn look(&self) -> Look {
        self.look
    }

    /// What is below, for what tames its texts itself.
    pub fn out(&mut self) -> &mut dyn Write {
        self.out
    }

    /// A line.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", tame(text).trim_end())
    }

    /// A line that says what follows.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn head(&mut self, text: &str) -> io::Result<()> {
        let text = self.marked(Mark::Head, text);
        writeln!(self.out, "{text}")
    }

    /// A text in the colour of a mark.
    fn marked(&self, mark: Mark, text: &str) -> String {
        match self.look.colour {
            Colour::On => format!("\u{1b}[{}m{}\u{1b}[0m", mark.code(), tame(text)),
            Colour::Off => tame(text),
        }
    }

    /// A text of several lines as it is; tabs stay.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            writeln!(self.out, "{}", tame_but_tabs(line))?;
        }
        Ok(())
    }

    /// A unified difference.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn difference(&mut self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            let mark = match (line.as_bytes().first(), self.look.colour) {
                (Some(b'+'), Colour::On) => Some(Mark::Good),
                (Some(b'-'), Colour::On) => Some(Mark::Bad),
                (Some(_) | None, _) => None,
            };
            let line = tame_but_tabs(line);
            match mark {
                Some(mark) => writeln!(self.out, "\u{1b}[{}m{line}\u{1b}[0m", mark.code())?,
                None => writeln!(self.out, "{line}")?,
            }
        }
        Ok(())
    }

    /// Names and values, one a line; a name without a value is left out.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn fields(&mut self, fields: &[(&str, Option<String>)]) -> io::Result<()> {
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let width = width.saturating_add(1);
        for (name, value) in fields {
            let Some(value) = value else { continue };
            self.line(&format!("{:<width$} {value}", format!("{name}:")))?;
        }
        Ok(())
    }

    /// One such line whose value has a mark.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn field(&mut self, width: usize, name: &str, mark: Mark, value: &str) -> io::Result<()> {
        let value = self.marked(mark, value);
        writeln!(self.out, "{:<width$} {value}", format!("{name}:"))
    }

    /// A table; `nothing` where it has no rows.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn table(
        &mut self,
        header: &[&str],
        rows: Vec<Vec<String>>,
        nothing: &str,
    ) -> io::Result<()> {
        if rows.is_empty() {
            return self.line(nothing);
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(Row::from(header.to_vec()));
        for row in rows {
            table.add_row(row.iter().map(|cell| tame(cell)).collect::<Vec<_>>());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        match self.look.width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width)
            }
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        writeln!(self.out, "{}", table.trim_fmt())
    }
}

fn tame_but_tabs(line: &str) -> String {
    line.split('\t').map(tame).collect::<Vec<_>>().join("\t")
}

/// Prints JSON. What would move a cursor stands in strings alone, and is escaped there.
///
/// # Errors
///
/// What the output says.
pub(crate) fn json(out: &mut dyn Write, value: &serde_json::Value) -> io::Result<()> {
    let mut text = String::new();
    for letter in format!("{value:#}").chars() {
        if letter != '\n' && is_unprintable(letter) {
            text.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            text.push(letter);
        }
    }
    writeln!(out, "{text}")
}

/// `3 d 4 h`, `5 min 6 s`: the two largest parts.
#[must_use]
pub(crate) fn duration(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let from = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown = parts.iter().skip(from).take(2).filter(|(count, _)| *count > 0 || seconds == 0);
    shown.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// `1.5 MiB`
#[must_use]
pub(crate) fn bytes(count: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        let whole = count >> shift;
        if whole > 0 {
            let tenth = (count >> (shift - 10)) % 1024 * 10 / 1024;
            return format!("{whole}.{tenth} {unit}");
        }
    }
    format!("{count} B")
}

/// `1.2 ms`, `340 us`
#[must_use]
pub(crate) fn micros(us: u64) -> String {
    if us < 1000 { format!("{us} us") } else { format!("{}.{} ms", us / 1000, us % 1000 / 100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3661, "1 h 1 min"),
            (86_400 * 3 + 4 * 3600 + 59, "3 d 4 h"),
            (86_400 + 30, "1 d"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
        for (count, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
        assert_eq!((micros(340).as_str(), micros(1250).as_str()), ("340 us", "1.2 ms"));
    }

    #[test]
    fn nothing_moves_the_cursor() {
        for colour in [Colour::Off, Colour::On] {
            let mut out = Vec::new();
            let look = Look { colour, ..Look::PLAIN };
            let mut screen = Screen::new(&mut out, look);
            let bad = "a\u{1b}[2J\u{202e}b\u{9b}c";
            screen.line(bad).unwrap();
            screen.head(bad).unwrap();
            screen.text(&format!("\t{bad}\r\n{bad}")).unwrap();
            screen.difference(&format!("+{bad}\n-{bad}\n")).unwrap();
            screen.fields(&[("x", Some(bad.to_owned())), ("y", None)]).unwrap();
            screen.field(4, "x", Mark::Bad, bad).unwrap();
            screen.table(&["h"], vec![vec![format!("{bad}\n{bad}")]], "none").unwrap();
            let text = String::from_utf8(out).unwrap();
            let ours = text.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
            let ours = ours.replace("\u{1b}[31m", "").replace("\u{1b}[32m", "");
            assert!(
                ours.chars().all(|letter| letter == '\n' || letter == '\t' || !letter.is_control())
            );
            assert!(!ours.contains('\u{202e}') && ours.contains("a?[2J?b"), "{ours}");
        }
    }

    #[test]
    fn json_is_the_same_and_moves_no_cursor() {
        let value = serde_json::json!({"a": "\u{1b}[2J\u{9b}\u{202e}\n\u{e9}"});
        let mut out = Vec::new();
        json(&mut out, &value).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.chars().all(|letter| letter == '\n' || !is_unprintable(letter)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_table_is_as_wide_as_the_terminal() {
        let rows = || vec![vec!["one two three four five six".to_owned(), "x".to_owned()]];
        let mut out = Vec::new();
        Screen::new(&mut out, Look::PLAIN).table(&["words", "n"], rows(), "").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "words                        n\none two three four five six  x\n");
        let mut out = Vec::new();
        let look = Look { width: Some(20), ..Look::PLAIN };
        Screen::new(&mut out, look).table(&["words", "n"], rows(), "").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.len() <= 20) && text.lines().count() > 2, "{text}");
        let mut out = Vec::new();
        Screen::new(&mut out, Look::PLAIN).table(&["a"], Vec::new(), "none").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "none\n");
    }
}
