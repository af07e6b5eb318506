//! The command line of `egpolicy`, and what each verb does with it.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use eg_policy::diagnostic::{Severity, catalogue};
use eg_settings::version;

use super::convert::{ConvertArgs, run_convert};
use super::verbs::{ExplainArgs, LintArgs, TestArgs, run_explain, run_lint, run_test};
use super::{FmtMode, Formatted, check, fmt, load};
use crate::exit::Exit;
use crate::forms;
use crate::render::{self, Format};

/// Checks and formats EnforceGate policies, and has the engine load them; only `load` needs it.
#[derive(Debug, Parser)]
#[command(
    name = "egpolicy",
    version = version(),
    disable_version_flag = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// Print the version
    #[arg(short = 'v', long = "version", action = ArgAction::Version)]
    version: Option<bool>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what is wrong with policy files and the lists that they name; touches nothing.
    Check(CheckArgs),
    /// The same as `check`, as a reload does it before it changes anything.
    Compile {
        /// Only say what is wrong. Required: without an engine nothing can be compiled into one.
        #[arg(long, required = true)]
        dry_run: bool,
        #[command(flatten)]
        check: CheckArgs,
    },
    /// Write a policy file in its one form; comments stay.
    Fmt {
        /// The file.
        file: PathBuf,
        /// Change nothing; exit with 1 if the file would change.
        #[arg(long, conflicts_with = "stdout")]
        check: bool,
        /// Print the result and leave the file alone.
        #[arg(long)]
        stdout: bool,
    },
    /// Have the engine of this machine load its policy files, and say what came of it.
    Load(load::LoadArgs),
    /// Say what a request gets and why: every rule that matches, and why the ones before do not.
    Explain(Box<ExplainArgs>),
    /// Say what is allowed and probably not meant: rules that never match or decide, lists that repeat.
    Lint(LintArgs),
    /// Run cases: requests and the verdicts that are expected.
    Test(TestArgs),
    /// Turn the configuration or lists of another filter into a folder of policy and lists.
    Convert(ConvertArgs),
    /// Print the catalogue of faults.
    Diagnostics,
}

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Folders of policy files, as `/etc/enforcegate/rules.d`, or single files.
    #[arg(required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// A folder that is loaded after the others, and in which a faulty file is left out.
    #[arg(long, value_name = "PATH")]
    pub(super) shared: Vec<PathBuf>,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = FormatWord::Text)]
    pub(super) format: FormatWord,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FormatWord {
    Text,
    Json,
    Sarif,
}

/// Does what the command line says.
///
/// # Errors
///
/// What standard output says; everything else becomes a message and an [`Exit`].
pub fn run(args: Args) -> io::Result<Exit> {
    match args.verb {
        Verb::Check(check) | Verb::Compile { dry_run: _, check } => run_check(&check),
        Verb::Fmt { file, check, stdout } => run_fmt(
            &file,
            match (check, stdout) {
                (true, _) => FmtMode::Check,
                (false, true) => FmtMode::Print,
                (false, false) => FmtMode::Write,
            },
        ),
        Verb::Load(args) => load::run(&args),
        Verb::Explain(args) => run_explain(&args, &mut io::stdout().lock()),
        Verb::Lint(args) => run_lint(&args, &mut io::stdout().lock()),
        Verb::Test(args) => run_test(&args, &mut io::stdout().lock()),
        Verb::Convert(convert) => run_convert(&convert),
        Verb::Diagnostics => {
            io::stdout().lock().write_all(catalogue().as_bytes())?;
            Ok(Exit::Done)
        }
    }
}

fn run_check(args: &CheckArgs) -> io::Result<Exit> {
    let found = match check(&args.paths, &args.shared) {
        Ok(found) => found,
        Err(fault) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", &fault)?;
            return Ok(Exit::Failed);
        }
    };
    let mut out = io::stdout().lock();
    match args.format {
        FormatWord::Text => render::checked(&mut out, &found, Format::Text)?,
        FormatWord::Json => render::checked(&mut out, &found, Format::Json)?,
        FormatWord::Sarif => forms::sarif(&mut out, &found.diagnostics, version())?,
    }
    Ok(if found.count(Severity::Error) > 0 { Exit::Failed } else { Exit::Done })
}

fn run_fmt(file: &std::path::Path, mode: FmtMode) -> io::Result<Exit> {
    let mut out = io::stdout().lock();
    match (fmt(file, mode), mode) {
        (Ok(Formatted::Same), _) | (Ok(Formatted::Changed), FmtMode::Write | FmtMode::Print) => {
            Ok(Exit::Done)
        }
        (Ok(Formatted::Changed), FmtMode::Check) => {
            writeln!(out, "{} would change", forms::tame(&file.display().to_string()))?;
            Ok(Exit::Failed)
        }
        (Ok(Formatted::Text(text)), _) => {
            out.write_all(text.as_bytes())?;
            Ok(Exit::Done)
        }
        (Ok(Formatted::Faults(faults)), _) => {
            render::diagnostics(&mut out, &faults)?;
            Ok(Exit::Failed)
        }
        (Err(fault), _) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", &fault)?;
            Ok(Exit::Failed)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use eg_settings::in_tree;

    use super::*;

    /// Every verb, every flag and every word that a flag takes stands in the manual.
    #[test]
    fn the_manual_has_every_verb_and_flag() {
        let manual = std::fs::read_to_string(in_tree("docs/manual/egpolicy.md").unwrap()).unwrap();
        let mut wanted = Vec::new();
        let mut command = Args::command();
        command.build();
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            wanted.push(verb.get_name().to_owned());
            for flag in verb.get_arguments() {
                wanted.extend(flag.get_long().map(|long| format!("--{long}")));
                let words = flag.get_value_parser().possible_values().into_iter().flatten();
                if !flag.get_action().takes_values() {
                    continue;
                }
                wanted.extend(words.map(|word| word.get_name().to_owned()));
            }
        }
        assert!(wanted.len() > 8, "{wanted:?}");
        for word in wanted {
            let there = [format!("`{word}`"), format!("`{word} ")];
            assert!(
                there.iter().any(|text| manual.contains(text)),
                "`{word}` is not in the manual"
            );
        }
    }

    /// What a command line of the manual prints, in a folder that has what it names.
    fn printed(line: &str, folder: &std::path::Path) -> String {
        let words = line.split_whitespace().map(|word| match word.strip_prefix("rules.d") {
            Some(rest) => format!("{}/rules.d{rest}", folder.display()),
            None => word.to_owned(),
        });
        let mut out = Vec::new();
        match Args::try_parse_from(words).unwrap().verb {
            Verb::Explain(args) => run_explain(&args, &mut out).unwrap(),
            Verb::Lint(args) => run_lint(&args, &mut out).unwrap(),
            Verb::Test(args) => run_test(&args, &mut out).unwrap(),
            other => panic!("{other:?}"),
        };
        String::from_utf8(out).unwrap().replace(&format!("{}/", folder.display()), "")
    }

    /// The page with what each of its command lines prints.
    fn made(page: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rules.d")).unwrap();
        let policy = page.split_once("50-example.policy`:\n\n```\n")?.1.split_once("```\n")?.0;
        std::fs::write(folder.path().join("rules.d/50-example.policy"), policy).unwrap();
        let root = in_tree("").unwrap();
        let mut made = page.to_owned();
        for (name, folder) in [("explain", root.as_path()), ("lint", folder.path())] {
            let (start, end) = (format!("<!-- made by a test: {name} -->\n"), "<!-- end: ");
            let (before, rest) = made.split_once(&start)?;
            let (block, after) = rest.split_once(end)?;
            let line = block.lines().find_map(|line| line.strip_prefix("$ "))?;
            let root = folder.display().to_string();
            let folder = std::path::Path::new(root.trim_end_matches('/'));
            let text = printed(line, folder);
            let block = format!("```console\n$ {line}\n{}\n```\n", text.trim_end());
            made = [before, &start, &block, end, after].concat();
        }
        Some(made)
    }

    #[test]
    fn the_examples_of_the_manual_are_so() {
        eg_settings::hold_page("docs/manual/egpolicy.md", made).unwrap();
    }

    /// The cases of the manual pass on the shipped rules.
    #[test]
    fn the_cases_of_the_manual_pass() {
        let manual = std::fs::read_to_string(in_tree("docs/manual/egpolicy.md").unwrap()).unwrap();
        let (_, rest) = manual.split_once("```toml\n").unwrap();
        let (cases, _) = rest.split_once("```\n").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = in_tree("rules.d").unwrap();
        let cases = cases.replace("\"rules.d\"", &format!("{:?}", root.display().to_string()));
        let path = folder.path().join("cases.toml");
        std::fs::write(&path, cases).unwrap();
        let out = printed(&format!("egpolicy test {}", path.display()), folder.path());
        assert_eq!(out, "3 cases, 3 passed, 0 failed\n");
    }

    /// Each thing that a request says besides its URL reaches the rules.
    #[test]
    fn time_user_and_method_reach_the_rules() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join("rules.d").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "10-a.policy",
            "deny-ada: {\n match-user: @users.txt\n}\n\
             deny-hours: {\n match-domain: a.test\n time-window: mon-fri 08:00-17:00\n}\n\
             deny-post: {\n match-domain: b.test\n match-method: POST\n}\n\
             watch: {\n match-domain: c.test\n monitor: true\n}\n\
             deny-rest: {\n match-domain: c.test\n except-source: 192.0.2.7\n}\n\
             deny-cat: {\n match-domain-list: cat\n}\n\
             over: {\n match-domain: e.test\n valid-until: 2026-01-01T00:00:00Z\n}\n",
        );
        write("users.txt", "# who\neve\nada\n");
        write("cat/domains", "d.test\n");
        write("cat/urls", "# urls\nf.test/x\n");
        write("cat/expressions", "/ads[0-9]\n");
        let check = |words: &str, parts: &[&str]| {
            let line =
                format!("egpolicy explain --policy rules.d --time-window-tz Europe/Zurich {words}");
            let text = printed(&line, folder.path());
            for part in parts {
                assert!(text.contains(part), "{words}: {part}\n{text}");
            }
        };
        check(
            "--user ada http://z.test/",
            &["by rule 1 `deny-ada`", "match-user rules.d/users.txt:3 has `ada`"],
        );
        check("--user Ada http://z.test/", &["by `default-permit`"]);
        check(
            "--at 2026-11-27T07:30:00Z http://a.test/",
            &["by rule 2 `deny-hours`", "time-window fri 08:00-17:00"],
        );
        check(
            "--all --at 2026-11-28T07:30:00Z http://a.test/",
            &["by `default-permit`", "; this is sat 08:30 (Europe/Zurich)"],
        );
        check("--method post http://b.test/", &["by rule 3 `deny-post`", "match-method POST"]);
        check(
            "--all http://b.test/",
            &["by `default-permit`", "match-method asks for POST; this is GET"],
        );
        check(
            "http://c.test/",
            &[
                "by rule 5 `deny-rest`",
                "monitored     watch",
                "watch  rules.d/10-a.policy:12 (only monitors",
            ],
        );
        check(
            "--source 192.0.2.7 http://c.test/",
            &[
                "by `default-permit`",
                "except-source 192.0.2.7\n",
                "so the rule spares this request",
            ],
        );
        check("http://f.test/x/y", &["match-domain-list rules.d/cat/urls:2 has `f.test/x/y`"]);
        check("http://z.test/ads1", &["rules.d/cat/expressions:1 has `/ads[0-9]`"]);
        check("http://www.d.test/", &["match-domain-list rules.d/cat/domains:1 has `d.test`"]);
        check(
            "--all --at 2026-11-27T07:30:00Z http://e.test/",
            &["by `default-permit`", "does not count at this time, 2026-11-27T07:30:00Z"],
        );
    }

    #[test]
    fn what_the_exit_codes_say() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("10-a.policy");
        let policy = "a: {\n match-domain: a.test\n}\nb: {\n match-domain: b.a.test\n}\n";
        std::fs::write(&path, policy).unwrap();
        let path = path.display().to_string();
        let check = |words: &[&str], expected: Exit| {
            let words = ["egpolicy"].into_iter().chain(words.iter().copied());
            let exit = match Args::try_parse_from(words).unwrap().verb {
                Verb::Explain(args) => run_explain(&args, &mut Vec::new()).unwrap(),
                Verb::Lint(args) => run_lint(&args, &mut Vec::new()).unwrap(),
                other => panic!("{other:?}"),
            };
            assert_eq!(exit, expected);
        };
        let explain = ["explain", "--policy", &path];
        let with = |more: &[&'static str]| [&explain[..], more].concat();
        check(&with(&["http://a.test/"]), Exit::Done);
        check(&with(&["--check", "http://a.test/"]), Exit::NotPermitted);
        check(&with(&["--check", "http://c.test/"]), Exit::Done);
        check(&with(&["--check", "--default-action", "aup", "http://c.test/"]), Exit::NotPermitted);
        check(&with(&["--format", "json", "b.a.test:443"]), Exit::Done);
        check(&with(&["a.test/x"]), Exit::Failed);
        check(&["explain", "--policy", "/nowhere", "http://a.test/"], Exit::Failed);
        check(&["lint", &path], Exit::Done);
        check(&["lint", "--strict", &path], Exit::Failed);
        check(&["lint", "/nowhere"], Exit::Failed);
        std::fs::write(&path, "a: {\n match-domain: a_\n action: deny\n colour: red\n}\n").unwrap();
        check(&["lint", &path], Exit::Failed);
        check(&with(&["http://a.test/"]), Exit::Failed);
    }

    #[test]
    fn help_and_version_end_well() {
        for flag in ["-v", "--version"] {
            let shown = Args::try_parse_from(["anything", flag]).unwrap_err();
            assert_eq!(shown.to_string(), format!("egpolicy {}\n", version()));
            assert_eq!(shown.exit_code(), 0);
        }
        for flag in ["-h", "--help"] {
            assert_eq!(Args::try_parse_from(["anything", flag]).unwrap_err().exit_code(), 0);
        }
        assert_eq!(Args::try_parse_from(["anything", "-V"]).unwrap_err().exit_code(), 2);
    }
}
