//! The whole of it by its routes, with everything that is logged and written: no secret is in any of it.

use std::fmt::{self, Write as _};
use std::sync::Mutex;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::{Extension, Router};
use tokio::sync::watch;
use tower::ServiceExt as _;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

use super::*;
use crate::asks::door;
use crate::control::System;
use crate::control::editors::Editors;
use crate::control::explain::Explaining;
use crate::control::operator::Source;
use crate::control::policy::Desk;
use crate::control::routes::routes;
use crate::policy_thread::LiveFacts;

/// All that is logged in this process, at every level.
static LOG: Mutex<String> = Mutex::new(String::new());

struct Everything;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl tracing::Subscriber for Everything {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LOG.lock().unwrap().push_str(&(line.0 + "\n"));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The routes behind a door that does what one for other machines does.
struct Front {
    site: Site,
    routes: Router,
    said: Mutex<String>,
    _stop: watch::Sender<bool>,
}

impl Front {
    fn new(site: Site) -> Self {
        let (stop, stopping) = watch::channel(false);
        let routes = routes(Arc::new(desk(&site, stopping)));
        Self { site, routes, said: Mutex::default(), _stop: stop }
    }

    async fn ask(
        &self,
        token: Option<&str>,
        (method, path): (&str, &str),
        body: serde_json::Value,
    ) -> (u16, serde_json::Value) {
        let from = address("10.0.0.1");
        let identity = token
            .map(|token| self.site.accounts.identify(&format!("Bearer {token}"), from, At::now()));
        let mut routes = self.routes.clone().layer(Extension(Source(Some(from))));
        match identity {
            Some(Ok(identity)) => routes = routes.layer(Extension(identity)),
            Some(Err(problem)) => return (problem.status, serde_json::to_value(problem).unwrap()),
            None => {}
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let uri = format!("/api/v1/{path}");
        let request = Request::builder().method(method).uri(uri).body(body).unwrap();
        let answer = routes.oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        if !text.contains("_token") && !text.contains("\"row\":") && !text.contains("recovery") {
            self.said.lock().unwrap().push_str(&text);
        }
        (status, serde_json::from_str(&text).unwrap_or_default())
    }
}

fn desk(site: &Site, stopping: watch::Receiver<bool>) -> Desk {
    let text = "[connectors.squid]\nkey = \"0123456789abcdef\"\n[captive_portal]\n\
                secret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n";
    let path = "/srv/eg/engine.conf".into();
    let read = crate::config::load_text(path, text, &eg_settings::Overrides::default());
    Desk {
        door: door(&crate::reload::Ending::default()).0,
        live: crate::control::policy::tests::nothing_live(),
        facts: LiveFacts::default(),
        audit: site.accounts.audit.clone(),
        config: Arc::new(read.unwrap().config.policy),
        accounts: Arc::clone(&site.accounts),
        editors: Editors::default(),
        explaining: Explaining::default(),
        stopping,
        system: System::for_a_test(),
    }
}

fn text(value: &serde_json::Value, at: &str) -> String {
    value.pointer(at).unwrap_or_else(|| panic!("{at} in {value}")).as_str().unwrap().to_owned()
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one walk through all of it, of which each step needs the last"
)]
async fn no_secret_is_logged_written_or_answered_twice() {
    tracing::subscriber::set_global_default(Everything).unwrap();
    let site = Site::with(&[
        ("root", Level::SuperAdministrator),
        ("boss", Level::Administrator),
        ("alice", Level::Standard),
    ]);
    let mut front = Front::new(site);
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let nothing = || serde_json::Value::Null;
    let mut secrets = vec![PASSWORD.to_owned()];
    let login =
        |user: &str, password: &str| serde_json::json!({ "user": user, "password": password });
    let (status, tokens) = front.ask(None, ("POST", "login"), login("root", PASSWORD)).await;
    assert_eq!(status, 200, "{tokens}");
    let root = text(&tokens, "/access_token");
    let refresh = text(&tokens, "/refresh_token");
    secrets.extend([root.clone(), refresh.clone()]);
    let root = Some(root.as_str());
    let (_, tokens) = front.ask(None, ("POST", "login"), login("alice", PASSWORD)).await;
    let alice = text(&tokens, "/access_token");
    let old = text(&tokens, "/refresh_token");
    secrets.extend([alice.clone(), old.clone()]);
    let alice = Some(alice.as_str());
    // Wrong ones, and ones at the wrong place.
    for (user, password) in [
        ("root", "wrong-but-secret"),
        ("name-is-secret-1", "x"),
        ("Secret name 2", "secret pass 3"),
    ] {
        secrets.push(password.to_owned());
        let (status, _) = front.ask(None, ("POST", "login"), login(user, password)).await;
        assert_eq!(status, 401);
    }
    secrets.retain(|secret| secret != "x");
    secrets.extend(["name-is-secret-1".to_owned(), "Secret name 2".to_owned()]);
    for body in ["{\"user\":\"a\",\"password\":\"hidden-in-fault\",\"extra\":1}", "{\"user\":1}"] {
        assert_eq!(front.ask(None, ("POST", "login"), json(body)).await.0, 400);
    }
    secrets.push("hidden-in-fault".to_owned());
    // What somebody may and what not.
    let (status, who) = front.ask(alice, ("GET", "session"), nothing()).await;
    assert_eq!((status, text(&who, "/user")), (200, "alice".to_owned()));
    for (token, method, path, expected) in [
        (alice, "GET", "users", 200),
        (alice, "DELETE", "users/root", 403),
        (alice, "GET", "users/alice/keys", 403),
        (None, "GET", "users", 401),
        (None, "GET", "session", 401),
        (Some("eg_abcdefgh_secretsecret"), "GET", "session", 401),
        (Some("not-a-token"), "GET", "session", 401),
        (root, "DELETE", "users/root", 403),
        (root, "DELETE", "users/nobody", 404),
    ] {
        let (status, answer) = front.ask(token, (method, path), nothing()).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
    }
    secrets.extend(["secretsecret".to_owned(), "not-a-token".to_owned()]);
    // Changes.
    let new = "{\"name\":\"new\",\"level\":\"standard\",\"password\":\"new-and-secret-1\"}";
    assert_eq!(front.ask(root, ("POST", "users"), json(new)).await.0, 200);
    let short = "{\"name\":\"new2\",\"level\":\"standard\",\"password\":\"tiny-secr\"}";
    assert_eq!(front.ask(root, ("POST", "users"), json(short)).await.0, 400);
    let passwd = "{\"password\":\"new-and-secret-2\"}";
    assert_eq!(front.ask(root, ("PUT", "users/new/password"), json(passwd)).await.0, 200);
    secrets.extend(["new-and-secret-1", "tiny-secr", "new-and-secret-2"].map(str::to_owned));
    let level = "{\"level\":\"monitoring\"}";
    assert_eq!(front.ask(root, ("PUT", "users/new/level"), json(level)).await.0, 200);
    assert_eq!(front.ask(root, ("POST", "users/new/disable"), nothing()).await.0, 200);
    assert_eq!(front.ask(root, ("POST", "users/new/enable"), nothing()).await.0, 200);
    assert_eq!(front.ask(root, ("DELETE", "users/new"), nothing()).await.0, 200);
    // Keys.
    let service = "{\"name\":\"ci\",\"level\":\"service-account\"}";
    let (_, made) = front.ask(root, ("POST", "users"), json(service)).await;
    let key = text(&made, "/key/key");
    let (_, made) = front.ask(root, ("POST", "users/ci/keys"), json("{\"days\":3}")).await;
    secrets.extend([key.clone(), text(&made, "/key")]);
    let (status, who) = front.ask(Some(&key), ("GET", "session"), nothing()).await;
    assert_eq!((status, text(&who, "/by")), (200, "api-key".to_owned()));
    assert_eq!(front.ask(Some(&key), ("GET", "users"), nothing()).await.0, 403);
    assert_eq!(front.ask(root, ("GET", "users/ci/keys"), nothing()).await.0, 200);
    let prefix = text(&made, "/row/prefix");
    let path = format!("users/ci/keys/{prefix}");
    assert_eq!(front.ask(root, ("DELETE", &path), nothing()).await.0, 200);
    // A second factor.
    let begin = serde_json::json!({ "password": PASSWORD });
    let (_, begun) = front.ask(alice, ("POST", "users/alice/totp"), begin).await;
    let secret = text(&begun, "/secret");
    secrets.extend([secret.clone(), text(&begun, "/url")]);
    let guess = json("{\"code\":\"999 999 secret\"}");
    assert_eq!(front.ask(alice, ("POST", "users/alice/totp"), guess).await.0, 401);
    secrets.push("999 999".to_owned());
    assert_eq!(front.ask(root, ("POST", "users/alice/totp"), nothing()).await.0, 403);
    // Refreshing, twice with the same.
    let body = serde_json::json!({ "refresh_token": old });
    let (status, next) = front.ask(None, ("POST", "refresh"), body.clone()).await;
    assert_eq!(status, 200);
    secrets.extend([text(&next, "/access_token"), text(&next, "/refresh_token")]);
    assert_eq!(front.ask(None, ("POST", "refresh"), body).await.0, 401);
    assert_eq!(front.ask(alice, ("GET", "session"), nothing()).await.0, 401);
    assert_eq!(front.ask(root, ("POST", "logout"), nothing()).await.0, 200);
    assert_eq!(front.ask(root, ("GET", "session"), nothing()).await.0, 401);

    let trail = front.site.trail();
    for expected in [
        "login root password ok",
        "login root password failed",
        "login - password failed",
        "login - api-key unknown-key",
        "login - token bad-token",
        "account new request-user-add done",
        "account new2 request-user-add refused",
        "account new request-user-passwd done",
        "account new request-user-level done",
        "account new request-user-remove done",
        "account ci request-user-key-add done",
        "account alice request-user-totp refused",
        "token-reuse alice - login-ended",
        "barred - request-user-remove refused",
        "barred - show-users refused",
    ] {
        assert!(trail.iter().any(|line| line == expected), "{expected} in {trail:#?}");
    }
    let written: String =
        front.site.trail.lines().iter().map(|line| line.to_string() + "\n").collect();
    let log = LOG.lock().unwrap().clone();
    assert!(log.contains("a login"), "{log}");
    let state = fs::read_to_string(front.site.path("passwd.state")).unwrap();
    let said = front.said.lock().unwrap().clone();
    let places = [
        ("log", log),
        ("trail", written),
        ("state", state),
        ("passwd", front.site.text()),
        ("answers", said),
    ];
    for (place, text) in &places {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "`{secret}` is in the {place}:\n{text}");
        }
    }
}

#[tokio::test]
async fn at_the_socket_of_the_machine_everything_but_a_login() {
    let site = Site::with(&[("root", Level::SuperAdministrator)]);
    let (_stop, stopping) = watch::channel(false);
    let identity = Identity::local(0).unwrap();
    let routes = routes(Arc::new(desk(&site, stopping))).layer(Extension(identity));
    let ask = |method: &str, path: &str, body: &str| {
        let uri = format!("/api/v1/{path}");
        let body = Body::from(body.to_owned());
        let request = Request::builder().method(method).uri(uri).body(body).unwrap();
        let routes = routes.clone();
        async move { routes.oneshot(request).await.unwrap().status().as_u16() }
    };
    let login = serde_json::json!({ "user": "root", "password": PASSWORD }).to_string();
    assert_eq!(ask("POST", "login", &login).await, 409);
    assert_eq!(ask("POST", "logout", "").await, 409);
    assert_eq!(ask("GET", "session", "").await, 200);
    assert_eq!(ask("GET", "users", "").await, 200);
    let new =
        format!("{{\"name\":\"x\",\"level\":\"super-administrator\",\"password\":\"{PASSWORD}\"}}");
    assert_eq!(ask("POST", "users", &new).await, 200);
    assert_eq!(ask("POST", "users/x/totp", "").await, 403);
    assert_eq!(ask("DELETE", "users/root", "").await, 200);
    assert_eq!(ask("DELETE", "users/x", "").await, 409);
}
