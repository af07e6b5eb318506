//! Lists and rules as an attack surface (`evasions.md` J05, J06, J09, J10), on the real engine: what cannot
//! be right is refused, or its old entries stay; whatever comes, the running policy goes on, and a reload
//! ends.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use eg_tests::folder;
use eg_tests::installation::{Installation, Plan};
use eg_tests::lines::{self, Connector};
use eg_tests::walk::Due;
use eg_tests::weeks::found;
use flate2::Compression;
use flate2::write::GzEncoder;
use nix::sys::signal::Signal;

use crate::stage;
use crate::swapped::Swapped;

/// The list that a feed would write, and how many names it has at first.
const LIST: &str = "lists/feed";
const NAMES: usize = 1_000;

/// Far more than any of these may take.
const LONG: Duration = Duration::from_secs(15);

/// Lays something into a folder of policy files; beside it a rule, as text.
type LayRule = fn(&Path, &str) -> Result<()>;

/// Lays something into the place of a list.
type LayList = fn(&Path) -> Result<()>;

/// What came of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The entries of before are live, and a note or a refusal says so.
    OldStays,
    /// The new ones are.
    Taken,
}

fn names(count: usize) -> String {
    (0..count).map(|number| format!("n{number}.feed.example\n")).collect()
}

fn gzip(text: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text)?;
    Ok(encoder.finish()?)
}

/// An engine with one rule over one list.
fn engine() -> Result<Installation> {
    let plan = Plan { rules: None, verdicts: "blocked", inspect: "off", ..Plan::demo() };
    let mut installation = stage::installation(&plan)?;
    let list = installation.path(LIST);
    folder::make(&installation.path("lists"))?;
    folder::write(&list, &names(NAMES), 0o644)?;
    lines::one_rule_each(&[("feed".to_owned(), list)], &installation.path("rules.d"))?;
    installation.start_engine()?;
    Ok(installation)
}

/// Which of these hosts are denied.
fn denied(installation: &Installation, hosts: &[&str]) -> Result<Vec<bool>> {
    let (connector, mut pipes) = Connector::start(installation)?;
    let template = connector.template().clone();
    let urls: Vec<String> = hosts.iter().map(|host| format!("http://{host}/")).collect();
    let replies = lines::replay(&template, &mut pipes, &urls, template.slots())?;
    drop(pipes);
    connector.finish()?;
    let opener = installation.opener()?;
    replies.iter().map(|reply| Ok(found(reply, &opener)? != Due::Permit)).collect()
}

/// Reloads, and tells which entries are live afterwards: the last old name, or what is new.
fn outcome(installation: &mut Installation, about: &str, new: &str) -> Result<Outcome> {
    let began = Instant::now();
    let said = installation.reload_engine();
    let took = began.elapsed();
    ensure!(took < LONG, "{about}: the reload took {took:?}");
    if let Err(fault) = &said {
        let fault = format!("{fault:#}");
        ensure!(fault.contains("did not reload"), "{about}: {fault}");
    }
    let hosts = ["n999.feed.example", new, "none.example", "localhost"];
    let live = denied(installation, &hosts)?;
    match live.as_slice() {
        [true, false, false, false] => Ok(Outcome::OldStays),
        [_, true, false, false] => Ok(Outcome::Taken),
        other => anyhow::bail!("{about}: {other:?} are denied of {hosts:?}"),
    }
}

/// J05. A list that is a fraction, a page, or a bomb leaves the old one in place.
#[test]
fn lists_that_cannot_be_right() -> Result<()> {
    let mut installation = engine()?;
    let list = installation.path(LIST);
    let with = |count: usize, new: &str| format!("{}{new}\n", names(count)).into_bytes();
    let page = "<p>See <a href=\"https://page.feed.example/\">page.feed.example</a>.</p>\n";
    let page = format!("<!DOCTYPE html>\n<html><title>503</title>\n{}</html>\n", page.repeat(50));
    let whole = gzip(&with(NAMES, "whole.feed.example"))?;
    let half = whole.get(..whole.len() / 2).unwrap_or_default().to_vec();
    let bomb = gzip(&b"bomb.feed.example\n".repeat(16 << 20))?;
    let noise: Vec<u8> = (0..=255_u8).cycle().take(65_536).collect();
    // What is taken comes last: it is what the next ones are measured by.
    let cases: [(&str, &str, Vec<u8>, Outcome); 12] = [
        ("nothing", "none.feed.example", Vec::new(), Outcome::OldStays),
        ("comments", "none.feed.example", b"# moved\n# away\n".to_vec(), Outcome::OldStays),
        (
            "a twentieth",
            "few.feed.example",
            with(NAMES / 20, "few.feed.example"),
            Outcome::OldStays,
        ),
        ("too little", "less.feed.example", with(798, "less.feed.example"), Outcome::OldStays),
        ("an error page", "page.feed.example", page.into_bytes(), Outcome::OldStays),
        ("a redirect", "passwd", b"file:///etc/passwd\n".to_vec(), Outcome::OldStays),
        ("noise", "none.feed.example", noise, Outcome::OldStays),
        ("a bomb of 288 MiB", "bomb.feed.example", bomb, Outcome::OldStays),
        ("half of a file", "whole.feed.example", half, Outcome::OldStays),
        ("just enough", "enough.feed.example", with(799, "enough.feed.example"), Outcome::Taken),
        ("the whole file", "whole.feed.example", whole, Outcome::Taken),
        ("ten times", "more.feed.example", with(NAMES * 10, "more.feed.example"), Outcome::Taken),
    ];
    for (about, new, bytes, expected) in cases {
        fs::write(&list, bytes)?;
        let got = outcome(&mut installation, about, new)?;
        ensure!(got == expected, "{about}: {got:?}; the log:\n{}", installation.engine()?.tail());
    }
    installation.stop()
}

/// J06. Patterns that would cost without bound are refused or harmless, and never take the engine along.
#[test]
fn patterns_that_cannot_be_right() -> Result<()> {
    let mut installation = engine()?;
    let rule = |pattern: &[u8]| {
        [b"hostile: {\n    match-uri-regex: ", pattern, b"\n    action: deny\n}\n"].concat()
    };
    let large = [b"x|".repeat(5 << 20), b"y".to_vec()].concat();
    let cases: [(&str, &[u8], Outcome); 12] = [
        ("an open group", b"(new", Outcome::OldStays),
        ("bounds within bounds", b"new.{1,32767}{1,32767}", Outcome::OldStays),
        ("a large bound", b"new.{1,32767}", Outcome::OldStays),
        ("10 MiB", &large, Outcome::OldStays),
        ("a look behind", b"(?<=n)ew", Outcome::OldStays),
        ("a look ahead", b"new(?!x)", Outcome::OldStays),
        ("a back-reference", b"(n)ew\\1", Outcome::OldStays),
        ("a possessive one", b"n++ew", Outcome::OldStays),
        ("no UTF-8", b"new\xff", Outcome::OldStays),
        ("a NUL", b"new\0", Outcome::OldStays),
        ("plus within plus", b"://new[.]feed[.]example/(a+)+$|new", Outcome::Taken),
        ("any within any", b"(.*)*new", Outcome::Taken),
    ];
    for (about, pattern, expected) in cases {
        fs::write(installation.path("rules.d/20-hostile.policy"), rule(pattern))?;
        let got = outcome(&mut installation, about, "new.feed.example")?;
        ensure!(got == expected, "{about}: {got:?}; the log:\n{}", installation.engine()?.tail());
        // What makes a backtracking engine think for ever.
        let long = format!("new.feed.example/{}!", "a".repeat(4_000));
        let began = Instant::now();
        denied(&installation, &[&long])?;
        ensure!(began.elapsed() < LONG, "{about}: an answer took {:?}", began.elapsed());
    }
    installation.stop()
}

/// J09. Links, loops and what is no file: the walk ends, and the old policy stays where it cannot tell.
#[test]
fn folders_that_cannot_be_right() -> Result<()> {
    let mut installation = engine()?;
    let rules = installation.path("rules.d");
    let new = "new: {\n    match-domain: new.feed.example\n    action: deny\n}\n";
    let cases: [(&str, LayRule, Outcome); 8] = [
        ("a loop", |at, _| Ok(symlink(".", at.join("loop"))?), Outcome::OldStays),
        (
            "two loops",
            |at, _| {
                symlink(".", at.join("one"))?;
                Ok(symlink("..", at.join("two"))?)
            },
            Outcome::OldStays,
        ),
        ("a link to nothing", |at, _| Ok(symlink("gone", at.join("a.policy"))?), Outcome::OldStays),
        (
            "a link to itself",
            |at, _| Ok(symlink("a.policy", at.join("a.policy"))?),
            Outcome::OldStays,
        ),
        ("a device", |at, _| Ok(symlink("/dev/zero", at.join("a.policy"))?), Outcome::OldStays),
        ("a pipe", |at, _| pipe(&at.join("a.policy")), Outcome::OldStays),
        (
            "20,000 other files",
            |at, new| {
                (0..20_000)
                    .try_for_each(|number| fs::write(at.join(format!("{number}.txt")), new))?;
                Ok(fs::write(at.join("a.policy"), new)?)
            },
            Outcome::Taken,
        ),
        (
            "a file that all may write",
            |at, new| folder::write(&at.join("a.policy"), new, 0o666),
            Outcome::Taken,
        ),
    ];
    for (about, lay, expected) in cases {
        let below = rules.join("20-hostile");
        folder::make(&below)?;
        lay(&below, new)?;
        let got = outcome(&mut installation, about, "new.feed.example")?;
        ensure!(got == expected, "{about}: {got:?}; the log:\n{}", installation.engine()?.tail());
        fs::remove_dir_all(&below)?;
        // One rule of two is gone then, which is more than the guard of rules lets go.
        installation.engine()?.kill()?;
        installation.start_engine()?;
    }
    installation.stop()
}

/// J09. A list that is no file is a fault of the rule that names it, and holds nobody up.
#[test]
fn a_list_that_is_no_file() -> Result<()> {
    let mut installation = engine()?;
    let list = installation.path(LIST);
    let cases: [(&str, LayList); 4] = [
        ("a pipe", pipe),
        ("a folder", folder::make),
        ("a device", |at| Ok(symlink("/dev/zero", at)?)),
        ("a link to itself", |at| Ok(symlink(at, at)?)),
    ];
    for (about, lay) in cases {
        if list.is_dir() {
            fs::remove_dir(&list)?;
        } else {
            fs::remove_file(&list)?;
        }
        lay(&list)?;
        let got = outcome(&mut installation, about, "new.feed.example")?;
        ensure!(got == Outcome::OldStays, "{about}: {got:?}");
    }
    installation.stop()
}

fn pipe(at: &Path) -> Result<()> {
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    Ok(nix::unistd::mkfifo(at, mode)?)
}

/// J09, J10. Lists are replaced all the time while signals come in bursts: no reload meets
/// another, and what lies there last is live in the end.
#[test]
fn lists_replaced_during_bursts_of_reloads() -> Result<()> {
    let mut stage = Swapped::prepare(1, 20_000)?;
    stage.installation.start_engine()?;
    for _ in 0..20 {
        stage.weeks.swap()?;
        stage.installation.engine()?.signal(Signal::SIGHUP)?;
        // A small part of a reload, so that the next swap meets it at another step each time.
        std::thread::sleep(Duration::from_millis(7));
    }
    // The one that runs may have met a swap, and be refused. What ends after it began after the last swap.
    drop(stage.installation.reload_engine());
    stage.installation.reload_engine().context("the last reload")?;
    ensure!(stage.live()? == stage.weeks.now(), "the last lists are live");
    stage.installation.stop()
}
