//! The manual's tables, made of what the program reads.

use eg_proto::control::verbs::{Front, Need, TABLE};
use eg_settings::{hold_page, with_manual_table, with_table};

use super::command::{Forms, command};
use super::config::EGCTL_CONF;
use super::entries::{Does, ENTRIES};

/// Every verb, its level and what it does.
fn verbs() -> String {
    let mut table = String::from("| verb | level | does |\n|---|---|---|\n");
    for entry in ENTRIES.iter() {
        let level = match entry.does {
            Does::Ask(row) => row.may.to_string(),
            Does::Own(_) | Does::Shell(_) => "as the requests that it makes".to_owned(),
        };
        let secrets: Vec<&str> = entry
            .args
            .iter()
            .filter(|arg| arg.need == Need::Prompted)
            .map(|arg| arg.name)
            .collect();
        let asked = match secrets.as_slice() {
            [] => String::new(),
            names => format!("; asks for `{}`", names.join("`, `")),
        };
        table.push_str(&format!("| `{}` | {level} | {}{asked} |\n", entry.usage(), entry.help));
    }
    table
}

/// What the arguments mean.
fn arguments() -> String {
    let mut table = String::from("| verb | argument | meaning |\n|---|---|---|\n");
    for entry in ENTRIES.iter() {
        for arg in entry.args.iter().filter(|arg| arg.need != Need::Prompted) {
            let least = arg.least.map(|level| format!(" (level {})", level.number()));
            let least = least.unwrap_or_default();
            let words = entry.words.join(" ");
            table.push_str(&format!("| `{words}` | `{}` | {}{least} |\n", arg.name, arg.help));
        }
    }
    table
}

#[test]
fn the_manual_has_every_verb_argument_and_key() {
    let made = |page: &str| {
        let page = with_table(page, "verbs", &verbs())?;
        let page = with_table(&page, "arguments", &arguments())?;
        with_manual_table(&page, &EGCTL_CONF)
    };
    hold_page("docs/manual/egctl.md", made).unwrap();
}

#[test]
fn clap_knows_everything_that_can_be_said() {
    for forms in [Forms::Spaced, Forms::Both] {
        command(forms).debug_assert();
    }
    let whole = command(Forms::Both);
    for row in TABLE.iter().filter(|row| row.front != Front::Api) {
        let spaced = row.words.iter().try_fold(&whole, |found, word| found.find_subcommand(word));
        let hyphened = whole.find_subcommand(row.name());
        assert!(spaced.is_some() && hyphened.is_some(), "{}", row.name());
    }
}

#[test]
fn completions_and_man_pages_come_of_the_same() {
    for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish]
    {
        let mut made = Vec::new();
        clap_complete::generate(shell, &mut command(Forms::Both), "egctl", &mut made);
        let text = String::from_utf8(made).unwrap();
        assert!(text.contains("show-policy-match") && text.contains("user-agent"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(command(Forms::Spaced), folder.path()).unwrap();
    let page = std::fs::read_to_string(folder.path().join("egctl-show-policy-match.1")).unwrap();
    assert!(page.contains("what the live policy says to a request"), "{page}");
    assert!(folder.path().join("egctl.1").is_file());
}
