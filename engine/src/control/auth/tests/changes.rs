//! Who may change whom, and what ends with it.

use super::*;

const PEOPLE: &[(&str, Level)] = &[
    ("root", Level::SuperAdministrator),
    ("boss", Level::Administrator),
    ("peer", Level::Administrator),
    ("alice", Level::Standard),
];

async fn kind_of<T>(done: impl Future<Output = Result<T, Problem>>) -> ProblemKind {
    match done.await {
        Ok(_) => panic!("it was done"),
        Err(problem) => problem.kind,
    }
}

#[tokio::test]
async fn accounts_are_made_below_whoever_makes_them() {
    let site = Site::with(PEOPLE);
    let boss = site.operator(&site.login("boss").await);
    let root = site.operator(&site.login("root").await);
    let add = |operator: &Operator, request: UserAddRequest| {
        let (accounts, operator, at) = (Arc::clone(&site.accounts), operator.clone(), site.at(1));
        async move { accounts.add(&operator, request, at).await }
    };
    let made = add(&boss, new_user("new", Level::Standard, Some(PASSWORD))).await.unwrap();
    assert!(made.key.is_none());
    assert_eq!((made.user.number, made.user.comment.as_str()), (2, "of a test"));
    site.login("new").await;
    for (level, expected) in [
        (Level::Administrator, ProblemKind::Forbidden),
        (Level::SuperAdministrator, ProblemKind::Forbidden),
        (Level::Disabled, ProblemKind::BadRequest),
    ] {
        let asked = new_user("x", level, Some(PASSWORD));
        assert_eq!(kind_of(add(&boss, asked)).await, expected, "{level}");
    }
    add(&root, new_user("second", Level::SuperAdministrator, Some(PASSWORD))).await.unwrap();
    for (name, level, password) in
        [("alice", Level::Standard, Some(PASSWORD)), ("second", Level::Standard, Some(PASSWORD))]
    {
        let asked = new_user(name, level, password);
        assert_eq!(kind_of(add(&root, asked)).await, ProblemKind::Conflict, "{name}");
    }
    for (name, level, password) in [
        ("Upper", Level::Standard, Some(PASSWORD)),
        ("a:b", Level::Standard, Some(PASSWORD)),
        ("x", Level::Standard, None),
        ("x", Level::Standard, Some("short")),
        ("twelve-letters", Level::Standard, Some("twelve-letters")),
        ("x", Level::ServiceAccount, Some(PASSWORD)),
    ] {
        let asked = new_user(name, level, password);
        assert_eq!(kind_of(add(&root, asked)).await, ProblemKind::BadRequest, "{name}");
    }
    for comment in ["a:b", "a\nb", "[was 11] x", &"x".repeat(129)] {
        let mut asked = new_user("x", Level::Standard, Some(PASSWORD));
        comment.clone_into(&mut asked.comment);
        assert_eq!(kind_of(add(&root, asked)).await, ProblemKind::BadRequest, "{comment}");
    }
    assert_eq!(site.text().lines().count(), PEOPLE.len() + 2);
}

#[tokio::test]
async fn what_ends_an_account_ends_its_logins_at_once() {
    let site = Site::with(PEOPLE);
    let root = site.operator(&site.login("root").await);
    let accounts = &site.accounts;
    let at = site.at(1);
    let dead = |tokens: Tokens| {
        let site = &site;
        async move {
            site.identify(&tokens.access_token, 1).is_err()
                && site.refresh(&tokens.refresh_token, 1).await.is_err()
        }
    };
    let tokens = site.login("alice").await;
    accounts.set_level(&root, "alice", Level::Monitoring, at).await.unwrap();
    assert!(dead(tokens).await);
    assert_eq!(site.login("alice").await.who.level, Level::Monitoring);
    let tokens = site.login("alice").await;
    let asked = PasswordRequest { password: secret("another password"), current: None };
    accounts.set_password(&root, "alice", asked, None, at).await.unwrap();
    assert!(dead(tokens).await);
    assert_eq!(site.refused("alice", PASSWORD, 0).await, ProblemKind::Unauthorized);
    let again = PasswordRequest { password: secret(PASSWORD), current: None };
    accounts.set_password(&root, "alice", again, None, at).await.unwrap();
    let tokens = site.login("alice").await;
    accounts.disable(&root, "alice", at).await.unwrap();
    assert!(dead(tokens).await);
    assert_eq!(site.refused("alice", PASSWORD, 0).await, ProblemKind::Unauthorized);
    let line = site.text();
    assert!(line.contains("alice:0:") && line.contains(":[was 1] "), "{line}");
    assert_eq!(kind_of(accounts.disable(&root, "alice", at)).await, ProblemKind::Conflict);
    accounts.enable(&root, "alice", at).await.unwrap();
    assert_eq!(kind_of(accounts.enable(&root, "alice", at)).await, ProblemKind::Conflict);
    let tokens = site.login("alice").await;
    assert_eq!(tokens.who.level, Level::Monitoring);
    accounts.remove(&root, "alice", at).await.unwrap();
    assert!(dead(tokens).await);
    assert_eq!(site.refused("alice", PASSWORD, 0).await, ProblemKind::Unauthorized);
    assert_eq!(kind_of(accounts.remove(&root, "alice", at)).await, ProblemKind::NotFound);
    assert!(!site.text().contains("alice"));
}

#[tokio::test]
async fn the_own_password_needs_the_one_before_and_keeps_this_login_alone() {
    let site = Site::with(PEOPLE);
    let (own, other) = (site.login("alice").await, site.login("alice").await);
    let alice = site.operator(&own);
    let from = Some(address("10.0.0.1"));
    let change = |password: &str, current: Option<&str>| {
        let asked = PasswordRequest { password: secret(password), current: current.map(secret) };
        let (accounts, alice, at) = (Arc::clone(&site.accounts), alice.clone(), site.at(0));
        async move { accounts.set_password(&alice, "alice", asked, from, at).await }
    };
    let new = "another password";
    assert_eq!(kind_of(change(new, None)).await, ProblemKind::BadRequest);
    assert_eq!(kind_of(change(new, Some("wrong"))).await, ProblemKind::Unauthorized);
    assert_eq!(kind_of(change("short", Some(PASSWORD))).await, ProblemKind::BadRequest);
    assert!(site.identify(&other.access_token, 0).is_ok());
    change(new, Some(PASSWORD)).await.unwrap();
    assert!(site.identify(&own.access_token, 0).is_ok());
    assert!(site.identify(&other.access_token, 0).is_err());
    site.login_with("alice", new, None, "10.0.0.1", 0).await.unwrap();
    // A stolen token guesses no passwords either.
    for _ in 0..4 {
        assert_eq!(kind_of(change(PASSWORD, Some("wrong"))).await, ProblemKind::Unauthorized);
    }
    for _ in 0..2 {
        drop(change(PASSWORD, Some("wrong")).await);
    }
    assert_eq!(kind_of(change(PASSWORD, Some(new))).await, ProblemKind::TooMany);
}

#[tokio::test]
async fn nobody_acts_on_those_above_or_beside_or_on_oneself() {
    let site = Site::with(PEOPLE);
    let boss = site.operator(&site.login("boss").await);
    let accounts = &site.accounts;
    let at = site.at(1);
    for user in ["root", "peer", "boss"] {
        let level = accounts.set_level(&boss, user, Level::Monitoring, at);
        assert_eq!(kind_of(level).await, ProblemKind::Forbidden, "{user}");
        assert_eq!(kind_of(accounts.disable(&boss, user, at)).await, ProblemKind::Forbidden);
        assert_eq!(kind_of(accounts.enable(&boss, user, at)).await, ProblemKind::Forbidden);
        assert_eq!(kind_of(accounts.remove(&boss, user, at)).await, ProblemKind::Forbidden);
        assert_eq!(kind_of(accounts.disenrol(&boss, user, at)).await, ProblemKind::Forbidden);
        if user != "boss" {
            let asked = PasswordRequest { password: secret(PASSWORD), current: None };
            let tried = accounts.set_password(&boss, user, asked, None, at);
            assert_eq!(kind_of(tried).await, ProblemKind::Forbidden);
        }
    }
    let raised = accounts.set_level(&boss, "alice", Level::Administrator, at);
    assert_eq!(kind_of(raised).await, ProblemKind::Forbidden);
    // One that is disabled is still above.
    let root = site.operator(&site.login("root").await);
    accounts.disable(&root, "peer", at).await.unwrap();
    assert_eq!(accounts.level_of("peer"), Some(Level::Administrator));
    assert_eq!(kind_of(accounts.enable(&boss, "peer", at)).await, ProblemKind::Forbidden);
    let asked = PasswordRequest { password: secret(PASSWORD), current: None };
    let tried = accounts.set_password(&boss, "peer", asked, None, at);
    assert_eq!(kind_of(tried).await, ProblemKind::Forbidden);
    assert_eq!(site.text().matches("[was 10]").count(), 1);
}

#[tokio::test]
async fn the_last_account_of_level_11_stays() {
    let site = Site::with(PEOPLE);
    let (accounts, machine, at) = (&site.accounts, local(), site.at(1));
    let before = site.text();
    let lowered = accounts.set_level(&machine, "root", Level::Administrator, at);
    assert_eq!(kind_of(lowered).await, ProblemKind::Conflict);
    assert_eq!(kind_of(accounts.disable(&machine, "root", at)).await, ProblemKind::Conflict);
    assert_eq!(kind_of(accounts.remove(&machine, "root", at)).await, ProblemKind::Conflict);
    assert_eq!(site.text(), before);
    // One that is disabled does not count.
    accounts.set_level(&machine, "boss", Level::SuperAdministrator, at).await.unwrap();
    accounts.disable(&machine, "boss", at).await.unwrap();
    assert_eq!(kind_of(accounts.remove(&machine, "root", at)).await, ProblemKind::Conflict);
    accounts.enable(&machine, "boss", at).await.unwrap();
    accounts.remove(&machine, "root", at).await.unwrap();
    assert_eq!(kind_of(accounts.remove(&machine, "boss", at)).await, ProblemKind::Conflict);
}

#[tokio::test]
async fn a_service_account_has_keys_and_no_password() {
    let site = Site::with(PEOPLE);
    let boss = site.operator(&site.login("boss").await);
    let accounts = &site.accounts;
    let at = site.at(0);
    let made = accounts.add(&boss, new_user("ci", Level::ServiceAccount, None), at).await.unwrap();
    let first = made.key.unwrap();
    assert_eq!(made.user.keys, 1);
    assert_eq!(first.row.expires, "2027-11-27T12:00:00Z");
    let identity = site.identify(&first.key, 90).unwrap();
    assert_eq!((identity.name.as_str(), identity.level), ("ci", Level::ServiceAccount));
    assert_eq!((identity.by, identity.login), (LoginKind::ApiKey, None));
    // To the minute, once it is written.
    assert_eq!(accounts.keys("ci").unwrap().keys[0].last_used, None);
    super::super::keeper::keep(accounts, site.at(100));
    let used = accounts.keys("ci").unwrap().keys[0].last_used.clone();
    assert_eq!(used.as_deref(), Some("2026-11-27T12:01:00Z"));
    let asked = PasswordRequest { password: secret(PASSWORD), current: None };
    let tried = accounts.set_password(&boss, "ci", asked, None, at);
    assert_eq!(kind_of(tried).await, ProblemKind::Conflict);
    for (user, level) in [("ci", Level::Standard), ("alice", Level::ServiceAccount)] {
        let tried = accounts.set_level(&boss, user, level, at);
        assert_eq!(kind_of(tried).await, ProblemKind::Conflict);
    }
    let ask = ApiKeyRequest { days: Some(1), sources: vec!["192.0.2.0/24".to_owned()] };
    let second = accounts.add_key(&boss, "ci", &ask, at).await.unwrap();
    let third = accounts.add_key(&boss, "ci", &ask, at);
    assert_eq!(kind_of(third).await, ProblemKind::Conflict);
    assert!(site.identify(&second.key, 0).is_err());
    assert!(site.identify_from(&second.key, "192.0.2.7", 0).is_ok());
    assert!(site.identify_from(&second.key, "::ffff:192.0.2.7", 0).is_ok());
    assert!(site.identify_from(&second.key, "192.0.2.7", 24 * 3600).is_err());
    // Disabled it opens nothing; enabled it does again.
    accounts.disable(&boss, "ci", at).await.unwrap();
    assert!(site.identify(&first.key, 0).is_err());
    accounts.enable(&boss, "ci", at).await.unwrap();
    assert!(site.identify(&first.key, 0).is_ok());
    let unknown = accounts.remove_key(&boss, "ci", "eg_nothing", at);
    assert_eq!(kind_of(unknown).await, ProblemKind::NotFound);
    accounts.remove_key(&boss, "ci", &first.row.prefix, at).await.unwrap();
    assert!(site.identify(&first.key, 0).is_err());
    // A key that is over makes room.
    accounts.add_key(&boss, "ci", &ApiKeyRequest::default(), at).await.unwrap();
    let later = site.at(24 * 3600);
    accounts.add_key(&boss, "ci", &ApiKeyRequest::default(), later).await.unwrap();
    assert_eq!(accounts.keys("ci").unwrap().keys.len(), 2);
    // An account of that name that is made anew has none of them.
    accounts.remove(&boss, "ci", at).await.unwrap();
    accounts.add(&boss, new_user("ci", Level::ServiceAccount, None), at).await.unwrap();
    assert!(site.identify_from(&second.key, "192.0.2.7", 0).is_err());
    // Nobody else has keys.
    let ask = ApiKeyRequest::default();
    let tried = accounts.add_key(&boss, "alice", &ask, at);
    assert_eq!(kind_of(tried).await, ProblemKind::Conflict);
    assert_eq!(accounts.keys("alice").unwrap_err().kind, ProblemKind::Conflict);
    for (days, sources) in [(Some(0), vec![]), (Some(4000), vec![]), (None, vec!["x".to_owned()])] {
        let ask = ApiKeyRequest { days, sources };
        assert_eq!(kind_of(accounts.add_key(&boss, "ci", &ask, at)).await, ProblemKind::BadRequest);
    }
}
