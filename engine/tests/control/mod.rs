//! The Control API and what is asked over it, with the real program: loads and their receipts, who may
//! ask, bounds, files that are watched, and the end of the engine.

mod ask;

mod accounts;

mod bounds;

mod edits;

mod explains;

mod history;

mod https;

mod loads;

mod tls;

mod verbs;

mod watch;
