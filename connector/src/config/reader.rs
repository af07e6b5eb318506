//! Reads a TOML document key by key and collects every fault with its place.
//!
//! It knows TOML and places, not what the keys mean (that is `settings.rs`). A key that nobody
//! asked about is a fault that names the nearest known one; no fault hides another.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How many single-letter edits two words may differ by and still be called near.
const NEAR_EDITS_MAX: usize = 3;

/// One thing that is wrong in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1; 0 where the fault belongs to the whole file.
    pub line: usize,
    /// The column in characters, from 1; 0 where the fault belongs to the whole file.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// All faults of one configuration file, in file order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigFaults {
    /// The file as it was named.
    pub file: PathBuf,
    /// At least one fault.
    pub faults: Vec<Fault>,
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, fault) in self.faults.iter().enumerate() {
            if count > 0 {
                f.write_str("\n")?;
            }
            match fault.line {
                0 => write!(f, "{}: {}", self.file.display(), fault.message)?,
                line => {
                    let file = self.file.display();
                    write!(f, "{file}:{line}:{}: {}", fault.column, fault.message)?;
                }
            }
        }
        Ok(())
    }
}

/// A table of the document and the place where it stands.
pub(super) struct Table<'t, 'i> {
    name: String,
    at: Range<usize>,
    entries: &'t DeTable<'i>,
}

impl<'t, 'i> Table<'t, 'i> {
    pub(super) fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
        self.entries.get(key)
    }
}

/// A value together with where it stands.
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
}

/// Collects what is wrong while a document is read.
pub(super) struct Reader<'s> {
    text: &'s str,
    faults: Vec<(Range<usize>, String)>,
    whole: Vec<String>,
}

impl<'s> Reader<'s> {
    pub(super) fn new(text: &'s str) -> Self {
        Self { text, faults: Vec::new(), whole: Vec::new() }
    }

    /// Notes a fault at a place.
    pub(super) fn fault(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.faults.push((at, message.into()));
    }

    /// Notes a fault of the whole file.
    pub(super) fn fault_of_file(&mut self, message: impl Into<String>) {
        self.whole.push(message.into());
    }

    /// Ends the reading: all faults in file order, those of the whole file last.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|(at, _)| at.start);
        let placed = self.faults.into_iter().map(|(at, message)| {
            let (line, column) = line_and_column(self.text, at.start);
            Fault { line, column, message }
        });
        let whole = self.whole.into_iter().map(|message| Fault { line: 0, column: 0, message });
        placed.chain(whole).collect()
    }

    /// The sections of the document. Others than `known` are faults.
    pub(super) fn root<'t, 'i>(
        &mut self,
        document: &'t Spanned<DeTable<'i>>,
        known: &[&str],
    ) -> Table<'t, 'i> {
        for (key, _) in document.get_ref() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let message = unknown("section or key", name, known);
                self.fault(key.span(), message);
            }
        }
        Table { name: String::new(), at: 0..0, entries: document.get_ref() }
    }

    /// The section `name`, if it is there. Keys other than `known` are faults.
    pub(super) fn section<'t, 'i>(
        &mut self,
        root: &Table<'t, 'i>,
        name: &str,
        known: &[&str],
    ) -> Option<Table<'t, 'i>> {
        let value = root.value(name)?;
        self.table(name, value, known)
    }

    /// The tables below `name`, as in `[engine.first]`, in file order.
    pub(super) fn tables<'t, 'i>(
        &mut self,
        root: &Table<'t, 'i>,
        name: &str,
        known: &[&str],
    ) -> Vec<(String, Table<'t, 'i>)> {
        let Some(value) = root.value(name) else { return Vec::new() };
        let Some(outer) = value.get_ref().as_table() else {
            self.fault(value.span(), format!("`{name}` needs tables such as `[{name}.first]`"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for (key, value) in outer {
            let label: &str = key.get_ref();
            match value.get_ref().as_table() {
                Some(_) => {
                    if let Some(mut table) = self.table(&format!("{name}.{label}"), value, known) {
                        table.at = key.span();
                        found.push((label.to_owned(), table));
                    }
                }
                None => self.fault(
                    key.span(),
                    format!("`{label}` is a key of no table; write `[{name}.NAME]` above it"),
                ),
            }
        }
        // The parser sorts by name; the order of the file is what the operator meant.
        found.sort_by_key(|(_, table)| table.at.start);
        found
    }

    fn table<'t, 'i>(
        &mut self,
        name: &str,
        value: &'t Spanned<DeValue<'i>>,
        known: &[&str],
    ) -> Option<Table<'t, 'i>> {
        let Some(entries) = value.get_ref().as_table() else {
            self.fault(value.span(), format!("`{name}` must be a table, `[{name}]`"));
            return None;
        };
        for (key, _) in entries {
            let word: &str = key.get_ref();
            if !known.contains(&word) {
                self.fault(key.span(), unknown(&format!("key in [{name}]"), word, known));
            }
        }
        Some(Table { name: name.to_owned(), at: value.span(), entries })
    }

    /// A text.
    pub(super) fn text(&mut self, table: &Table<'_, '_>, key: &str) -> Option<Placed<String>> {
        let value = table.value(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some(Placed { value: text.to_owned(), at: value.span() }),
            None => {
                self.wrong_type(table, key, value, "a text in quotes");
                None
            }
        }
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &mut self,
        table: &Table<'_, '_>,
        key: &str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = table.value(key)?;
        let Some(written) = value.get_ref().as_integer() else {
            self.wrong_type(table, key, value, "a whole number");
            return None;
        };
        match u32::from_str_radix(written.as_str(), written.radix()) {
            Ok(number) if range.contains(&number) => Some(number),
            Ok(_) | Err(_) => {
                let (least, most) = (range.start(), range.end());
                let section = &table.name;
                let text = written.as_str();
                self.fault(
                    value.span(),
                    format!("`{text}` for `{key}` in [{section}] is not within {least} to {most}"),
                );
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        table: &Table<'_, '_>,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<Placed<T>> {
        let text = self.text(table, key)?;
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(Placed { value: *found, at: text.at });
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let section = &table.name;
        let message = format!(
            "`{}` is no value for `{key}` in [{section}]; it takes {}{}",
            text.value,
            known.join(", "),
            near_hint(&text.value, &known)
        );
        self.fault(text.at, message);
        None
    }

    fn wrong_type(
        &mut self,
        table: &Table<'_, '_>,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        wanted: &str,
    ) {
        let (section, found) = (&table.name, value.get_ref().type_str());
        self.fault(value.span(), format!("`{key}` in [{section}] needs {wanted}, not {found}"));
    }
}

fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    format!("unknown {what}: `{word}`{}", near_hint(word, known))
}

fn near_hint(word: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|candidate| (edits(word, candidate), *candidate)).min();
    match nearest {
        Some((edits, candidate)) if edits <= NEAR_EDITS_MAX => {
            format!("; did you mean `{candidate}`?")
        }
        Some(_) | None => String::new(),
    }
}

/// The Levenshtein distance, row by row.
fn edits(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (at, wanted) in left.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut last = at + 1;
        next.push(last);
        for ((above_left, above), found) in row.iter().zip(row.iter().skip(1)).zip(right.chars()) {
            let swapped = above_left + usize::from(wanted != found);
            last = swapped.min(above + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (left, right, expected) in
            [("", "", 0), ("abc", "abc", 0), ("port", "prot", 2), ("", "abc", 3), ("kez", "key", 1)]
        {
            assert_eq!(edits(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn places_are_lines_and_columns_in_characters() {
        assert_eq!(line_and_column("a\nbc", 0), (1, 1));
        assert_eq!(line_and_column("a\nbc", 3), (2, 2));
        assert_eq!(line_and_column("\u{e9}x", 2), (1, 2));
    }
}
