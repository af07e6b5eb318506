//! What the engine knows and a line can name: rules, accounts, connectors, sessions, generations. Asked
//! for in the middle of typing, so that it is quick, kept for some seconds, and silent when it fails.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use eg_policy::check::keys;
use eg_proto::control::Level;
use eg_proto::control::verbs::{Arg, ArgKind};
use serde_json::Value;

use crate::client::{Client, encoded};
use crate::forms::words::tame;

/// How long values are good: a person goes on typing for about as long.
const KEPT: Duration = Duration::from_secs(5);

/// How long the engine may take: longer, and the terminal seems to hang.
const PATIENCE: Duration = Duration::from_secs(1);

/// Values that are offered: more fit on no screen.
const VALUES_MAX: usize = 2000;

/// The values of one path, and since when.
type Kept = (Instant, Vec<String>);

/// The values, and where they come from.
#[derive(Debug, Default)]
pub(super) struct Live {
    client: Option<Client>,
    kept: HashMap<String, Kept>,
}

/// Where the values of a kind are in an answer: the path, the list, the field.
struct Source {
    path: String,
    list: &'static str,
    field: &'static str,
}

impl Live {
    /// Asks this engine from now on; what was kept may be old after a command.
    pub(super) fn ask(&mut self, client: Option<Client>) {
        self.client = client.map(|client| client.patient(PATIENCE));
        self.kept.clear();
    }

    /// The values of an argument.
    pub(super) fn values(&mut self, arg: &Arg, of: Option<&str>) -> Vec<String> {
        let source = |path: &str, list, field| vec![Source { path: path.to_owned(), list, field }];
        let below = |front: &str, end: &str, list, field| match of {
            Some(of) => source(&format!("{front}/{}{end}", encoded(of)), list, field),
            None => Vec::new(),
        };
        let sources = match arg.kind {
            ArgKind::Rule => source("policy/rules", "rules", "name"),
            ArgKind::User => source("users", "users", "name"),
            ArgKind::Neighbor => source("neighbors", "neighbors", "name"),
            ArgKind::Session => below("neighbors", "", "sessions", "session"),
            ArgKind::Generation => source("policy/backups", "backups", "generation"),
            ArgKind::Revision => {
                let mut both = source("policy/backups", "backups", "generation");
                both.extend(source("policy/log", "commits", "tags"));
                both
            }
            ArgKind::File => source("policy/files", "files", "name"),
            ArgKind::KeyPrefix => below("users", "/keys", "keys", "prefix"),
            ArgKind::Level => {
                return Level::ALL.iter().map(|level| level.word().to_owned()).collect();
            }
            ArgKind::Switch => return vec!["true".to_owned(), "false".to_owned()],
            ArgKind::Text if arg.name == "attribute" => return keys().collect(),
            ArgKind::Text
            | ArgKind::Number
            | ArgKind::Url
            | ArgKind::Address
            | ArgKind::Network
            | ArgKind::Moment
            | ArgKind::Secret => Vec::new(),
        };
        sources.iter().flat_map(|source| self.of(source)).take(VALUES_MAX).collect()
    }

    fn of(&mut self, source: &Source) -> Vec<String> {
        if let Some((since, values)) = self.kept.get(&source.path)
            && since.elapsed() < KEPT
        {
            return values.clone();
        }
        let asked = self.client.as_ref().map(|client| client.get(&source.path));
        let found = match asked {
            Some(Ok(answer)) => serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
            Some(Err(_)) | None => Value::Null,
        };
        let rows = found.get(source.list).and_then(Value::as_array);
        let fields = rows.into_iter().flatten().filter_map(|row| row.get(source.field));
        let values: Vec<String> = fields.flat_map(texts).collect();
        // A failure is kept too: an engine that does not answer is not asked at every key.
        self.kept.insert(source.path.clone(), (Instant::now(), values.clone()));
        values
    }
}

/// The texts of a field that can be typed.
fn texts(field: &Value) -> Vec<String> {
    let found = match field {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Null | Value::Bool(_) | Value::Object(_) => Vec::new(),
    };
    found.into_iter().filter(|text| tame(text) == *text).collect()
}

#[cfg(test)]
mod tests {
    use eg_proto::control::{ProblemKind, TABLE};

    use super::*;
    use crate::client::fake::{Fake, refusal};

    fn arg(verb: &str, name: &str) -> Arg {
        let row = TABLE.iter().find(|row| row.name() == verb).unwrap();
        *row.args.iter().find(|arg| arg.name == name).unwrap()
    }

    #[test]
    fn values_are_the_engines_and_kept_for_a_while() {
        let fake = Fake::socket(|asked| match asked.path.as_str() {
            "policy/rules" => {
                (200, "{\"rules\":[{\"name\":\"a\"},{\"name\":\"b\\u001b[2J\"}]}".to_owned())
            }
            "neighbors/squid%201" => (200, "{\"sessions\":[{\"session\":7}]}".to_owned()),
            "policy/backups" => (200, "{\"backups\":[{\"generation\":1}]}".to_owned()),
            "policy/log" => (200, "{\"commits\":[{\"tags\":[\"v1\",\"v2\"]}]}".to_owned()),
            _ => refusal(ProblemKind::Forbidden, "no"),
        });
        let mut live = Live::default();
        let rule = arg("show-policy-rule", "rule");
        assert!(live.values(&rule, None).is_empty());
        live.ask(Some(Client::at(fake.door.clone())));
        assert_eq!(live.values(&rule, None), ["a"]);
        assert_eq!(live.values(&rule, None), ["a"]);
        let session = arg("request-neighbor-teardown", "session");
        assert_eq!(live.values(&session, Some("squid 1")), ["7"]);
        assert!(live.values(&session, None).is_empty());
        assert_eq!(live.values(&arg("show-policy-diff", "from"), None), ["1", "v1", "v2"]);
        assert!(live.values(&arg("request-user-level", "user"), None).is_empty());
        assert_eq!(live.values(&arg("request-user-level", "level"), None).len(), 6);
        assert_eq!(fake.asked().iter().filter(|asked| asked.path == "policy/rules").count(), 1);
    }

    #[test]
    fn an_engine_that_is_gone_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let mut live = Live::default();
        live.ask(Some(Client::new(&folder.path().join("none"))));
        assert!(live.values(&arg("show-policy-rule", "rule"), None).is_empty());
    }
}
