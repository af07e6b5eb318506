//! Policy text to `Ast`.
