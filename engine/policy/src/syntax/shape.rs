//! How the value of a key is cut into texts: at commas, or not at all.

/// Whether a comma ends a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Domains, addresses, methods, ports, users, windows: `a, b` is two.
    Commas,
    /// URIs, regular expressions, user agents, paths, texts: a comma is a comma.
    Whole,
}

impl Shape {
    /// The shape of the key's values. A key that nobody knows is a fault later.
    #[must_use]
    pub(crate) fn of(key: &str) -> Self {
        let key = key.strip_prefix("except-").or_else(|| key.strip_prefix("match-")).unwrap_or(key);
        match key {
            "domain" | "sni" | "source" | "destination" | "anomaly" | "user" | "method"
            | "port" | "time-window" => Self::Commas,
            _ => Self::Whole,
        }
    }
}
