//! What is on the disk: faults, writes that fail, others who write, the first account.

use super::super::add_first;
use super::super::keeper::keep;
use super::*;

const PEOPLE: &[(&str, Level)] = &[("root", Level::SuperAdministrator), ("alice", Level::Standard)];

/// Takes the place where the next version of a file is written, so that no write succeeds.
fn block(site: &Site, name: &str) -> PathBuf {
    let path = site.path(&format!(".{name}.{}.new", std::process::id()));
    fs::create_dir(&path).unwrap();
    path
}

#[tokio::test]
async fn a_faulty_line_keeps_its_account_out_and_everything_as_it_is() {
    let site = Site::with(PEOPLE);
    let text = format!("{}bob:9:x\n", text_of(PEOPLE));
    fs::write(&site.aaa.passwd, &text).unwrap();
    let site = site.again(0);
    site.login("alice").await;
    assert_eq!(site.refused("bob", PASSWORD, 0).await, ProblemKind::Unauthorized);
    let root = site.operator(&site.login("root").await);
    let refused = site.accounts.disable(&root, "alice", site.at(0)).await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::Conflict);
    assert!(refused.detail.contains("line 3: "), "{}", refused.detail);
    let add = site.accounts.add(&root, new_user("x", Level::Standard, Some(PASSWORD)), site.at(0));
    assert_eq!(add.await.unwrap_err().kind, ProblemKind::Conflict);
    assert_eq!(site.text(), text);
    let first = add_first(&site.aaa, "new", || panic!("it is asked before it is known"));
    assert!(first.unwrap_err().to_string().contains("line 3"));
    // Mended, it is as before, without a start.
    fs::write(&site.aaa.passwd, text_of(PEOPLE)).unwrap();
    let root = site.operator(&site.login("root").await);
    site.accounts.disable(&root, "alice", site.at(0)).await.unwrap();
}

#[tokio::test]
async fn a_faulty_line_ends_no_logins() {
    let site = Site::with(PEOPLE);
    let tokens = site.login("alice").await;
    let text = site.text();
    fs::write(&site.aaa.passwd, text.replace("alice:2:", "alice:two:")).unwrap();
    assert!(site.identify(&tokens.access_token, 2).is_err());
    fs::write(&site.aaa.passwd, text).unwrap();
    assert!(site.identify(&tokens.access_token, 4).is_ok());
}

#[tokio::test]
async fn what_others_write_counts_within_a_second() {
    let site = Site::with(PEOPLE);
    let (alice, root) = (site.login("alice").await, site.login("root").await);
    fs::write(&site.aaa.passwd, text_of(&PEOPLE[..1])).unwrap();
    assert!(site.identify(&alice.access_token, 0).is_ok());
    assert!(site.identify(&alice.access_token, 1).is_err());
    // The other has another salt by now, which is another password.
    assert!(site.identify(&root.access_token, 1).is_err());
    assert_eq!(site.refused("alice", PASSWORD, 1).await, ProblemKind::Unauthorized);
}

#[tokio::test]
async fn an_administrator_is_added_on_the_machine_while_the_engine_runs() {
    let site = Site::with(PEOPLE);
    let add = |name: &str, password: &'static str| {
        add_first(&site.aaa, name, || Ok(secret(password))).map_err(|fault| fault.to_string())
    };
    add("second", "another password").unwrap();
    let login = site.login_with("second", "another password", None, "10.0.0.1", 0).await.unwrap();
    assert_eq!(login.who.level, Level::SuperAdministrator);
    assert!(add("second", PASSWORD).unwrap_err().contains("already"));
    assert!(add("No Name", PASSWORD).unwrap_err().contains("a name is"));
    assert!(add("third", "short").unwrap_err().contains("12 characters"));
    let broken = || Err(std::io::Error::other("broken off"));
    assert!(add_first(&site.aaa, "third", broken).is_err());
    assert_eq!(site.text().lines().count(), 3);
    let mode = fs::metadata(&site.aaa.passwd).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_write_that_fails_changes_nothing() {
    let site = Site::with(PEOPLE);
    let root = site.operator(&site.login("root").await);
    let before = site.text();
    let blocked = block(&site, "passwd");
    let (accounts, at) = (&site.accounts, site.at(0));
    assert_eq!(accounts.disable(&root, "alice", at).await.unwrap_err().kind, ProblemKind::Failed);
    assert_eq!(site.text(), before);
    site.login("alice").await;
    fs::remove_dir(blocked).unwrap();
    // The state cannot be written: what must be kept is refused, and what was done is undone.
    let blocked = block(&site, "passwd.state");
    let service = accounts.add(&root, new_user("ci", Level::ServiceAccount, None), at);
    assert_eq!(service.await.unwrap_err().kind, ProblemKind::Failed);
    assert_eq!(site.text(), before);
    assert_eq!(accounts.level_of("ci"), None);
    let login = site.login_with("alice", PASSWORD, None, "10.0.0.1", 0).await;
    assert_eq!(login.unwrap_err().kind, ProblemKind::Failed);
    // An end of a login holds all the same, and is written later.
    accounts.logout(&root, at).await.unwrap();
    assert!(accounts.has_unwritten());
    fs::remove_dir(blocked).unwrap();
    keep(accounts, at);
    assert!(!accounts.has_unwritten());
    assert_eq!(site.logins("root").await, 0);
    let site = site.again(0);
    assert_eq!(site.logins("root").await, 0);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_kept_and_keeps_everybody_out() {
    let site = Site::with(PEOPLE);
    site.login("alice").await;
    for text in ["", "{}", "{\"form\":2}"] {
        fs::write(site.path("passwd.state"), text).unwrap();
    }
    let site = site.again(0);
    assert_eq!(site.refused("alice", PASSWORD, 0).await, ProblemKind::Failed);
    keep(&site.accounts, site.at(100));
    let machine = local();
    let asked = new_user("x", Level::Standard, Some(PASSWORD));
    let add = site.accounts.add(&machine, asked, site.at(0));
    assert_eq!(add.await.unwrap_err().kind, ProblemKind::Failed);
    assert_eq!(fs::read_to_string(site.path("passwd.state")).unwrap(), "{\"form\":2}");
}

#[tokio::test]
async fn a_file_that_others_may_write_is_not_believed() {
    let site = Site::with(PEOPLE);
    fs::set_permissions(&site.aaa.passwd, fs::Permissions::from_mode(0o620)).unwrap();
    let site = site.again(0);
    assert_eq!(site.refused("alice", PASSWORD, 0).await, ProblemKind::Unauthorized);
    let first = add_first(&site.aaa, "new", || panic!("not asked"));
    assert!(first.unwrap_err().to_string().contains("chmod 0600"));
}

fn credential(site: &Site) -> serde_json::Value {
    let path = &site.aaa.bootstrap_credential_file;
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn the_first_account_is_made_once_and_its_credential_goes_with_its_login() {
    let mut site = Site::with_settings(&[], |aaa| aaa.auto_bootstrap = Switch::On);
    let kept = credential(&site);
    assert_eq!(
        (kept["user"].as_str(), kept["expires"].as_str()),
        (Some("admin"), Some("2026-11-27T13:00:00Z"))
    );
    let password = kept["password"].as_str().unwrap().to_owned();
    assert!(!site.text().contains(&password));
    assert_eq!(site.trail(), ["account admin bootstrap done"]);
    let text = site.text();
    let site = site.again(10);
    assert_eq!(site.text(), text);
    assert_eq!(site.refused("admin", PASSWORD, 10).await, ProblemKind::Unauthorized);
    assert!(site.aaa.bootstrap_credential_file.exists());
    let login = site.login_with("admin", &password, None, "10.0.0.1", 10).await.unwrap();
    assert_eq!(login.who.level, Level::SuperAdministrator);
    assert!(!site.aaa.bootstrap_credential_file.exists());
    let site = site.again(20);
    assert!(!site.aaa.bootstrap_credential_file.exists());
    site.login_with("admin", &password, None, "10.0.0.1", 20).await.unwrap();
}

#[tokio::test]
async fn the_credential_goes_when_its_time_is_over_over_a_start_too() {
    for over_a_start in [false, true] {
        let site = Site::with_settings(&[], |aaa| aaa.auto_bootstrap = Switch::On);
        keep(&site.accounts, site.at(3599));
        assert!(site.aaa.bootstrap_credential_file.exists());
        let site = if over_a_start { site.again(3600) } else { site };
        keep(&site.accounts, site.at(3600));
        assert!(!site.aaa.bootstrap_credential_file.exists(), "{over_a_start}");
        assert_eq!(site.users().await.len(), 1);
    }
}

#[test]
fn the_first_account_is_made_only_where_there_is_nothing() {
    let made = |people: &[(&str, Level)], text: Option<&str>, switch: Switch| {
        let site = Site::with_settings(people, |aaa| {
            aaa.auto_bootstrap = switch;
            if let Some(text) = text {
                fs::write(&aaa.passwd, text).unwrap();
                fs::set_permissions(&aaa.passwd, fs::Permissions::from_mode(0o600)).unwrap();
            }
        });
        (site.accounts.level_of("admin").is_some(), site.aaa.bootstrap_credential_file.exists())
    };
    assert_eq!(made(&[], None, Switch::On), (true, true));
    assert_eq!(made(&[], Some("# nobody yet\n\n"), Switch::On), (true, true));
    assert_eq!(made(&[], None, Switch::Off), (false, false));
    assert_eq!(made(&[], Some("broken\n"), Switch::On), (false, false));
    assert_eq!(made(&[("x", Level::Monitoring)], None, Switch::On), (false, false));
}

#[test]
fn without_a_credential_there_is_no_first_account() {
    let site = Site::with_settings(&[], |aaa| {
        aaa.auto_bootstrap = Switch::On;
        aaa.bootstrap_credential_file = "/nonexistent/folder/credential.json".into();
    });
    assert_eq!(site.accounts.level_of("admin"), None);
    assert!(!site.aaa.passwd.exists());
}
