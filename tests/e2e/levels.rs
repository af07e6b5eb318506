//! Every verb of the Control API as every level, as nobody and with tokens that are good no more: what the
//! specification allows is let through, and what is refused changes nothing.
//!
//! The table here is written from SPEC 9 by hand, apart from the one that the engine decides by.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use eg_proto::control::TABLE;
use eg_tests::api::Api;
use eg_tests::installation::{FirstAccount, Installation, Plan};
use serde_json::{Value, json};

use crate::stage;

/// With an account to begin with.
fn plan() -> Plan {
    Plan { first_account: FirstAccount::Made, ..Plan::demo() }
}

/// Who may, of: nobody, 0, 1, 2, 3, 10, 11.
type Letting = [bool; 7];

const EVERYBODY: Letting = [true; 7];
const NOBODY: Letting = [false; 7];
const LOGGED_IN: Letting = [false, false, true, true, true, true, true];
const READ: Letting = [false, false, true, true, false, true, true];
const STATE: Letting = LOGGED_IN;
const TEARDOWN: Letting = [false, false, false, true, false, true, true];
const RELOAD: Letting = [false, false, false, false, true, true, true];
const ADMIN: Letting = [false, false, false, false, false, true, true];

/// One verb: what would do harm, asked by whoever may not, and what does none, asked by whoever may.
struct Case {
    verb: &'static str,
    who: Letting,
    harm: Ask,
    tame: Ask,
}

#[derive(Clone)]
struct Ask {
    method: &'static str,
    path: &'static str,
    body: Option<Value>,
}

fn ask(method: &'static str, path: &'static str, body: Value) -> Ask {
    Ask { method, path, body: (!body.is_null()).then_some(body) }
}

fn same(verb: &'static str, who: Letting, both: Ask) -> Case {
    Case { verb, who, harm: both.clone(), tame: both }
}

const PASSWORD: &str = "a long enough password";

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let get = |verb, who, path| same(verb, who, ask("GET", path, Value::Null));
    let post = |path, body| ask("POST", path, body);
    let put = |path, body| ask("PUT", path, body);
    let delete = |path| ask("DELETE", path, Value::Null);
    let new = |name: &str| json!({"name": name, "level": "monitoring", "password": PASSWORD});
    vec![
        same(
            "login",
            EVERYBODY,
            post("login", json!({"user": "none", "password": "wrong password"})),
        ),
        same("refresh", EVERYBODY, post("refresh", json!({"refresh_token": "none"}))),
        get("session", LOGGED_IN, "session"),
        get("show-status", STATE, "status"),
        get("show-version", STATE, "version"),
        get("show-clock", STATE, "clock"),
        get("show-database-status", STATE, "database"),
        get("show-log", ADMIN, "log"),
        get("show-users", READ, "users"),
        get("show-system-threads", READ, "system/threads"),
        get("show-system-uri-engine", READ, "system/uri-engine"),
        get("show-neighbor-summary", READ, "neighbors"),
        get("show-neighbor-detail", READ, "neighbors/squid"),
        get("show-policy-summary", READ, "policy"),
        get("show-policy-list", READ, "policy/rules"),
        get("show-policy-rule", READ, "policy/rules/demo-list"),
        get("show-policy-backups", READ, "policy/backups"),
        get("show-policy-log", ADMIN, "policy/log"),
        get("show-policy-blame", ADMIN, "policy/blame/demo-list"),
        get("show-policy-diff", ADMIN, "policy/diff/1"),
        get("policy-files", ADMIN, "policy/files"),
        get("policy-file", ADMIN, "policy/file?name=10-demo.policy"),
        get("policy-receipt", RELOAD, "policy/reload/1"),
        get("show-user-keys", ADMIN, "users/robot/keys"),
        same("show-policy-match", READ, post("policy/match", json!({"url": "http://a.example/"}))),
        Case {
            verb: "request-policy-reload",
            who: RELOAD,
            harm: post("policy/reload", json!({})),
            tame: post("policy/reload", json!({"dry_run": true})),
        },
        Case {
            verb: "request-policy-rollback",
            who: ADMIN,
            harm: post("policy/rollback", json!({"generation": 1})),
            tame: post("policy/rollback", json!({"generation": 1, "dry_run": true})),
        },
        Case {
            verb: "policy-commit",
            who: ADMIN,
            harm: post(
                "policy/commit",
                json!({"base": "none", "edits": [{"name": "99-open.policy", "text": "open: {\n action: permit\n match-uri: *\n}\n"}]}),
            ),
            tame: post("policy/commit", json!({"base": "none", "edits": [], "check": true})),
        },
        same("request-policy-confirm", ADMIN, post("policy/confirm", Value::Null)),
        same("request-policy-git-init", ADMIN, post("policy/git-init", Value::Null)),
        same("request-policy-tag", ADMIN, post("policy/tag", json!({"name": "week-1"}))),
        Case {
            verb: "request-neighbor-teardown",
            who: TEARDOWN,
            harm: post("neighbors/squid/teardown", json!({})),
            tame: post("neighbors/nobody/teardown", json!({})),
        },
        Case {
            verb: "request-user-add",
            who: ADMIN,
            harm: post("users", new("added")),
            tame: post(
                "users",
                json!({"name": "a bad name", "level": "monitoring", "password": PASSWORD}),
            ),
        },
        Case {
            verb: "request-user-passwd",
            who: ADMIN,
            harm: put("users/victim/password", json!({"password": PASSWORD})),
            tame: put("users/nobody/password", json!({"password": PASSWORD})),
        },
        Case {
            verb: "request-user-level",
            who: ADMIN,
            harm: put("users/victim/level", json!({"level": "standard"})),
            tame: put("users/nobody/level", json!({"level": "standard"})),
        },
        Case {
            verb: "request-user-disable",
            who: ADMIN,
            harm: post("users/victim/disable", Value::Null),
            tame: post("users/nobody/disable", Value::Null),
        },
        Case {
            verb: "request-user-enable",
            who: ADMIN,
            harm: post("users/gone/enable", Value::Null),
            tame: post("users/nobody/enable", Value::Null),
        },
        Case {
            verb: "request-user-remove",
            who: ADMIN,
            harm: delete("users/victim"),
            tame: delete("users/nobody"),
        },
        // Of others nobody sets up a second factor.
        same("request-user-totp", NOBODY, post("users/victim/totp", json!({"password": PASSWORD}))),
        Case {
            verb: "request-user-totp-remove",
            who: ADMIN,
            harm: delete("users/victim/totp"),
            tame: delete("users/nobody/totp"),
        },
        Case {
            verb: "request-user-key-add",
            who: ADMIN,
            harm: post("users/robot/keys", json!({})),
            tame: post("users/nobody/keys", json!({})),
        },
        Case {
            verb: "request-user-key-remove",
            who: ADMIN,
            harm: delete("users/robot/keys/eg_none"),
            tame: delete("users/nobody/keys/eg_none"),
        },
    ]
}

/// What must not change: accounts, policy files and what is live.
fn state(installation: &Installation, root: &Api) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    found.insert("passwd".to_owned(), fs::read_to_string(installation.path("engine/passwd"))?);
    for entry in fs::read_dir(installation.path("rules.d"))? {
        let path = entry?.path();
        if path.is_file() {
            found.insert(path.display().to_string(), fs::read_to_string(&path)?);
        }
    }
    let policy = root.get("policy")?;
    ensure!(policy.status == 200, "{}", policy.text);
    found.insert("policy".to_owned(), policy.body.to_string());
    let users = root.get("users")?;
    let keys = users.body.get("users").and_then(Value::as_array).context("no users")?;
    let keys: Vec<String> =
        keys.iter().map(|user| format!("{} {}", user["name"], user["keys"])).collect();
    found.insert("keys".to_owned(), keys.join("\n"));
    Ok(found)
}

/// Somebody of every kind, by its place in [`Letting`].
struct Cast {
    root: Api,
    people: Vec<(&'static str, Api)>,
    revoked: Api,
}

fn cast(installation: &Installation) -> Result<Cast> {
    let nobody = Api::at(installation.control())?;
    let (user, password) = installation.bootstrap_credential()?;
    let root = nobody.log_in(&user, &password)?;
    let add = |name: &str, level: &str| -> Result<Value> {
        let password = (level != "service-account").then_some(PASSWORD);
        let said =
            root.post("users", &json!({"name": name, "level": level, "password": password}))?;
        ensure!(said.status == 200 || said.status == 201, "{name}: {}", said.text);
        Ok(said.body)
    };
    for (name, level) in [
        ("monitor", "monitoring"),
        ("standard", "standard"),
        ("admin10", "administrator"),
        ("admin11", "super-administrator"),
        ("victim", "monitoring"),
        ("gone", "standard"),
    ] {
        add(name, level)?;
    }
    let robot = add("robot", "service-account")?;
    let key = robot["key"]["key"].as_str().context("no key")?.to_owned();
    let gone = nobody.log_in("gone", PASSWORD)?;
    ensure!(gone.get("status")?.status == 200, "the token is good before");
    let said = root.ask("POST", "/api/v1/users/gone/disable", None)?;
    ensure!(said.status == 200, "{}", said.text);
    let people = vec![
        ("nobody", nobody.clone()),
        ("level 0", gone),
        ("level 1", nobody.log_in("monitor", PASSWORD)?),
        ("level 2", nobody.log_in("standard", PASSWORD)?),
        ("level 3", nobody.with(Some(&key))),
        ("level 10", nobody.log_in("admin10", PASSWORD)?),
        ("level 11", nobody.log_in("admin11", PASSWORD)?),
    ];
    let revoked = nobody.log_in("victim", PASSWORD)?;
    ensure!(revoked.ask("POST", "/api/v1/logout", None)?.status < 300, "it logs out");
    Ok(Cast { root, people, revoked })
}

fn by(api: &Api, ask: &Ask) -> Result<u16> {
    let said = api.ask(ask.method, &format!("/api/v1/{}", ask.path), ask.body.as_ref())?;
    ensure!(said.status < 500, "{} {}: {}", ask.method, ask.path, said.text);
    if said.status >= 400 {
        ensure!(said.text.contains("application/problem+json"), "no problem: {}", said.text);
    }
    Ok(said.status)
}

#[test]
fn each_level_does_what_the_specification_allows_and_nothing_else() -> Result<()> {
    let mut installation = stage::installation(&plan())?;
    installation.start_engine()?;
    let Cast { root, people, revoked } = cast(&installation)?;
    let cases = cases();
    let tested: Vec<&str> = cases.iter().map(|case| case.verb).collect();
    let left: Vec<String> = TABLE
        .iter()
        .map(eg_proto::control::Row::name)
        .filter(|name| !tested.contains(&name.as_str()))
        .collect();
    // Both end what the test needs, and are tried behind it.
    ensure!(left == ["logout", "request-engine-restart"], "not tried: {left:?}");
    let before = state(&installation, &root)?;
    let mut faults = Vec::new();
    for case in &cases {
        for ((name, api), may) in people.iter().zip(case.who) {
            let status = by(api, if may { &case.tame } else { &case.harm })?;
            let refused = matches!(status, 401 | 403);
            // A login that fails is a 401 of its own.
            let right = match may {
                true => !refused || case.verb == "login" || case.verb == "refresh",
                false => refused,
            };
            if !right {
                faults.push(format!("{} as {name}: {status}", case.verb));
            }
        }
        if case.who != EVERYBODY {
            let half: String = root.token().unwrap_or_default().chars().take(40).collect();
            for (what, token) in [
                ("a revoked token", revoked.clone()),
                ("no token of ours", root.with(Some("eyJhbGciOiJub25lIn0.e30."))),
                ("half a token", root.with(Some(&half))),
                ("an empty token", root.with(Some(""))),
            ] {
                let status = by(&token, &case.harm)?;
                if status != 401 {
                    faults.push(format!("{} with {what}: {status}", case.verb));
                }
            }
        }
        let after = state(&installation, &root)?;
        for (what, was) in &before {
            if after.get(what) != Some(was) {
                faults.push(format!("{} has changed {what}", case.verb));
            }
        }
    }
    ensure!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    for ((name, api), may) in people.iter().zip(ADMIN) {
        if !may {
            let status = by(api, &ask("POST", "engine/restart", Value::Null))?;
            ensure!(matches!(status, 401 | 403), "restart as {name}: {status}");
        }
    }
    installation.stop()
}

#[test]
fn accounts_are_acted_on_from_above_only() -> Result<()> {
    let mut installation = stage::installation(&plan())?;
    installation.start_engine()?;
    let Cast { root, people, .. } = cast(&installation)?;
    let [.., (_, ten), (_, eleven)] = people.as_slice() else { anyhow::bail!("the cast") };
    let before = state(&installation, &root)?;
    let password = json!({"password": PASSWORD});
    for (who, what) in [
        // Level 10 on its equals, its betters and itself.
        (ten, ask("DELETE", "users/admin11", Value::Null)),
        (ten, ask("DELETE", "users/admin10", Value::Null)),
        (ten, ask("POST", "users/admin10/disable", Value::Null)),
        (ten, ask("PUT", "users/admin11/password", password.clone())),
        (ten, ask("PUT", "users/admin10/level", json!({"level": "super-administrator"}))),
        (ten, ask("PUT", "users/victim/level", json!({"level": "administrator"}))),
        (
            ten,
            ask(
                "POST",
                "users",
                json!({"name": "eq", "level": "administrator", "password": PASSWORD}),
            ),
        ),
        (eleven, ask("DELETE", "users/admin11", Value::Null)),
        (eleven, ask("POST", "users/admin11/disable", Value::Null)),
    ] {
        let status = by(who, &what)?;
        ensure!(status == 403, "{} {}: {status}", what.method, what.path);
        ensure!(state(&installation, &root)? == before, "{} {} did it", what.method, what.path);
    }
    // Level 11 may also act on another 11.
    ensure!(by(eleven, &ask("DELETE", "users/admin", Value::Null))? < 300, "11 removes another");
    // The last one stays.
    let left = eleven.get("users")?;
    ensure!(!left.text.contains("\"admin\""), "{}", left.text);
    // A service account neither forces nor sets a password.
    let (_, robot) = people.get(4).context("the cast")?;
    let forced = by(robot, &ask("POST", "policy/reload", json!({"force": true})))?;
    ensure!(forced == 403, "forced: {forced}");
    let reload = robot.post("policy/reload", &json!({}))?;
    let list = reload.text.contains("lists/") || reload.text.contains("listed.demo");
    ensure!(reload.status == 200 && !list, "a receipt shows lists to it: {}", reload.text);
    let own = by(robot, &ask("PUT", "users/robot/password", password))?;
    ensure!(own == 403, "own password: {own}");
    installation.stop()
}

#[test]
fn patterns_and_lists_are_hidden_below_level_10() -> Result<()> {
    let mut installation = stage::installation(&plan())?;
    installation.start_engine()?;
    let Cast { people, .. } = cast(&installation)?;
    let asked = json!({"url": "http://listed.demo.example/"});
    for (number, sees) in [(2, false), (3, false), (5, true), (6, true)] {
        let (name, api) = people.get(number).context("the cast")?;
        let said = api.post("policy/match", &asked)?;
        ensure!(said.status == 200, "{name}: {}", said.text);
        ensure!(said.body["rule_name"] == "demo-list" && said.body["code"] == 300, "{}", said.text);
        let shown = !said.body["pattern"].is_null() || !said.body["explained"].is_null();
        ensure!(shown == sees, "{name}: {}", said.text);
        for path in ["policy/rules/demo-list", "policy", "policy/rules"] {
            let said = api.get(path)?;
            let list = said.text.contains("lists/") || said.text.contains("listed.demo");
            ensure!(sees || !list, "{name} sees a list in {path}: {}", said.text);
        }
    }
    installation.stop()
}
