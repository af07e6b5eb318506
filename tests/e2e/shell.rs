//! `egctl --cli` in a real terminal, before an engine with the real Squid: completion, `?`, modes, an edit of
//! the policy that is committed and in force, one that is not confirmed and rolls back.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use eg_tests::browser::{Browser, Received};
use eg_tests::folder::Folder;
use eg_tests::installation::{FirstAccount, Plan};
use eg_tests::programs::Programs;
use eg_tests::site::Site;
use eg_tests::terminal::Terminal;

/// A rollback comes within the minute that was asked for, and a reload's length.
const ROLLBACK_MAX: Duration = Duration::from_secs(100);

fn shell(site: &Site) -> Result<Terminal> {
    let installation = &site.installation;
    let conf = installation.write_unpinned_egctl_conf()?;
    let home = installation.path("home");
    std::fs::create_dir_all(&home)?;
    let egctl = installation.programs().egctl.clone();
    let terminal = Terminal::start(
        &installation.path("."),
        &egctl,
        &["-c", &conf.display().to_string(), "--cli"],
        &[
            ("HOME", &home.display().to_string()),
            ("XDG_CONFIG_HOME", ""),
            ("XDG_CACHE_HOME", ""),
            ("EDITOR", "false"),
        ],
    )?;
    Ok(terminal)
}

/// Whether the origin is reached through Squid.
fn is_permitted(site: &Site, host: &str) -> Result<bool> {
    let url = format!("http://{host}:{}/", site.origin.http().port());
    let story = Browser::new(site.squid.plain()).get(&url)?;
    Ok(matches!(&story.received, Received::Reply(reply) if reply.status == 200))
}

#[test]
fn an_operators_evening() -> Result<()> {
    let plan = Plan { first_account: FirstAccount::Made, ..Plan::demo() };
    let site = Site::start(Folder::temporary()?, &Programs::beside_this_one()?, &plan)?;
    let terminal = shell(&site)?;
    log_in(&site, &terminal)?;

    // `?` says what may come, and the text that was typed stays.
    let seen = terminal.screen()?;
    terminal.type_text("show policy ")?;
    terminal.type_text("?")?;
    let screen = terminal.await_text(&seen, "backups")?;
    ensure!(screen.contains("the live rules in order"), "{screen}");
    terminal.say("list | count")?;
    terminal.await_text(&screen, "\n")?;

    // Completion of words and of what the engine knows.
    let seen = terminal.screen()?;
    terminal.type_text("sh pol ru demo-li")?;
    terminal.press("Tab")?;
    terminal.await_text(&seen, "demo-list")?;
    terminal.press("Enter")?;
    terminal.await_text(&seen, "10-demo.policy")?;

    // Unambiguous prefixes; an ambiguous one says between what.
    terminal.ask("sh pol ma http://listed.demo.example/", "demo-list")?;
    let said = terminal.ask("sh s", "status")?;
    ensure!(said.contains("system"), "{said}");

    // What needs a mode, and the modes.
    terminal.ask("request policy reload", "enable")?;
    terminal.ask("enable", "#")?;
    terminal.ask("request policy reload reason evening", "revision")?;

    // A staged edit, seen in force by Squid.
    ensure!(is_permitted(&site, "default.demo.example")?, "permitted before");
    terminal.ask("configure", "(config)#")?;
    terminal.ask("edit policy 20-evening.policy", "20-evening.policy")?;
    terminal.ask("set rule evening match-domain default.demo.example", "(config")?;
    terminal.ask("set rule evening action deny", "(config")?;
    terminal.ask("show | compare", "+")?;
    terminal.ask("commit check", "nothing was changed")?;
    ensure!(is_permitted(&site, "default.demo.example")?, "a check changes nothing");
    terminal.ask("commit comment evening rule", "revision")?;
    let screen = terminal.screen()?;
    ensure!(!is_permitted(&site, "default.demo.example")?, "it is not in force:\n{screen}");

    // One that nobody confirms.
    terminal.ask("delete rule evening", "(config")?;
    terminal.ask("commit confirmed 1", "revision")?;
    ensure!(is_permitted(&site, "default.demo.example")?, "the unconfirmed commit is in force");
    let began = Instant::now();
    while is_permitted(&site, "default.demo.example")? {
        ensure!(began.elapsed() < ROLLBACK_MAX, "it does not roll back");
        std::thread::sleep(Duration::from_millis(500));
    }
    terminal.ask("end", "#")?;
    terminal.say("quit")?;
    let began = Instant::now();
    while !terminal.has_ended() {
        ensure!(began.elapsed() < Duration::from_secs(10), "{}", terminal.screen()?);
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(terminal);
    site.stop()
}

/// Trusts the certificate that is shown, and gives the credential that the engine has made.
fn log_in(site: &Site, terminal: &Terminal) -> Result<()> {
    let (user, password) = site.installation.bootstrap_credential()?;
    let screen = terminal.await_text("", "SHA-256")?;
    let fingerprint = site.installation.engine_fingerprint();
    ensure!(screen.contains(&fingerprint), "not {fingerprint}:\n{screen}");
    terminal.say("yes")?;
    terminal.await_text(&screen, "assword")?;
    ensure!(user == "admin", "{user}");
    terminal.say(&password)?;
    let screen = terminal.await_text(&screen, ">")?;
    ensure!(!screen.contains(&password), "the password is on the screen");
    Ok(())
}
