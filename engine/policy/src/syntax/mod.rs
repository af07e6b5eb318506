//! Text to `Ast`, never failing.
