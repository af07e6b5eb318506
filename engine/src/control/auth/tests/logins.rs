//! Logging in, being known, going on, and being kept out.

use super::*;

const PEOPLE: &[(&str, Level)] = &[
    ("root", Level::SuperAdministrator),
    ("alice", Level::Standard),
    ("gone", Level::Disabled),
    ("ci", Level::ServiceAccount),
];

#[tokio::test]
async fn a_login_gives_a_token_that_says_who_and_the_account_says_what() {
    let mut site = Site::with(PEOPLE);
    let tokens = site.login("alice").await;
    assert_eq!((tokens.expires_in_s, tokens.refresh_expires_in_s), (900, 43_200));
    assert_eq!((tokens.who.user.as_str(), tokens.who.level), ("alice", Level::Standard));
    let identity = site.identify(&tokens.access_token, 899).unwrap();
    assert_eq!((identity.name.as_str(), identity.level), ("alice", Level::Standard));
    assert_eq!((identity.by, identity.must), (LoginKind::Token, None));
    assert_eq!(site.identify(&tokens.access_token, 900).unwrap_err().status, 401);
    let row = site.users().await.into_iter().find(|row| row.name == "alice").unwrap();
    assert_eq!((row.logins, row.last_login.as_deref()), (1, Some("2026-11-27T12:00:00Z")));
    assert_eq!(site.trail(), ["login alice password ok", "login - token bad-token"]);
}

#[tokio::test]
async fn what_is_no_token_is_nobody() {
    let site = Site::with(PEOPLE);
    let tokens = site.login("alice").await;
    let access = tokens.access_token.expose();
    let from = address("10.0.0.1");
    for bad in [
        "",
        "Bearer",
        "Bearer ",
        access,
        &format!("Basic {access}"),
        &format!("Bearer {access}x"),
        &format!("Bearer {}", tokens.refresh_token.expose()),
        "Bearer eg_aaaaaaaa_x",
        &format!("Bearer {}", "x".repeat(5000)),
    ] {
        let problem = site.accounts.identify(bad, from, site.at(0)).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Unauthorized, "{bad}");
    }
    let good = format!("bearer {access}");
    assert!(site.accounts.identify(&good, from, site.at(0)).is_ok());
}

#[tokio::test]
async fn each_refusal_costs_one_hash_and_says_the_same() {
    let site = Site::with(PEOPLE);
    let mut said = std::collections::HashSet::new();
    for (user, password) in [
        ("alice", "wrong password"),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("ci", PASSWORD),
        ("ci", ""),
        ("NO NAME", PASSWORD),
        (PASSWORD, PASSWORD),
    ] {
        let before = site.hashes();
        let problem = site.login_with(user, password, None, "10.0.0.1", 0).await.unwrap_err();
        assert_eq!(site.hashes() - before, 1, "{user}");
        said.insert((problem.kind as u8, problem.detail));
    }
    assert_eq!(said.len(), 1);
    let before = site.hashes();
    site.login_with("alice", PASSWORD, None, "10.0.0.2", 0).await.unwrap();
    assert_eq!(site.hashes() - before, 1);
}

#[tokio::test]
async fn five_failures_lock_the_account_from_there_and_cost_no_more_hashes() {
    let mut site = Site::with(PEOPLE);
    for _ in 0..5 {
        assert_eq!(site.refused("alice", "wrong", 0).await, ProblemKind::Unauthorized);
    }
    let before = site.hashes();
    let problem = site.login_with("alice", PASSWORD, None, "10.0.0.1", 1).await.unwrap_err();
    assert_eq!((problem.kind, problem.status), (ProblemKind::TooMany, 429));
    assert!(problem.detail.contains("in 59 s"), "{}", problem.detail);
    assert_eq!(site.hashes(), before);
    site.login_with("alice", PASSWORD, None, "10.0.0.9", 1).await.unwrap();
    site.login_with("alice", PASSWORD, None, "10.0.0.1", 60).await.unwrap();
    let trail = site.trail();
    assert_eq!(trail.iter().filter(|line| *line == "login alice password failed").count(), 5);
    assert_eq!(trail.iter().filter(|line| *line == "login alice password locked").count(), 1);
}

#[tokio::test]
async fn a_password_at_the_wrong_place_is_not_in_the_trail() {
    let mut site = Site::with(PEOPLE);
    site.refused(PASSWORD, "x", 0).await;
    site.refused("hunter2hunter2", "x", 0).await;
    assert_eq!(site.trail(), ["login - password failed", "login - password failed"]);
    assert!(site.trail.lines().iter().all(|line| !line.to_string().contains("hunter2")));
}

#[tokio::test]
async fn a_refresh_token_is_good_once() {
    let mut site = Site::with(PEOPLE);
    let first = site.login("alice").await;
    let second = site.refresh(&first.refresh_token, 800).await.unwrap();
    assert!(site.identify(&second.access_token, 1600).is_ok());
    let third = site.refresh(&second.refresh_token, 1600).await.unwrap();
    // Somebody else has the second one too.
    assert_eq!(site.refresh(&second.refresh_token, 1601).await.unwrap_err().status, 401);
    assert_eq!(site.identify(&third.access_token, 1601).unwrap_err().status, 401);
    assert_eq!(site.refresh(&third.refresh_token, 1602).await.unwrap_err().status, 401);
    assert_eq!(site.refresh(&secret("egr_AAAA"), 1602).await.unwrap_err().status, 401);
    let trail = site.trail();
    assert_eq!(trail.iter().filter(|line| line.starts_with("token-reuse alice")).count(), 1);
}

#[tokio::test]
async fn a_login_ends_when_it_is_idle_or_a_week_old() {
    let site = Site::with(PEOPLE);
    let idle = site.login("alice").await;
    assert_eq!(site.refresh(&idle.refresh_token, 43_200).await.unwrap_err().status, 401);
    let mut tokens = site.login_with("alice", PASSWORD, None, "10.0.0.1", 0).await.unwrap();
    let mut now = 0;
    let week = 7 * 24 * 3600;
    while now + 40_000 < week {
        now += 40_000;
        tokens = site.refresh(&tokens.refresh_token, now).await.unwrap();
        let left = u64::try_from(week - now).unwrap();
        assert_eq!(tokens.refresh_expires_in_s, left.min(43_200));
    }
    assert_eq!(site.refresh(&tokens.refresh_token, week).await.unwrap_err().status, 401);
}

#[tokio::test]
async fn logging_out_ends_this_login_alone() {
    let site = Site::with(PEOPLE);
    let (one, two) = (site.login("alice").await, site.login("alice").await);
    site.accounts.logout(&site.operator(&one), site.at(0)).await.unwrap();
    assert!(site.identify(&one.access_token, 0).is_err());
    assert!(site.refresh(&one.refresh_token, 0).await.is_err());
    assert!(site.identify(&two.access_token, 0).is_ok());
    let problem = site.accounts.logout(&local(), site.at(0)).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Conflict);
}

#[tokio::test]
async fn an_account_has_eight_logins() {
    let site = Site::with(PEOPLE);
    let mut all = Vec::new();
    for seconds in 0..9 {
        all.push(site.login_with("alice", PASSWORD, None, "10.0.0.1", seconds).await.unwrap());
    }
    let alive: Vec<bool> =
        all.iter().map(|tokens| site.identify(&tokens.access_token, 9).is_ok()).collect();
    assert_eq!(alive, [false, true, true, true, true, true, true, true, true]);
}

#[tokio::test]
async fn nobody_logs_in_at_the_socket_of_the_machine() {
    let site = Site::with(PEOPLE);
    let request = LoginRequest { user: "alice".to_owned(), password: secret(PASSWORD), totp: None };
    let problem = site.accounts.login(request, None, site.at(0)).await.unwrap_err();
    assert_eq!((problem.kind, site.hashes()), (ProblemKind::Conflict, 0));
}

#[tokio::test]
async fn logins_outlive_a_start_but_access_tokens_do_not() {
    let site = Site::with(PEOPLE);
    let tokens = site.login("alice").await;
    let site = site.again(10);
    assert!(site.identify(&tokens.access_token, 10).is_err());
    let tokens = site.refresh(&tokens.refresh_token, 10).await.unwrap();
    assert!(site.identify(&tokens.access_token, 10).is_ok());
}

/// Sets a second factor up, and gives its secret and the recovery codes.
async fn enrol(site: &Site, tokens: &Tokens, seconds: i64) -> (Vec<u8>, Vec<Secret>) {
    let identity = site.identify(&tokens.access_token, seconds).unwrap();
    let row = Row::of(Verb::RequestUserTotp).unwrap();
    let name = identity.name.clone();
    let target = eg_proto::control::verbs::Target { name: &name, level: Some(identity.level) };
    let operator = Operator::granted(identity, row, Some(target)).unwrap();
    let from = Some(address("10.0.0.1"));
    let ask = TotpRequest { code: None, password: Some(secret(PASSWORD)) };
    let at = site.at(seconds);
    let begun = site.accounts.enrol(&operator, &name, ask, from, at).await.unwrap();
    assert!(!begun.on && begun.recovery_codes.is_empty());
    let text = begun.secret.unwrap().expose().to_owned();
    assert!(begun.url.unwrap().expose().contains(&text));
    let plain = unbase32(&text);
    let wrong = TotpRequest { code: Some(secret("000000")), password: None };
    let refused = site.accounts.enrol(&operator, &name, wrong, from, at).await;
    // One time in some hundred thousand the wrong one is right.
    if refused.is_ok() {
        panic!("000000 was right: run it again");
    }
    let ask = TotpRequest { code: Some(secret(&code(&plain, seconds))), password: None };
    let on = site.accounts.enrol(&operator, &name, ask, from, at).await.unwrap();
    assert!(on.on && on.secret.is_none() && on.url.is_none());
    (plain, on.recovery_codes)
}

fn unbase32(text: &str) -> Vec<u8> {
    let mut bits = 0_u64;
    let mut count = 0;
    let mut bytes = Vec::new();
    for letter in text.bytes() {
        let value = if letter >= b'A' { letter - b'A' } else { letter - b'2' + 26 };
        bits = bits << 5 | u64::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    bytes
}

fn code(plain: &[u8], seconds: i64) -> String {
    use hmac::{KeyInit as _, Mac as _};
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(plain).unwrap();
    mac.update(&u64::try_from((NOON + seconds) / 30).unwrap().to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_taken_once() {
    let mut site = Site::with(PEOPLE);
    let (own, other) = (site.login("alice").await, site.login("alice").await);
    let (plain, recovery) = enrol(&site, &own, 0).await;
    assert_eq!(recovery.len(), 10);
    // Logins that were made without it have ended, but for the one that set it up.
    assert!(site.identify(&own.access_token, 0).is_ok());
    assert!(site.identify(&other.access_token, 0).is_err());
    assert_eq!(site.refused("alice", PASSWORD, 30).await, ProblemKind::SecondFactor);
    // Without the password nothing is said of it.
    assert_eq!(site.refused("alice", "wrong", 30).await, ProblemKind::Unauthorized);
    let login = |code: String, seconds: i64| {
        let site = &site;
        async move { site.login_with("alice", PASSWORD, Some(&code), "10.0.0.1", seconds).await }
    };
    // The step that switched it on is used.
    assert!(login(code(&plain, 0), 1).await.is_err());
    assert!(login(code(&plain, 60), 60).await.is_ok());
    assert!(login(code(&plain, 60), 61).await.is_err());
    assert!(login(code(&plain, 30), 61).await.is_err());
    assert!(login(code(&plain, 90), 61).await.is_ok());
    let first = recovery[0].expose().to_owned();
    assert!(login(first.clone(), 62).await.is_ok());
    assert!(login(first, 62).await.is_err());
    let state = fs::read_to_string(site.path("passwd.state")).unwrap();
    assert!(!state.contains(recovery[1].expose()));
    // Over a start, too.
    let mut again = {
        let last = code(&plain, 90);
        site = site.again(100);
        assert!(site.login_with("alice", PASSWORD, Some(&last), "10.0.0.1", 100).await.is_err());
        let next = code(&plain, 120);
        assert!(site.login_with("alice", PASSWORD, Some(&next), "10.0.0.1", 120).await.is_ok());
        site
    };
    let trail = again.trail();
    assert_eq!(trail, ["login alice totp failed", "login alice totp ok"]);
}

#[tokio::test]
async fn guesses_of_a_code_lock_like_those_of_a_password() {
    let site = Site::with(PEOPLE);
    let tokens = site.login("alice").await;
    enrol(&site, &tokens, 0).await;
    let guess = |code: &'static str| site.login_with("alice", PASSWORD, Some(code), "10.0.0.1", 30);
    for guessed in ["11", "22", "33", "44", "55"] {
        assert_eq!(guess(guessed).await.unwrap_err().kind, ProblemKind::Unauthorized);
    }
    assert_eq!(guess("66").await.unwrap_err().kind, ProblemKind::TooMany);
}

#[tokio::test]
async fn without_its_key_a_second_factor_keeps_everybody_out() {
    let site = Site::with(PEOPLE);
    let tokens = site.login("alice").await;
    let (plain, recovery) = enrol(&site, &tokens, 0).await;
    let state = fs::read_to_string(site.path("passwd.state")).unwrap();
    assert!(!state.contains(super::super::totp::base32(&plain).as_str()));
    fs::remove_file(site.path("master.key")).unwrap();
    let right = code(&plain, 60);
    let tried = site.login_with("alice", PASSWORD, Some(&right), "10.0.0.1", 60).await;
    assert_eq!(tried.unwrap_err().kind, ProblemKind::Failed);
    assert!(!site.path("master.key").exists());
    // Recovery codes need no key.
    let one = recovery[3].expose();
    site.login_with("alice", PASSWORD, Some(one), "10.0.0.1", 60).await.unwrap();
}

#[tokio::test]
async fn where_it_is_demanded_an_administrator_can_only_set_it_up() {
    let site = Site::with_settings(PEOPLE, |aaa| aaa.totp_required = Switch::On);
    assert_eq!(site.login("alice").await.who.must, None);
    let tokens = site.login("root").await;
    assert_eq!(tokens.who.must, Some(Duty::EnrolTotp));
    let identity = site.identify(&tokens.access_token, 0).unwrap();
    let users = Row::of(Verb::ShowUsers).unwrap();
    assert_eq!(Operator::granted(identity, users, None).unwrap_err().status, 403);
    enrol(&site, &tokens, 0).await;
    let identity = site.identify(&tokens.access_token, 1).unwrap();
    assert_eq!(identity.must, None);
    assert!(Operator::granted(identity, users, None).is_ok());
}

#[tokio::test]
async fn a_second_factor_is_set_up_by_oneself_with_the_password_and_in_time() {
    let site = Site::with(PEOPLE);
    let tokens = site.login("alice").await;
    let operator = site.operator(&tokens);
    let from = Some(address("10.0.0.1"));
    let ask = |code: Option<&str>, password: Option<&str>| TotpRequest {
        code: code.map(secret),
        password: password.map(secret),
    };
    let tried = |user: &'static str, request: TotpRequest, seconds: i64| {
        let (site, operator) = (&site, &operator);
        async move { site.accounts.enrol(operator, user, request, from, site.at(seconds)).await }
    };
    let kind = |tried: Result<_, Problem>| tried.map(drop).unwrap_err().kind;
    assert_eq!(kind(tried("root", ask(None, Some(PASSWORD)), 0).await), ProblemKind::Forbidden);
    assert_eq!(kind(tried("alice", ask(None, None), 0).await), ProblemKind::BadRequest);
    assert_eq!(kind(tried("alice", ask(None, Some("wrong")), 0).await), ProblemKind::Unauthorized);
    assert_eq!(kind(tried("alice", ask(Some("123456"), None), 0).await), ProblemKind::Conflict);
    let begun = tried("alice", ask(None, Some(PASSWORD)), 0).await.unwrap();
    let plain = unbase32(begun.secret.unwrap().expose());
    let late = code(&plain, 600);
    assert_eq!(kind(tried("alice", ask(Some(&late), None), 600).await), ProblemKind::Conflict);
    tried("alice", ask(None, Some(PASSWORD)), 0).await.unwrap();
    for _ in 0..5 {
        assert_eq!(kind(tried("alice", ask(Some("x"), None), 0).await), ProblemKind::Unauthorized);
    }
    assert_eq!(kind(tried("alice", ask(Some("x"), None), 0).await), ProblemKind::Conflict);
    enrol(&site, &tokens, 0).await;
    assert_eq!(kind(tried("alice", ask(None, Some(PASSWORD)), 0).await), ProblemKind::Conflict);
    // Taken away by somebody above, it is gone, with the logins.
    let root = site.login("root").await;
    site.accounts.disenrol(&site.operator(&root), "alice", site.at(0)).await.unwrap();
    assert!(site.identify(&tokens.access_token, 0).is_err());
    site.login("alice").await;
    let again = site.accounts.disenrol(&site.operator(&root), "alice", site.at(0)).await;
    assert_eq!(again.unwrap_err().kind, ProblemKind::Conflict);
}
