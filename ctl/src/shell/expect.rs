//! What can come next in a line: for `?` and for completion.

use eg_proto::control::verbs::{Arg, ArgKind};

use super::pipe;
use crate::egctl::{
    Arguments, Entry, Form, Given, GrammarFault, Short, Step, Word, nexts, placeholder, split, walk,
};

/// Something that can come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// A word.
    Word {
        /// The word.
        word: String,
        /// What it leads to.
        help: String,
    },
    /// A value of an argument.
    Value {
        /// Which argument.
        arg: Arg,
        /// What its values depend on: the user whose keys, the neighbor whose sessions.
        of: Option<String>,
    },
    /// The end of the line.
    Enter,
}

/// What can come next, and the beginning of it that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// Where the beginning starts in the line.
    pub(super) start: usize,
    /// The beginning, without quotes.
    pub(super) begun: String,
    /// Whether it is in quotes that are still open.
    pub(super) quote: Option<char>,
    /// What can be there.
    pub(super) nexts: Vec<Next>,
}

/// What can come next behind `line`.
///
/// # Errors
///
/// What is there already makes no sense.
pub(super) fn expect(entries: &[&Entry], line: &str) -> Result<Expected, GrammarFault> {
    let read = split(line);
    let mut words = read.words;
    let is_open =
        read.open.is_some() || line.chars().next_back().is_some_and(|c| !c.is_whitespace());
    let last = if is_open { words.pop() } else { None };
    let (start, begun) = match &last {
        Some(word) => (word.span.start, word.text.clone()),
        None => (line.len(), String::new()),
    };
    let is_pipe = |word: &Word| word.form == Form::Plain && word.text == "|";
    let nexts = match words.iter().rposition(is_pipe) {
        Some(at) => behind_pipe(words.get(at.saturating_add(1)..).unwrap_or_default()),
        None => behind(entries, &words, last.as_ref())?,
    };
    Ok(Expected { start, begun, quote: read.open, nexts })
}

fn behind_pipe(words: &[Word]) -> Vec<Next> {
    if !words.is_empty() {
        return vec![Next::Enter];
    }
    let word = |(word, help): &(&str, &str)| Next::Word {
        word: (*word).to_owned(),
        help: (*help).to_owned(),
    };
    pipe::KNOWN.iter().map(word).collect()
}

fn behind(
    entries: &[&Entry],
    words: &[Word],
    last: Option<&Word>,
) -> Result<Vec<Next>, GrammarFault> {
    match walk(entries, words, Short::Allowed)? {
        Step::Open(open, said) => Ok(words_of(&open, said)),
        Step::At(entry, said) => {
            let mut arguments = Arguments::of(entry, Short::Allowed);
            words.iter().skip(said).try_for_each(|word| arguments.take(word))?;
            let mut nexts = arguments_of(&arguments, last);
            if words.len() == said {
                let longer: Vec<&Entry> = entries
                    .iter()
                    .copied()
                    .filter(|other| {
                        other.words.len() > said && other.words.starts_with(entry.words)
                    })
                    .collect();
                nexts.splice(0..0, words_of(&longer, said));
            }
            Ok(nexts)
        }
    }
}

/// The words at this place. One that ends an entry has its help, one that goes on names what is behind.
fn words_of(open: &[&Entry], at: usize) -> Vec<Next> {
    let help = |word: &str| {
        let behind: Vec<&&Entry> =
            open.iter().filter(|entry| entry.words.get(at) == Some(&word)).collect();
        match behind.as_slice() {
            [one] => one.help.to_owned(),
            many => {
                let next = at.saturating_add(1);
                let mut words: Vec<&str> = Vec::new();
                for word in many.iter().filter_map(|entry| entry.words.get(next)) {
                    if !words.contains(word) {
                        words.push(word);
                    }
                }
                words.join(", ")
            }
        }
    };
    nexts(open, at)
        .into_iter()
        .map(|word| Next::Word { word: word.to_owned(), help: help(word) })
        .collect()
}

fn arguments_of(arguments: &Arguments<'_>, last: Option<&Word>) -> Vec<Next> {
    let of = || {
        ["user", "neighbor"].iter().find_map(|name| match arguments.value(name)? {
            Given::Text(text) => Some(text.clone()),
            Given::Number(_) | Given::Switch(_) | Given::Level(_) | Given::Many(_) => None,
        })
    };
    let is_option = last.is_some_and(|word| word.text.starts_with("--"));
    let dashes = if is_option { "--" } else { "" };
    let names = || {
        arguments.names().into_iter().map(|arg| Next::Word {
            word: format!("{dashes}{}", arg.name),
            help: arg.help.to_owned(),
        })
    };
    match arguments.wants() {
        Some(arg) if arg.kind == ArgKind::Switch => {
            let mut nexts = vec![Next::Value { arg, of: None }];
            nexts.extend(names().filter(|next| !is_named(next, arg.name)));
            nexts.push(Next::Enter);
            nexts
        }
        Some(_) if is_option && !arguments.is_pending() => names().collect(),
        Some(arg) => vec![Next::Value { arg, of: of() }],
        None => names().chain(std::iter::once(Next::Enter)).collect(),
    }
}

fn is_named(next: &Next, name: &str) -> bool {
    match next {
        Next::Word { word, help: _ } => word.trim_start_matches('-') == name,
        Next::Value { .. } | Next::Enter => false,
    }
}

impl Next {
    /// As `?` lists it.
    pub(super) fn listed(&self) -> (String, String) {
        match self {
            Self::Word { word, help } => (word.clone(), help.clone()),
            Self::Value { arg, of: _ } => (placeholder(arg), arg.help.to_owned()),
            Self::Enter => ("<Enter>".to_owned(), "do it; `|` filters what comes".to_owned()),
        }
    }
}
