//! A call as a request of the Control API: what goes into the path, behind it, and into the body.

use eg_proto::control::Secret;
use eg_proto::control::verbs::{HttpMethod, Place, Row};
use serde_json::{Map, Value};

use super::entries::stays_here;
use super::grammar::{Call, Given};
use crate::client::encoded;

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// Its method.
    pub method: HttpMethod,
    /// Below [`eg_proto::control::BASE`].
    pub path: String,
    /// JSON; `None` where the verb has no body.
    pub body: Option<Value>,
}

/// The request of a call of a verb, with the secrets that were asked for.
#[must_use]
pub(crate) fn request(row: &Row, call: &Call<'_>, secrets: &[(&'static str, Secret)]) -> Request {
    let mut path = row.path.to_owned();
    let mut query = Vec::new();
    let mut body = Map::new();
    for (arg, given) in call.given.iter().filter(|(arg, _)| !stays_here(arg)) {
        match arg.place {
            Place::Path => {
                path = path.replace(&format!("{{{}}}", arg.name), &encoded(&text(given)));
            }
            Place::Query => query.push(format!("{}={}", arg.name, encoded(&text(given)))),
            Place::Body => {
                body.insert(arg.name.replace('-', "_"), json(given));
            }
        }
    }
    for (name, secret) in secrets {
        body.insert(name.replace('-', "_"), Value::String(secret.expose().to_owned()));
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let body = match row.method {
        HttpMethod::Get | HttpMethod::Delete => None,
        HttpMethod::Post | HttpMethod::Put => Some(Value::Object(body)),
    };
    Request { method: row.method, path, body }
}

fn text(given: &Given) -> String {
    match given {
        Given::Text(text) => text.clone(),
        Given::Number(number) => number.to_string(),
        Given::Switch(is_on) => is_on.to_string(),
        Given::Level(level) => level.word().to_owned(),
        Given::Many(all) => all.join(","),
    }
}

fn json(given: &Given) -> Value {
    match given {
        Given::Text(text) => Value::from(text.as_str()),
        Given::Number(number) => Value::from(*number),
        Given::Switch(is_on) => Value::from(*is_on),
        Given::Level(level) => Value::from(level.word()),
        Given::Many(all) => Value::from(all.clone()),
    }
}
