//! What stands behind a `|`: the output is filtered line by line, or asked for as JSON.

use crate::egctl::{Form, GrammarFault, Short, Word, pick};

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pipe {
    /// Lines with this text alone.
    Include(String),
    /// Lines without this text alone.
    Exclude(String),
    /// How many lines there are.
    Count,
    /// The engine's own answer.
    Json,
    /// The changes of the candidate, in place of its text.
    Compare,
}

/// The filters, each with what it does.
pub(super) const KNOWN: &[(&str, &str)] = &[
    ("include", "lines with a text"),
    ("exclude", "lines without a text"),
    ("count", "how many lines there are"),
    ("json", "the engine's own answer"),
    ("compare", "what is changed; in the configuration alone"),
];

/// Filters that one line may have: more than a person strings together.
const PIPES_MAX: usize = 8;

/// The words before the first `|`, and the filters behind.
///
/// # Errors
///
/// [`GrammarFault`]
pub(super) fn split(words: &[Word]) -> Result<(&[Word], Vec<Pipe>), GrammarFault> {
    let is_pipe = |word: &Word| word.form == Form::Plain && word.text == "|";
    let mut parts = words.split(is_pipe);
    let said = parts.next().unwrap_or_default();
    let pipes = parts.take(PIPES_MAX).map(one).collect::<Result<_, _>>()?;
    Ok((said, pipes))
}

fn one(words: &[Word]) -> Result<Pipe, GrammarFault> {
    let known: Vec<&str> = KNOWN.iter().map(|(word, _)| *word).collect();
    let Some((first, rest)) = words.split_first() else {
        return Err(GrammarFault::Incomplete {
            known: known.iter().map(|word| (*word).to_owned()).collect(),
        });
    };
    let name = pick(&known, first, Short::Allowed)?;
    let text = || {
        let texts: Vec<&str> = rest.iter().map(|word| word.text.as_str()).collect();
        if texts.is_empty() {
            let help = "the text that lines have";
            return Err(GrammarFault::NoValue { name: name.to_owned(), help });
        }
        Ok(texts.join(" "))
    };
    match (name, rest.first()) {
        ("include", _) => text().map(Pipe::Include),
        ("exclude", _) => text().map(Pipe::Exclude),
        (_, Some(word)) => {
            let known = Vec::new();
            Err(GrammarFault::Unknown { word: word.text.clone(), nearest: None, known })
        }
        ("count", None) => Ok(Pipe::Count),
        ("json", None) => Ok(Pipe::Json),
        (_, None) => Ok(Pipe::Compare),
    }
}

/// The output as the filters leave it.
pub(super) fn filter(text: &str, pipes: &[Pipe]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for pipe in pipes {
        match pipe {
            Pipe::Include(wanted) => lines.retain(|line| line.contains(wanted)),
            Pipe::Exclude(unwanted) => lines.retain(|line| !line.contains(unwanted)),
            Pipe::Count => lines = vec![format!("Count: {} lines", lines.len())],
            Pipe::Json | Pipe::Compare => {}
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(usize, Vec<Pipe>), GrammarFault> {
        let words = crate::egctl::split(line).words;
        split(&words).map(|(said, pipes)| (said.len(), pipes))
    }

    #[test]
    fn pipes_are_read() {
        let include = |text: &str| Pipe::Include(text.to_owned());
        for (line, expected) in [
            ("show status", (2, vec![])),
            ("show status | json", (2, vec![Pipe::Json])),
            ("show a | inc x y | cou", (2, vec![include("x y"), Pipe::Count])),
            ("show a | include \"| b\"", (2, vec![include("| b")])),
            ("show \"|\" http://a/|b", (3, vec![])),
            ("show | compare", (1, vec![Pipe::Compare])),
        ] {
            assert_eq!(read(line).unwrap(), expected, "{line}");
        }
        for bad in ["show |", "show | ", "a | nothing", "a | include", "a | count x", "a | c"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn filters_follow_one_another() {
        let text = "one\ntwo\nthree\n";
        for (pipes, expected) in [
            (vec![], text),
            (vec![Pipe::Include("t".to_owned())], "two\nthree\n"),
            (vec![Pipe::Exclude("t".to_owned())], "one\n"),
            (vec![Pipe::Include("t".to_owned()), Pipe::Count], "Count: 2 lines\n"),
            (vec![Pipe::Count, Pipe::Include("x".to_owned())], ""),
        ] {
            assert_eq!(filter(text, &pipes), expected);
        }
    }
}
