//! Live rules as rows, and one of them as its policy file writes it.

use std::fs;
use std::path::Path;

use eg_policy::check::Mode;
use eg_policy::ruleset::{Rule, Ruleset};
use eg_policy::sources::source_file;
use eg_policy::syntax::ast::Item;
use eg_policy::syntax::{Ast, FILE_BYTES_MAX, parse, print};
use eg_proto::control::explain::{RuleDetail, RuleRow};

use crate::sources::Disk;
use crate::stamp::Stamp;

/// A rule as everybody may see it.
pub(super) fn row(rule: &Rule) -> RuleRow {
    RuleRow {
        id: rule.id.0,
        name: rule.name.clone(),
        action: rule.action.word().to_owned(),
        mode: match rule.mode {
            Mode::Enforce => "enforce",
            Mode::Monitor => "monitor",
        }
        .to_owned(),
        category: rule.category.clone(),
        file: rule.file.clone(),
        line: rule.line,
    }
}

/// The rule of this name; where none has it, the one of this number.
pub(super) fn find<'r>(ruleset: &'r Ruleset, named: &str) -> Option<&'r Rule> {
    let numbered = || {
        let id: u32 = named.parse().ok()?;
        ruleset.rules().iter().find(|rule| rule.id.0 == id)
    };
    ruleset.find(named).or_else(numbered)
}

/// A rule with what it asks for, as its file says it now; `compiled_us` is when the files were read that
/// are live.
pub(super) fn detail(rule: &Rule, compiled_us: i64, sees: bool) -> RuleDetail {
    let text = text_of(rule);
    let changed = text.is_none() || is_newer(Path::new(&rule.file), compiled_us);
    RuleDetail {
        rule: row(rule),
        description: rule.description.clone(),
        text: text.filter(|_| sees),
        changed,
    }
}

/// The rule in the one form that `egpolicy fmt` gives; `None` where its file has it no more.
fn text_of(rule: &Rule) -> Option<String> {
    let path = Path::new(&rule.file);
    if fs::metadata(path).ok()?.len() > FILE_BYTES_MAX as u64 {
        return None;
    }
    let file = source_file(&Disk, path);
    let (ast, _) = parse(&file.path, &file.text);
    let block = ast.blocks().find(|block| block.name.text == rule.name)?;
    Some(print(&Ast { items: vec![Item::Block(block.clone())] }))
}

/// Whether a file, or its name, was changed after that. What the system cannot tell has changed.
fn is_newer(path: &Path, than_us: i64) -> bool {
    let Ok(facts) = fs::metadata(path) else { return true };
    Stamp::of(&facts).newest_ns().div_euclid(1_000) > i128::from(than_us)
}
