//! `cargo xtask demo`: builds, starts everything below one folder, makes the requests of the showcase
//! through a real Squid, prints what came of each, and stays up to be tried.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use comfy_table::{Cell, Table};
use eg_tests::folder::Folder;
use eg_tests::installation::{FirstAccount, Installation, Plan};
use eg_tests::interrupt;
use eg_tests::programs::Programs;
use eg_tests::showcase::{self, Examiner, Row};
use eg_tests::site::Site;

use crate::{paths, say, setup, steps};

/// What the demo is asked for.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) stay: Stay,
    pub(crate) form: Form,
    /// Where to work; else below a temporary folder.
    pub(crate) folder: Option<PathBuf>,
}

/// What happens after the table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stay {
    /// It ends.
    Once,
    /// It stays up until Ctrl-C.
    UntilInterrupted,
}

/// How the table is printed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Runs the demo. Everything that it starts is stopped when it ends, however it ends.
pub(crate) fn run(wish: &Wish) -> Result<ExitCode> {
    let programs = build()?;
    interrupt::check()?;
    let folder = match &wish.folder {
        Some(path) => Folder::kept(path)?,
        None => Folder::temporary()?,
    };
    say::line(&format!(
        "demo: starting engine, portal, Squid and an origin below {}",
        folder.path().display()
    ));
    let plan = Plan { first_account: FirstAccount::Made, ..Plan::demo() };
    let site = Site::start(folder, &programs, &plan)?;
    let shown = show(&site, wish);
    let stopped = site.stop();
    let ok = shown?;
    stopped.context("something did not end by itself")?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sets up and builds the programs.
fn build() -> Result<Programs> {
    let ready = setup::run()?;
    let target = paths::target()?;
    say::line("demo: building (the first time takes minutes)");
    let mut cargo = Command::new("cargo");
    // The whole workspace, so that `cargo xtask test` finds the same features built.
    cargo
        .args(["build", "--workspace", "--bins"])
        .current_dir(paths::root()?)
        .env("CARGO_TARGET_DIR", &target);
    ready.apply(&mut cargo);
    steps::check(&mut cargo)?;
    Programs::in_folder(&target.join("debug"))
}

/// Makes the requests, prints the table, and stays up if that was asked. Says whether all rows are as
/// expected.
fn show(site: &Site, wish: &Wish) -> Result<bool> {
    let mut examiner = Examiner::new(site)?;
    let mut rows = Vec::new();
    for case in showcase::all() {
        interrupt::check()?;
        rows.push(examiner.examine(&case)?);
    }
    let ok = rows.iter().all(|row| row.ok);
    match wish.form {
        Form::Json => say::result(&serde_json::to_string_pretty(&rows)?)?,
        Form::Table => say::result(&table(&rows).to_string())?,
    }
    for row in rows.iter().filter(|row| !row.ok) {
        say::line(&format!("not as expected: {}: {}", row.about, row.faults.join("; ")));
    }
    if !ok {
        say::line(&site.logs());
    }
    let good = rows.iter().filter(|row| row.ok).count();
    say::line(&format!("demo: {good} of {} requests as expected", rows.len()));
    match wish.stay {
        Stay::Once => {}
        Stay::UntilInterrupted => stay(site),
    }
    Ok(ok)
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["about", "request", "phase", "verdict", "rule", "the client received", "ok"]);
    for row in rows {
        let ok = if row.ok { "ok" } else { "NO" };
        let texts = [&row.about, &row.request, &row.phase, &row.verdict, &row.rule, &row.received];
        table.add_row(texts.into_iter().map(Cell::new).chain([Cell::new(ok)]));
    }
    table
}

/// How an operator asks this engine.
fn operator(installation: &Installation) -> String {
    let credential = installation.first_credential();
    if !credential.is_file() {
        return format!(
            "operator no account yet; on this machine ask {}",
            installation.path("engine/control.sock").display()
        );
    }
    format!(
        "operator admin, with the password in {credential} (the file goes with the first login)
    egctl -c {conf} show status",
        credential = credential.display(),
        conf = installation.egctl_conf().display(),
    )
}

fn stay(site: &Site) {
    let (squid, origin) = (&site.squid, &site.origin);
    let installation = &site.installation;
    let port = origin.http().port();
    say::line(&format!(
        "
It stays up until Ctrl-C. Try it:
    curl -v -x http://{plain} http://permitted.demo.example:{port}/
    curl -v -x http://{plain} http://listed.demo.example:{port}/
    curl -v -k -x http://{peeking} https://listed.demo.example:{tls_port}/
portal   {base_url}
engine   {defendr} (Defendr), https://{control}/api/v1/ (Control API)
policy   {rules}
audit    {audit}
logs     {logs}",
        plain = squid.plain(),
        peeking = squid.peeking(),
        tls_port = origin.https().port(),
        base_url = installation.base_url(),
        defendr = installation.defendr(),
        control = installation.control(),
        rules = installation.path("rules.d").display(),
        audit = installation.path("audit/audit.jsonl").display(),
        logs = installation.path("log").display(),
    ));
    say::line(&operator(installation));
    while !interrupt::came() {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    say::line("demo: stopping");
}
