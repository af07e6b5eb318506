//! `cargo xtask api-fuzz`: schemathesis makes requests out of the engine's own `OpenAPI` document and holds
//! every answer against it, as nobody and as each kind of account. It is installed from `PyPI` into a folder
//! of its own beside the built things.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use eg_tests::api::Api;
use eg_tests::folder::Folder;
use eg_tests::installation::{FirstAccount, Installation, Plan};
use eg_tests::programs::Programs;
use serde_json::json;

use crate::{paths, say, setup, steps};

/// What makes the requests. A newer one may ask otherwise, so the version is part of what was shown.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// What must hold of each answer: nothing of the server's own fault, nothing that the document does not
/// have.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance,ignored_auth";

/// What ends the run itself, or the login that it asks with.
const NOT_TRIED: &str = "/(engine/restart|logout)$";

/// The password of the accounts that are made for it.
const PASSWORD: &str = "a long enough password";

/// Builds, starts an engine, and lets it look for that long.
pub(crate) fn run(minutes: u32) -> Result<ExitCode> {
    let ready = setup::run()?;
    let target = paths::target()?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--workspace", "--bins"]).current_dir(paths::root()?);
    cargo.env("CARGO_TARGET_DIR", &target);
    ready.apply(&mut cargo);
    steps::check(&mut cargo)?;
    let programs = Programs::in_folder(&target.join("debug"))?;
    let schemathesis = provide(&paths::cache()?.join("schemathesis"))?;
    let plan = Plan { first_account: FirstAccount::Made, ..Plan::demo() };
    let mut installation = Installation::prepare(Folder::temporary()?, &programs, &plan)?;
    installation.start_engine()?;
    let nobody = Api::at(installation.control())?;
    let (user, password) = installation.bootstrap_credential()?;
    let root = nobody.log_in(&user, &password)?;
    let mut askers = vec![("nobody", None)];
    for (name, level) in [("watcher", "monitoring"), ("keeper", "administrator")] {
        let account = json!({"name": name, "level": level, "password": PASSWORD});
        let said = root.post("users", &account)?;
        anyhow::ensure!(said.status < 300, "{}", said.text);
        askers.push((name, nobody.log_in(name, PASSWORD)?.token().map(str::to_owned)));
    }
    let seconds = u64::from(minutes) * 60 / askers.len() as u64;
    let mut failed = Vec::new();
    for (who, token) in askers {
        say::line(&format!("api-fuzz: {seconds} s as {who}"));
        let mut command = Command::new(&schemathesis);
        command
            .arg("run")
            .arg(format!("https://{}/api/v1/openapi.json", installation.control()))
            .args(["--tls-verify", "false", "--checks", CHECKS, "--continue-on-failure"])
            .args(["--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all"])
            .args(["--exclude-path-regex", NOT_TRIED, "--max-time", &seconds.to_string()])
            .current_dir(installation.path("."));
        if let Some(token) = token {
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        if !command.status().context("cannot start schemathesis")?.success() {
            failed.push(who);
        }
        let alive = nobody.ask("GET", "/readyz", None)?;
        anyhow::ensure!(alive.status == 200, "the engine after it: {}", alive.text);
    }
    installation.stop()?;
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    say::line(&format!("api-fuzz: answers outside the document as {}", failed.join(", ")));
    Ok(ExitCode::FAILURE)
}

/// The program, installed where it is not there yet.
fn provide(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("bin/schemathesis");
    if !program.is_file() {
        say::line("api-fuzz: installing schemathesis from PyPI once");
        steps::check(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        steps::check(pip.args(["install", "--quiet", SCHEMATHESIS]))?;
    }
    Ok(program)
}
